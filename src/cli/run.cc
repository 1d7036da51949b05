// serai run APP COMMAND…: a one-off command in a fresh instance of the app's release.
#include "cli/command.h"
#include "cli/terminal.h"

namespace cli {
namespace {

struct Options {
  std::string app;
};

Result<int> run_command(const Context& context, const Options& options) {
  client::RunRequest request;
  request.app = options.app;
  request.argv = context.command;
  if (request.argv.empty()) {
    return std::unexpected(
        base::Error(base::Kind::invalid, "no command was given",
                    fmt::format("for example: serai run {} python manage.py createsuperuser", options.app)));
  }
  return with_terminal(request, [&](const client::RunRequest& prepared) { return context.client().run(prepared); });
}

}  // namespace

void add_run(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "run", "Run a one-off command in a fresh instance of the app",
                              "serai run mysite python manage.py createsuperuser", options, run_command);
  add_app_argument(command, options->app);
}

}  // namespace cli
