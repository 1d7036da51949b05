// A Procfile's web command that names a known server: what it says, in our terms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/config.h"
#include "app/finding.h"

namespace app {

struct ServerCommand {
  std::string
      server;      // "gunicorn", "uvicorn", "hypercorn", "daphne", "waitress", "uwsgi", "flask", "fastapi", "runserver"
  WebProcess web;  // Kind::engine; `app` is empty when the command leaves it to conventions
  std::string config_file;              // gunicorn's -c, uWSGI's --ini
  std::vector<std::string> understood;  // "--workers 4"
  std::vector<std::string> ignored;     // "--bind 0.0.0.0:$PORT: Serai gives the socket"
};

// Nothing when the command is not of a known server, or uses something that only the server itself can do (`reason`
// says what): then it runs as it stands, as a program that brings its own server.
std::optional<ServerCommand> recognize_server(const CommandLine& command, const Lookup& environment,
                                              std::string& reason);

// Settings of a server's configuration file, taken over where the command line did not say otherwise.
// gunicorn.conf.py: literals assigned at the top level; hooks and computed values are named as ignored.
void take_gunicorn_config(ServerCommand& command, std::string_view text, const std::string& file);
// The [uwsgi] section of an ini file.
void take_uwsgi_ini(ServerCommand& command, std::string_view text, const std::string& file);

// The command's `understood` and `ignored` as findings.
std::vector<Finding> explain(const ServerCommand& command, const std::string& evidence);

}  // namespace app
