// serai config show APP: every effective value and where it came from.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"

namespace cli {
namespace {

void show(const json& value) {
  Table table({"setting", "value", "from", ""});
  for (const auto& setting : value.value("settings", json::array())) {
    table.add({setting.value("path", ""), setting.value("value", ""), setting.value("origin", ""),
               setting.value("evidence", "")});
  }
  table.print(std::cout);
}

}  // namespace

void add_config(const Parser& parser) {
  auto* group = parser.app.add_subcommand("config", "Show an app's effective configuration");
  group->fallthrough()->require_subcommand(1);
  group->footer("Example:\n  serai config show mysite");
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(
      parser, *group, "show", "Every setting, its value and where it came from", "serai config show mysite", options,
      [](const Context& context, const AppOption& o) { return print(context, context.client().config(o.app), show); });
  add_app_argument(command, options->app);
}

}  // namespace cli
