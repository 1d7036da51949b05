// serai logs APP [-f]: what the app's processes printed.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/printable.h"

namespace cli {
namespace {

struct Options {
  std::string app;
  client::LogQuery query;
};

Result<int> logs(const Context& context, const Options& options) {
  auto done = context.client().logs(options.app, options.query, [&](const json& event) {
    if (context.json_output)
      std::cout << event.dump() << std::endl;
    else
      std::cout << event.value("time", "") << "  " << event.value("process", "") << "  "
                << printable(event.value("text", "")) << std::endl;
    return std::cout.good();
  });
  if (!done) return std::unexpected(done.error());
  return 0;
}

}  // namespace

void add_logs(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "logs", "Show what an app's processes printed",
                              "serai logs mysite -f --process web", options, logs);
  add_app_argument(command, options->app);
  command->add_flag("-f,--follow", options->query.follow, "Go on as new lines come, until Ctrl-C");
  command->add_option("--process", options->query.process, "Only this process: web, a Procfile name, release, build");
  command->add_option("-n,--lines", options->query.lines, "How many earlier lines")->capture_default_str();
}

}  // namespace cli
