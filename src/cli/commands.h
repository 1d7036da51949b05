// The commands, one file each. A file adds its subcommand (or a group of them) to the parser; running it gives the
// exit code or an error that main reports.
#pragma once

#include <functional>

#include "cli/context.h"

namespace cli {

// What the chosen subcommand does; set by its callback.
using Action = std::function<Result<int>()>;

struct Parser {
  CLI::App& app;
  Context& context;
  Action& action;
};

void add_apps(const Parser& parser);
void add_compare(const Parser& parser);
void add_completion(const Parser& parser);
void add_config(const Parser& parser);
void add_daemon(const Parser& parser);
void add_deploy(const Parser& parser);
void add_destroy(const Parser& parser);
void add_detect(const Parser& parser);
void add_doctor(const Parser& parser);
void add_domains(const Parser& parser);
void add_edge(const Parser& parser);
void add_env(const Parser& parser);
void add_image(const Parser& parser);
void add_limits(const Parser& parser);
void add_logs(const Parser& parser);
void add_move(const Parser& parser);
void add_split(const Parser& parser);
void add_releases(const Parser& parser);
void add_restart(const Parser& parser);
void add_rollback(const Parser& parser);
void add_run(const Parser& parser);
void add_serve(const Parser& parser);
void add_start(const Parser& parser);
void add_status(const Parser& parser);
void add_stop(const Parser& parser);
void add_read_upload(const Parser& parser);
void add_version(const Parser& parser);

// Everything `serai` understands.
void add_commands(const Parser& parser);
// Parses and runs a command line; the exit code.
int run(int argc, const char* const* argv);

}  // namespace cli
