// serai doctor: what this host can do, what is missing, how to get it.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {
namespace {

struct Options {};

// What is about one kind of environment says which; the shared one's facts hold for all.
std::string name_of(const json& fact) {
  auto kind = fact.value("environment", "shared"), what = fact.value("what", "");
  return kind == "shared" ? what : kind + " " + what;
}

void show(const json& value) {
  for (const auto& fact : value.value("facts", json::array())) {
    bool good = fact.value("good", false);
    std::cout << (good                                    ? "  ok       "
                  : fact.value("state", "") == "degraded" ? "  limited  "
                                                          : "  missing  ")
              << padded(name_of(fact), 27) << fact.value("found", "") << '\n';
    if (!good && !fact.value("advice", "").empty()) std::cout << "           " << fact.value("advice", "") << '\n';
  }
}

}  // namespace

void add_doctor(const Parser& parser) {
  add_command(parser, parser.app, "doctor", "Try out what this host can do", "serai doctor",
              std::make_shared<Options>(),
              [](const Context& context, const Options&) { return print(context, context.client().doctor(), show); });
}

}  // namespace cli
