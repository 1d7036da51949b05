#include "app/marker_set.h"

#include <algorithm>

#include "app/text.h"

namespace app {
namespace {

bool covers(const MarkerSet::Way& wider, const MarkerSet::Way& narrower) {
  return std::ranges::includes(narrower, wider);
}

bool is_extra_clause(std::string_view clause) {
  clause = trim(clause);
  if (!clause.starts_with("extra")) return false;
  clause = trim(clause.substr(5));
  return clause.starts_with("==") && !clause.contains(" or ");
}

}  // namespace

bool MarkerSet::add(const Way& way) {
  if (std::ranges::any_of(ways_, [&](const Way& known) { return covers(known, way); })) return false;
  std::erase_if(ways_, [&](const Way& known) { return covers(way, known); });
  ways_.push_back(way);
  return true;
}

std::string MarkerSet::text() const {
  std::vector<std::string> ways;
  for (const auto& way : ways_) {
    if (way.empty()) return {};
    std::string all;
    for (const auto& marker : way) all += (all.empty() ? "(" : " and (") + marker + ")";
    ways.push_back(all);
  }
  std::ranges::sort(ways);
  return join(ways, " or ");
}

bool remove_extra(std::string marker, std::string& into) {
  into = marker;
  if (!marker.contains("extra")) return true;
  std::vector<std::string> kept;
  std::size_t removed = 0;
  for (std::size_t start = 0;;) {
    auto end = marker.find(" and ", start);
    auto clause = marker.substr(start, end == marker.npos ? marker.npos : end - start);
    if (is_extra_clause(clause)) {
      ++removed;
    } else {
      kept.push_back(clause);
    }
    if (end == marker.npos) break;
    start = end + 5;
  }
  into = join(kept, " and ");
  // What is left must stand by itself: no half of a bracket, no alternative to the removed clause.
  bool whole = std::ranges::count(into, '(') == std::ranges::count(into, ')');
  bool alternatives = marker.contains(" or ") && !(into.starts_with('(') && into.ends_with(')'));
  return removed == 1 && whole && !alternatives && !into.contains("extra");
}

}  // namespace app
