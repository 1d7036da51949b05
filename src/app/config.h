// app::Config: what a release runs, with every choice made. Made by detection from serai.toml, Procfile and
// conventions; stored with the release; hashed into its id. Holds no secret value: only names.
//
// Paths are as the instance sees them: the release is at /app.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/manifest.h"
#include "base/error.h"

namespace app {

enum class Interface { automatic, wsgi, asgi, asgi2 };
std::string_view interface_name(Interface value);  // "auto", "wsgi", "asgi", "asgi2": as --interface takes it
std::optional<Interface> interface_of(std::string_view name);

struct WebProcess {
  enum class Kind {
    none,    // a folder of background processes only
    engine,  // `app` is served by our engine on the instance's Unix socket
    own,     // `command` brings its own server; gets PORT and HOST, is proxied over TCP
  } kind = Kind::none;

  // engine
  std::string app;                             // "mysite.wsgi:application", "pkg:create_app()" for factories
  Interface interface = Interface::automatic;  // automatic until the probe asked the object
  bool factory = false;                        // `app` names a callable that makes the app
  std::optional<int> workers;                  // empty: automatic
  std::optional<int> threads;
  std::string app_dir;  // added to sys.path, relative to `folder`; "" is `folder` itself
  std::string root_path;
  std::string lifespan = "auto";  // auto | on | off
  std::string preload = "auto";   // auto | on | off
  std::chrono::milliseconds graceful_timeout{30'000};

  // own
  std::string command;  // for CommandLine::parse

  std::string folder;                      // working folder relative to /app; "" is /app
  std::map<std::string, std::string> env;  // from the command line or the server's own configuration

  std::string health;                                // path; empty: first answer below 500 on "/"
  std::chrono::milliseconds health_timeout{60'000};  // of a new instance, until that answer
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds websocket_timeout{3'600'000};  // without a byte, either way
  std::uint64_t max_body = 32 << 20;
  std::optional<std::int64_t> max_in_flight;  // requests; by default what the edge has for one app
};

// The arguments after `python -m serai` for Kind::engine, without --bind.
std::vector<std::string> engine_arguments(const WebProcess& web);

struct Process {
  std::string name;
  std::string command;  // for CommandLine::parse
};

// A command of the build or release phase; runs with the app's environment. What a build phase writes below /app
// becomes part of the release.
struct Phase {
  std::string command;   // for CommandLine::parse; expanded when it runs, since variables may hold secrets
  std::string folder;    // where it runs, relative to /app, unless the command says; "" is /app
  std::string text;      // as the user sees it: "python manage.py migrate --noinput"
  std::string evidence;  // "Procfile:2", "manage.py"
};

struct Limits {
  std::optional<double> cpu;            // cores; empty: the host's default
  std::optional<std::uint64_t> memory;  // bytes
  std::optional<std::int64_t> nice;
  std::optional<std::int64_t> io_weight;
};

struct Config {
  std::string name;
  std::string kind;                   // of environment, as serai.toml says; empty: it says nothing
  std::string network;                // "host", or empty: its own
  std::vector<std::string> services;  // of the host, for parse_service
  std::string base;                   // the image that containers stand on, an ImageReference; empty: Serai's own
  WebProcess web;
  std::vector<Process> processes;  // background, in the order of the Procfile
  std::vector<Phase> build_phases, release_phases;
  std::map<std::string, std::string> static_files;  // URL prefix → folder relative to /app, served by the edge
  std::vector<std::string> data_folders;    // relative to /app; kept across releases ("" is /app itself: always)
  std::vector<std::string> data_files;      // relative to /app; files the app writes (db.sqlite3)
  std::map<std::string, std::string> env;   // plain values of [env] and defaults that the framework needs
  std::map<std::string, Variable> secrets;  // generate and required entries of [env]
  std::vector<std::string> hosts;           // [routes] hosts
  std::vector<std::string> paths;           // [routes] paths; {"/"} by default
  Limits limits;
};

nlohmann::json to_json(const Config& config);
base::Result<Config> config_from_json(const nlohmann::json& json);

}  // namespace app
