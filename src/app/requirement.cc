#include "app/requirement.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "app/text.h"

namespace app {

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
