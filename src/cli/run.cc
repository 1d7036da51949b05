// serai run APP COMMAND…: a one-off command in a fresh instance of the app's release.
#include "cli/command.h"
#include "cli/terminal.h"

namespace cli {
namespace {

struct Options {
  std::string app;
  CLI::App* command = nullptr;
};

Result<int> run_command(const Context& context, const Options& options) {
  client::RunRequest request;
  request.app = options.app;
  request.argv = options.command->remaining();
  if (!request.argv.empty() && request.argv[0] == "--") request.argv.erase(request.argv.begin());
  if (request.argv.empty()) {
    return std::unexpected(base::Error(base::Kind::invalid, "no command was given",
                                       fmt::format("for example: serai run {} python manage.py createsuperuser", options.app)));
  }
  return with_terminal(request, [&](const client::RunRequest& prepared) { return context.client().run(prepared); });
}

}  // namespace

void add_run(const Parser& parser) {
  auto options = std::make_shared<Options>();
  options->command = add_command(parser, parser.app, "run", "Run a one-off command in a fresh instance of the app",
                                 "serai run mysite python manage.py createsuperuser", options, run_command);
  add_app_argument(options->command, options->app);
  options->command->fallthrough(false)->prefix_command();
}

}  // namespace cli
