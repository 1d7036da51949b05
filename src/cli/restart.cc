// serai restart APP.
#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {

void add_restart(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(parser, parser.app, "restart",
                              "Start a new instance of the same release and switch to it without downtime",
                              "serai restart mysite", options, [](const Context& context, const AppOption& o) {
                                return follow_deploy(context, context.client().restart(o.app));
                              });
  add_app_argument(command, options->app);
}

}  // namespace cli
