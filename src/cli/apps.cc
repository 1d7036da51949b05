// serai apps: every app, its release and state.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"

namespace cli {
namespace {

struct Options {};

void show(const json& value) {
  Table table({"app", "state", "environment", "release", "url"});
  for (const auto& app : value.value("apps", json::array())) {
    int release = app.value("release", 0);
    table.add({app.value("app", ""), app.value("state", ""), app.value("environment", ""),
               release ? fmt::format("r{}", release) : "–", app.value("url", "")});
  }
  table.print(std::cout);
}

}  // namespace

void add_apps(const Parser& parser) {
  add_command(parser, parser.app, "apps", "List the apps", "serai apps --json", std::make_shared<Options>(),
              [](const Context& context, const Options&) { return print(context, context.client().apps(), show); });
}

}  // namespace cli
