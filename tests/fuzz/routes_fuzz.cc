// The routes message: what is taken makes a table that can be asked; what is not is refused with its place.
#include <nlohmann/json.hpp>

#include "edge/route_parser.h"
#include "http/static_folder.h"
#include "support.h"

namespace {

void ask(const edge::RouteTable& table) {
  for (const auto& app : table.apps()) {
    fuzz::require(table.find_app(app.name) == &app, "an app is found by its name");
    for (const auto& host : app.hosts) {
      if (host.starts_with("*")) continue;
      for (const auto& path : app.paths) {
        auto* found = table.find(host, path.empty() ? "/" : path);
        fuzz::require(found == &app, "a place leads to the app that claims it");
      }
    }
  }
  (void)table.find("a.b.c.example:80", "/x/y");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto message = nlohmann::json::parse(data, data + size, nullptr, false);
  if (message.is_discarded()) return 0;
  auto parsed = edge::parse_routes(message, 1000);
  if (!parsed) {
    fuzz::require(parsed.error().describe().find(": ") != std::string::npos, "a refusal names the place");
    return 0;
  }
  auto table = edge::RouteTable::build(parsed->generation, std::move(parsed->apps));
  if (table) ask(*table);
  return 0;
}
