// serai completion bash|zsh|fish: a script that completes subcommands and their options, made from the parser itself.
#include <iostream>

#include "cli/command.h"

namespace cli {
namespace {

struct Options {
  std::string shell;
  const CLI::App* app = nullptr;
};

std::string options_of(const CLI::App& app) {
  std::string words;
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames()) words += " --" + name;
  }
  return words;
}

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string words_of(const CLI::App& app) {
  std::string words;
  for (const auto* child : subcommands(app)) words += " " + child->get_name();
  return words + options_of(app);
}

void print_bash(const CLI::App& app) {
  std::cout << "_serai() {\n  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"" << words_of(app)
            << "\"\n  case \"${COMP_WORDS[1]}\" in\n";
  for (const auto* command : subcommands(app)) {
    std::cout << "    " << command->get_name() << ") words=\"" << words_of(*command) << options_of(app) << "\" ;;\n";
  }
  std::cout << "  esac\n  [ \"$COMP_CWORD\" = 1 ] && words=\"" << words_of(app)
            << "\"\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n  [ ${#COMPREPLY[@]} = 0 ] && "
               "COMPREPLY=($(compgen -f -- \"$current\"))\n}\ncomplete -F _serai serai\n";
}

void print_fish(const CLI::App& app) {
  for (const auto* command : subcommands(app)) {
    auto name = command->get_name();
    std::cout << "complete -c serai -n __fish_use_subcommand -a " << name << " -d '" << command->get_description()
              << "'\n";
    for (const auto* option : command->get_options())
      for (const auto& option_name : option->get_lnames()) {
        std::cout << "complete -c serai -n '__fish_seen_subcommand_from " << name << "' -l " << option_name << '\n';
      }
  }
}

Result<int> print_script(const Context&, const Options& options) {
  if (options.shell == "fish") return print_fish(*options.app), 0;
  if (options.shell == "zsh") std::cout << "autoload -U +X bashcompinit && bashcompinit\n";
  print_bash(*options.app);
  return 0;
}

}  // namespace

void add_completion(const Parser& parser) {
  auto options = std::make_shared<Options>();
  options->app = &parser.app;
  auto* command = add_command(parser, parser.app, "completion", "Print a script that completes commands in your shell",
                              "source <(serai completion bash)", options, print_script);
  command->add_option("shell", options->shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace cli
