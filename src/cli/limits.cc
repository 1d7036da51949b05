// serai limits APP: which limit bit, when, how often.
#include <fmt/chrono.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"

namespace cli {
namespace {

void show(const json& value) {
  Table table({"limit", "value", "used", "hits"});
  for (const auto& limit : value.value("limits", json::array())) {
    table.add({limit.value("limit", ""), limit.value("value", ""), limit.value("used", ""),
               std::to_string(limit.value("hits", 0))});
  }
  table.print(std::cout);
  for (const auto& event : value.value("events", json::array())) {
    auto at = static_cast<std::time_t>(event.value("at", std::int64_t{0}));
    std::cout << fmt::format("  {:%Y-%m-%d %H:%M}  {}\n", fmt::localtime(at), event.value("text", ""));
  }
}

}  // namespace

void add_limits(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(
      parser, parser.app, "limits", "Show an app's limits and how often each one bit", "serai limits mysite", options,
      [](const Context& context, const AppOption& o) { return print(context, context.client().limits(o.app), show); });
  add_app_argument(command, options->app);
}

}  // namespace cli
