// serai start APP.
#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {

void add_start(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(
      parser, parser.app, "start", "Start a stopped app again", "serai start mysite", options,
      [](const Context& context, const AppOption& o) { return follow_deploy(context, context.client().start(o.app)); });
  add_app_argument(command, options->app);
}

}  // namespace cli
