// serai version: of this executable and of the daemon, if one answers.
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "cli/command.h"

namespace cli {
namespace {

struct Options {};

Result<int> version(const Context& context, const Options&) {
  json value{{"version", base::version()}};
  if (auto daemon = context.client().version()) value["daemon"] = daemon->value("version", "");
  return print(context, Result<json>(value), [](const json& shown) {
    std::cout << "serai " << shown.value("version", "");
    if (shown.contains("daemon")) std::cout << " (daemon " << shown.value("daemon", "") << ")";
    std::cout << '\n';
  });
}

}  // namespace

void add_version(const Parser& parser) {
  add_command(parser, parser.app, "version", "Print the version", "serai version --json", std::make_shared<Options>(),
              version);
}

}  // namespace cli
