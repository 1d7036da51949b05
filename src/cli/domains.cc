// serai domains add|remove|list: the hosts that an app answers to besides APP.localhost.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"

namespace cli {
namespace {

struct Options {
  std::string app, host;
};

void show(const json& value) {
  for (const auto& host : value.value("hosts", json::array())) std::cout << host.get<std::string>() << '\n';
}

}  // namespace

void add_domains(const Parser& parser) {
  auto* group = parser.app.add_subcommand("domains", "Add, remove or list an app's domains");
  group->fallthrough()->require_subcommand(1);
  group->footer("Example:\n  serai domains add mysite www.example.org");
  auto options = std::make_shared<Options>();
  auto* add = add_command(parser, *group, "add", "Answer to this host too", "serai domains add mysite www.example.org",
                          options, [](const Context& context, const Options& o) {
                            return print(context, context.client().add_domain(o.app, o.host), show);
                          });
  auto* remove =
      add_command(parser, *group, "remove", "Answer to this host no more",
                  "serai domains remove mysite www.example.org", options, [](const Context& context, const Options& o) {
                    return print(context, context.client().remove_domain(o.app, o.host), show);
                  });
  auto* list = add_command(
      parser, *group, "list", "List the hosts", "serai domains list mysite", options,
      [](const Context& context, const Options& o) { return print(context, context.client().domains(o.app), show); });
  for (auto* command : {add, remove, list}) add_app_argument(command, options->app);
  for (auto* command : {add, remove})
    command->add_option("host", options->host, "The host, for example www.example.org")->required();
}

}  // namespace cli
