// serai stop APP: ends its instance; the release, the data and the address stay.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace cli {

void add_stop(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(parser, parser.app, "stop", "Stop an app; its data and releases stay",
                              "serai stop mysite", options, [](const Context& context, const AppOption& o) {
                                return print(context, context.client().stop(o.app), [&](const json&) {
                                  std::cout << "  " << o.app << " is stopped   start it again: serai start " << o.app
                                            << '\n';
                                });
                              });
  add_app_argument(command, options->app);
}

}  // namespace cli
