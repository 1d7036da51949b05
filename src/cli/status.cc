// serai status APP: where it runs, its processes, what it keeps and what happened to it.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/deploy_view.h"
#include "cli/printable.h"
#include "cli/table.h"

namespace cli {
namespace {

void line(const char* name, const std::string& text) {
  if (!text.empty()) std::cout << "  " << padded(name, 13) << printable(text) << '\n';
}

std::string joined(const json& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ", ") + item.get<std::string>();
  return text;
}

void show_processes(const json& processes) {
  for (const auto& process : processes) {
    line("process", fmt::format("{}  {}{}", process.value("name", ""), process.value("state", ""),
                                process.value("note", "").empty() ? "" : "  " + process.value("note", "")));
  }
}

void show(const json& status) {
  std::cout << status.value("app", "") << "  " << status.value("state", "") << '\n';
  if (int release = status.value("release", 0))
    line("release", fmt::format("r{}  {}", release, status.value("digest", "")));
  auto cpus = status.value("own_cpus", "");
  line("environment", status.value("environment", "") + (cpus.empty() ? "" : "  CPUs of its own: " + cpus));
  if (auto split = status.value("split", json::object()); !split.empty()) {
    line("split", fmt::format("{} % in {}  {}, {} requests, {} server errors", split.value("percent", 0),
                              split.value("environment", ""), split.value("state", ""), split.value("requests", 0ULL),
                              split.value("server_errors", 0ULL)));
  }
  line("network", status.value("network", ""));
  line("urls", joined(status.value("urls", json::array())));
  line("web", status.value("web", ""));
  show_processes(status.value("processes", json::array()));
  line("keeps", joined(status.value("data", json::array())));
  if (auto deploy = status.value("last_deploy", json::object()); !deploy.empty()) {
    line(deploy.value("kind", "deploy").c_str(),
         fmt::format("{}  {}", deploy.value("state", ""), deploy.value("found", "")));
  }
  for (const auto& event : status.value("events", json::array())) {
    line("event", fmt::format("{}  {}", time_text(event.value("at", 0LL)), event.value("text", "")));
  }
}

}  // namespace

void add_status(const Parser& parser) {
  auto options = std::make_shared<AppOption>();
  auto* command = add_command(parser, parser.app, "status", "Show an app: release, processes, data, recent events",
                              "serai status mysite", options, [](const Context& context, const AppOption& o) {
                                return print(context, context.client().status(o.app), show);
                              });
  add_app_argument(command, options->app);
}

}  // namespace cli
