// Helpers for the command files: a subcommand with its example, and the app that a command is about.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"

namespace cli {

// A subcommand whose options live in `options`, shared with the action.
template <typename Options, typename Run>
CLI::App* add_command(const Parser& parser, CLI::App& parent, const char* name, const char* help, const char* example,
                      std::shared_ptr<Options> options, Run run) {
  auto* command = parent.add_subcommand(name, help);
  command->fallthrough();
  command->footer(std::string("Example:\n  ") + example);
  auto* context = &parser.context;
  auto* action = &parser.action;
  command->callback([command, context, action, options, run] {
    if (!command->get_subcommands().empty()) return;  // CLI11 calls a parent's callback after its subcommand's
    *action = [context, options, run]() -> Result<int> { return run(*context, *options); };
  });
  return command;
}

// Prints JSON as it is with --json, otherwise calls `show` with it.
template <typename Show>
Result<int> print(const Context& context, const Result<json>& value, Show show) {
  if (!value) return std::unexpected(value.error());
  if (context.json_output)
    context.print_json(*value);
  else
    show(*value);
  return 0;
}

struct AppOption {
  std::string app;
};

inline CLI::Option* add_app_argument(CLI::App* command, std::string& app) {
  return command->add_option("app", app, "The app's name")->required();
}

}  // namespace cli
