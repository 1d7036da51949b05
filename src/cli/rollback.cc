// serai rollback APP [RELEASE]: the release and its configuration again, without downtime.
#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {
namespace {

struct Options {
  std::string app, release;
};

Result<int> rollback(const Context& context, const Options& options) {
  int number = 0;
  if (!options.release.empty()) {
    auto digits = options.release.substr(options.release[0] == 'r' ? 1 : 0);
    number = std::atoi(digits.c_str());
    if (number <= 0) {
      return std::unexpected(base::Error(base::Kind::invalid, fmt::format("{} is not a release", options.release),
                                         fmt::format("see `serai releases {}`; write r3 or 3", options.app)));
    }
  }
  return follow_deploy(context, context.client().rollback(options.app, number));
}

}  // namespace

void add_rollback(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command =
      add_command(parser, parser.app, "rollback", "Go back to an earlier release; migrations are not undone",
                  "serai rollback mysite r6", options, rollback);
  add_app_argument(command, options->app);
  command->add_option("release", options->release, "The release, for example r6 (default: the one before)");
}

}  // namespace cli
