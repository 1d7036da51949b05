// serai env set|unset|list: the app's variables. A change makes a new release; values are never printed.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/deploy_view.h"
#include "cli/upload.h"

namespace cli {
namespace {

struct Options {
  std::string app;
  std::vector<std::string> items;
};

Result<int> set(const Context& context, const Options& options) {
  auto values = parse_assignments(options.items);
  if (!values) return std::unexpected(values.error());
  return follow_deploy(context, context.client().change_env(options.app, *values, {}));
}

Result<int> unset(const Context& context, const Options& options) {
  return follow_deploy(context, context.client().change_env(options.app, {}, options.items));
}

Result<int> list(const Context& context, const Options& options) {
  return print(context, context.client().env(options.app), [](const json& value) {
    for (const auto& name : value.value("names", json::array())) std::cout << name.get<std::string>() << '\n';
  });
}

}  // namespace

void add_env(const Parser& parser) {
  auto* group = parser.app.add_subcommand("env", "Set, unset or list an app's variables");
  group->fallthrough()->require_subcommand(1);
  group->footer("Example:\n  serai env set mysite DEBUG=0");
  auto options = std::make_shared<Options>();
  auto* set_command = add_command(parser, *group, "set", "Set variables and make a new release",
                                  "serai env set mysite DEBUG=0 SECRET_KEY=…", options, set);
  auto* unset_command = add_command(parser, *group, "unset", "Remove variables and make a new release",
                                    "serai env unset mysite DEBUG", options, unset);
  auto* list_command = add_command(parser, *group, "list", "List the names; values are never printed",
                                   "serai env list mysite", options, list);
  for (auto* command : {set_command, unset_command, list_command}) add_app_argument(command, options->app);
  set_command->add_option("values", options->items, "KEY=VALUE")->required();
  unset_command->add_option("names", options->items, "Names")->required();
}

}  // namespace cli
