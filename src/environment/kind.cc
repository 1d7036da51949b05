#include "environment/kind.h"

#include <algorithm>

namespace environment {

std::string_view to_string(Kind kind) {
  constexpr std::array<std::string_view, kAllKinds.size()> names = {"shared", "dedicated", "container", "vm"};
  return names[static_cast<std::size_t>(kind)];
}

std::optional<Kind> find_kind(std::string_view name) {
  auto found = std::ranges::find(kAllKinds, name, to_string);
  return found == kAllKinds.end() ? std::nullopt : std::optional(*found);
}

base::Result<Kind> parse_kind(std::string_view name) {
  if (auto kind = find_kind(name)) return *kind;
  std::string names;
  for (auto kind : kAllKinds) names += (names.empty() ? "" : ", ") + std::string(to_string(kind));
  return std::unexpected(base::Error(base::Kind::invalid, fmt::format("\"{}\" is no kind of environment", name),
                                     "choose among: " + names));
}

}  // namespace environment
