// The options of the servers that Procfiles name. Internal to this folder.
#pragma once

#include <span>
#include <string_view>

namespace app {

enum class Meaning {
  workers,
  threads,
  worker_class,
  request_timeout,
  graceful_timeout,
  app_dir,
  folder,
  variable,  // gunicorn's --env NAME=value
  root_path,
  lifespan,
  interface,
  factory,
  preload,
  config_file,
  app,           // the app object as an option's value
  file,          // uWSGI's --wsgi-file
  callable,      // uWSGI's --callable
  ignored,       // ServerOption::reason says why it does not matter here
  needs_server,  // only the server itself can do it
};

struct ServerOption {
  std::string_view names;  // "-w --workers"
  bool takes_value;
  Meaning meaning;
  std::string_view reason = {};
};

struct ServerFacts {
  std::string_view program;            // "gunicorn"
  std::string_view module;             // of `python -m`, where it differs
  std::string_view default_attribute;  // for an app named as a module only; empty: by convention
  std::span<const ServerOption> options;
};

// nullptr when it is not a known server.
const ServerFacts* find_server(std::string_view program);
const ServerOption* find_option(const ServerFacts& server, std::string_view name);

}  // namespace app
