#include "app/requirement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <tuple>

#include "app/text.h"

namespace app {

static bool has_only(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [&](unsigned char c) {
    return std::isalnum(c) || also.contains(static_cast<char>(c));
  });
}

static bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == '#' || c == '\\' || c == 0x7f; });
}

std::string normalize_name(std::string_view name) {
  std::string normal;
  for (char c : to_lower(name)) {
    bool is_separator = c == '-' || c == '_' || c == '.';
    if (!is_separator) normal += c;
    if (is_separator && !normal.ends_with('-')) normal += '-';
  }
  return normal;
}

base::Result<void> check_requirement(const Requirement& requirement) {
  auto bad = [&](std::string_view what, std::string_view value) {
    return base::invalid("package \"{}\" has no usable {}: \"{}\"", requirement.name.substr(0, 80), what,
                         value.substr(0, 80));
  };
  if (!has_only(requirement.name, "-")) return bad("name", requirement.name);
  if (requirement.url.empty() && !has_only(requirement.version, ".!+_-")) return bad("version", requirement.version);
  bool web = requirement.url.starts_with("https://") || requirement.url.starts_with("http://");
  if (!requirement.url.empty() && !(web && is_one_line(requirement.url) && !requirement.url.contains(' ')))
    return bad("address", requirement.url);
  for (const auto& extra : requirement.extras) {
    if (!has_only(extra, "-_.")) return bad("extra", extra);
  }
  if (!is_one_line(requirement.marker)) return bad("marker", requirement.marker);
  if (requirement.hashes.empty()) return bad("hash", "none");
  for (const auto& hash : requirement.hashes) {
    if (!has_only(hash, ":") || !hash.contains(':')) return bad("hash", hash);
  }
  return {};
}

static std::string to_line(const Requirement& requirement) {
  std::string line = requirement.name;
  if (!requirement.extras.empty()) line += fmt::format("[{}]", join(requirement.extras, ","));
  line += requirement.url.empty() ? "==" + requirement.version : " @ " + requirement.url;
  if (!requirement.marker.empty()) line += " ; " + requirement.marker;
  for (const auto& hash : requirement.hashes) line += " \\\n    --hash=" + hash;
  return line + "\n";
}

std::string to_requirements_txt(Requirements requirements) {
  std::ranges::sort(requirements, {}, [](const Requirement& r) { return std::tie(r.name, r.version, r.marker); });
  std::string text;
  for (const auto& requirement : requirements) text += to_line(requirement);
  return text;
}

}  // namespace app
