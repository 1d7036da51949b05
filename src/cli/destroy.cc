// serai destroy APP: removes the app, its releases, its data and its logs, after asking.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace cli {
namespace {

Result<int> destroy(const Context& context, const AppOption& options) {
  auto sure = context.ask(fmt::format("Destroy {} with all its releases, data and logs?", options.app));
  if (!sure) return std::unexpected(sure.error());
  if (!*sure) return 1;
  return print(context, context.client().destroy(options.app),
               [&](const json&) { std::cout << "  " << options.app << " is gone\n"; });
}

}  // namespace

void add_destroy(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(parser, parser.app, "destroy", "Remove an app with its releases, data and logs",
                              "serai destroy mysite --yes", options, destroy);
  add_app_argument(command, options->app);
}

}  // namespace cli
