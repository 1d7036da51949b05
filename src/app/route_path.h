// The path prefixes that the edge takes (edge/route_parser.cc): one that it does not take would cost every app its
// routes, so serai.toml is checked for the same.
#pragma once

#include <string_view>

namespace app {

// "/", "/blog", "/blog/": no query, no spaces, no empty, "." or ".." part.
bool is_route_path(std::string_view path);

}  // namespace app
