// serai move APP --to KIND: the live release in another kind of environment, without downtime.
#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {
namespace {

struct Options {
  std::string app, kind;
};

Result<int> move(const Context& context, const Options& options) {
  return follow_deploy(context, context.client().move(options.app, options.kind));
}

}  // namespace

void add_move(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "move",
                              "Start the same release in another kind of environment and switch to it without downtime",
                              "serai move mysite --to dedicated", options, move);
  add_app_argument(command, options->app);
  command->add_option("--to", options->kind, "The kind of environment: shared, dedicated, container or vm")->required();
}

}  // namespace cli
