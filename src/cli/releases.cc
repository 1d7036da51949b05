// serai releases APP: what can be rolled back to.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/deploy_view.h"
#include "cli/table.h"

namespace cli {
namespace {

void show(const json& value) {
  Table table({"release", "digest", "made", "python", ""});
  for (const auto& release : value.value("releases", json::array())) {
    table.add({fmt::format("r{}", release.value("release", 0)), release.value("digest", ""),
               time_text(release.value("created_at", 0LL)), release.value("python", ""),
               release.value("live", false) ? "live in " + release.value("environment", "") : ""});
  }
  table.print(std::cout);
}

}  // namespace

void add_releases(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(parser, parser.app, "releases", "List an app's releases, newest first",
                              "serai releases mysite", options, [](const Context& context, const AppOption& o) {
                                return print(context, context.client().releases(o.app), show);
                              });
  add_app_argument(command, options->app);
}

}  // namespace cli
