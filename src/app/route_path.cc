#include "app/route_path.h"

#include <algorithm>
#include <string>

namespace app {

bool is_route_path(std::string_view path) {
  auto is_bad = [](unsigned char c) { return c <= ' ' || c == 0x7f || c == '?' || c == '#'; };
  if (!path.starts_with('/') || std::ranges::any_of(path, is_bad)) return false;
  auto closed = std::string(path) + "/";
  if (path.ends_with('/')) closed.pop_back();
  return !closed.contains("//") && !closed.contains("/./") && !closed.contains("/../");
}

}  // namespace app
