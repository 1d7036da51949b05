#include "http/static_name.h"

#include "http/percent.h"

namespace http {
namespace {

bool is_safe_segment(std::string_view segment, bool dotfiles) {
  if (segment.empty() || segment == "." || segment == "..") return false;
  return dotfiles || segment.front() != '.';
}

}  // namespace

std::optional<std::string> safe_file_name(std::string_view path, bool dotfiles) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::string name;
  while (!path.empty()) {
    std::size_t slash = path.find('/');
    auto segment = percent_decode(path.substr(0, slash));  // taken apart first: an encoded slash separates nothing
    if (!segment || !is_safe_segment(*segment, dotfiles)) return {};
    if (segment->find_first_of(std::string_view("/\0", 2)) != std::string::npos) return {};
    name += *segment;
    if (slash == std::string_view::npos) break;
    name += '/';
    path.remove_prefix(slash + 1);
  }
  return name;
}

// A part between two dots of 12 to 64 hexadecimal digits, some of them letters and some not: dates and versions are
// none.
bool has_content_hash(std::string_view file_name) {
  std::size_t from = file_name.find('.');
  while (from != std::string_view::npos) {
    std::size_t to = file_name.find('.', from + 1);
    if (to == std::string_view::npos) return false;
    std::string_view part = file_name.substr(from + 1, to - from - 1);
    bool is_hex = part.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    bool is_mixed = part.find_first_of("abcdef") != std::string_view::npos &&
                    part.find_first_of("0123456789") != std::string_view::npos;
    if (is_hex && is_mixed && part.size() >= 12 && part.size() <= 64) return true;
    from = to;
  }
  return false;
}

}  // namespace http
