// The parser of `serai`: global options before or after the subcommand, help with examples, exit codes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>

#include "cli/commands.h"

namespace cli {
namespace {

void add_global_options(CLI::App& app, Context& context) {
  app.add_option("--root", context.root, "The folder of the Serai to talk to")
      ->envname("SERAI_ROOT")
      ->capture_default_str();
  app.add_flag("--json", context.json_output, "Print JSON for machines");
  app.add_flag("-y,--yes", context.yes, "Answer every question with yes");
}

int report_wrong_use(const CLI::App& app, const Context& context, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  auto used = app.get_subcommands();
  auto help = fmt::format("see: serai {}--help", used.empty() ? "" : used[0]->get_name() + " ");
  (void)context.report(base::Error(base::Kind::invalid, error.what(), help));
  return 2;
}

// Takes what stands after `run APP` out of the arguments: it is a command with options of its own, which are not ours.
std::vector<std::string> take_command(std::vector<std::string>& arguments) {
  std::vector<std::string> command;
  std::size_t words = 0, at = 0;
  for (; at < arguments.size() && words < 2; at++) {
    if (arguments[at] == "--root")
      at++;
    else if (!arguments[at].starts_with('-') && ++words == 1 && arguments[at] != "run")
      return command;
  }
  if (words < 2) return command;
  auto begin = arguments.begin() + static_cast<std::ptrdiff_t>(std::min(at, arguments.size()));
  command.assign(begin, arguments.end());
  arguments.erase(begin, arguments.end());
  if (!command.empty() && command[0] == "--") command.erase(command.begin());
  return command;
}

}  // namespace

void add_commands(const Parser& parser) {
  for (auto add : {add_deploy,  add_detect,  add_apps,   add_status,  add_logs,       add_releases,   add_rollback,
                   add_restart, add_compare, add_move,   add_split,   add_stop,       add_start,      add_destroy,
                   add_run,     add_env,     add_config, add_domains, add_limits,     add_image,      add_serve,
                   add_daemon,  add_edge,    add_doctor, add_version, add_completion, add_read_upload}) {
    add(parser);
  }
}

int run(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Context context;
  Action action;
  CLI::App app("Serai hosts Python web applications on your own Linux server.", "serai");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Example:\n  cd mysite && serai deploy");
  add_global_options(app, context);
  add_commands({app, context, action});
  std::vector<std::string> arguments(argv + 1, argv + argc);
  context.command = take_command(arguments);
  bool wants_json = std::ranges::find(arguments, "--json") != arguments.end();
  std::ranges::reverse(arguments);  // as CLI11 takes a vector
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    context.json_output = wants_json;  // the parser may not have come so far
    return report_wrong_use(app, context, error);
  }
  auto code = action();
  return code ? *code : context.report(code.error());
}

}  // namespace cli
