#include "cli/context.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/printable.h"

namespace cli {

bool Context::on_terminal() const { return ::isatty(1) != 0 && !json_output; }

bool Context::colours() const { return on_terminal() && std::getenv("NO_COLOR") == nullptr; }

Result<bool> Context::ask(const std::string& question) const {
  if (yes) return true;
  if (!::isatty(0)) {
    return std::unexpected(base::Error(base::Kind::invalid, "standard input is not a terminal, nobody can answer",
                                       "answer yes beforehand with --yes")
                               .add_context(question));
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void Context::print_json(const json& value) const { std::cout << value.dump(2) << '\n'; }

std::string describe_for_people(const base::Error& error) {
  std::string text = "serai: ";
  auto& contexts = error.contexts();
  for (auto context = contexts.rbegin(); context != contexts.rend(); ++context) {
    text += (context == contexts.rbegin() ? "" : ": ") + *context;
  }
  if (!contexts.empty()) text += "\n  ";
  text += error.message();
  if (!error.advice().empty()) text += "\n  " + error.advice();
  return text;
}

int Context::report(const base::Error& error) const {
  if (json_output) {
    json value{{"kind", base::kind_facts(error.kind()).name}, {"message", error.message()}, {"advice", error.advice()}};
    value["contexts"] = error.contexts();
    std::cerr << value.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  } else {
    std::cerr << printable_lines(describe_for_people(error)) << '\n';
  }
  return base::kind_facts(error.kind()).exit_code;
}

}  // namespace cli
