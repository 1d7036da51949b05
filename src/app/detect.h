// Detection: what an unpacked folder is and how it runs, each finding with its evidence.
//
// In two parts. detect() reads files only; for an upload it runs in the child that unpacks it, as the app's user, and
// the daemon gets the outcome as JSON (upload_report.h). probe_command() then imports the candidates in the sandbox,
// with the app's virtual environment; apply_probe() takes its answer in. In a deploy:
//   detect → choose_interpreter → plan_build (run it) → probe → build phases → release phases → launch
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "app/effective.h"
#include "app/finding.h"
#include "app/folder.h"
#include "app/interpreter.h"
#include "app/lock.h"
#include "base/error.h"

namespace app {

// A place where the app object may be; the probe imports them in order until one is an app.
struct Candidate {
  std::string target;    // "mysite.wsgi:application", "app" (any app object in the module), "pkg:create_app()"
  std::string evidence;  // "settings.WSGI_APPLICATION at mysite/settings.py:70"
  Interface interface = Interface::automatic;
  std::string app_dir;  // added to sys.path, relative to the web process's folder: "src"
};

struct Detection {
  Settings settings;  // of serai.toml, with what was detected filled in
  Config config;      // complete after apply_probe
  Lock lock;
  PythonWish python;
  std::string framework;              // "Django", "FastAPI", "Flask", "ASGI", "WSGI", "own server"
  std::string django_settings;        // module; empty: not Django
  std::string django_manage;          // path of manage.py; empty: none
  std::vector<Candidate> candidates;  // for the probe; empty: nothing to probe
  bool is_explicit = false;           // the app was named (serai.toml, Procfile): no other is tried or preferred
  std::vector<Finding> findings;
};

struct DetectOptions {
  std::string fallback_name;               // the folder's name, when serai.toml has no name
  std::map<std::string, std::string> env;  // set with `serai env set` or --env: PORT-like settings, WEB_CONCURRENCY
};

base::Result<Detection> detect(const Folder& folder, const DetectOptions& options);

// The probe's argument vector (its request is the last argument) for the sandbox: cwd /app, the app's environment,
// PYTHONPATH=/serai/engine. Prints one line of JSON, after a marker, on standard output.
std::vector<std::string> probe_command(const Detection& detection);
// Takes in what the probe printed: interface, framework version, data and static paths, phases. An app that could not
// be imported is an error whose message holds the exception; classify(Stage::detect, output) explains it.
base::Result<void> apply_probe(Detection& detection, std::string_view output);
// What the app itself printed meanwhile: the output without the probe's answer.
std::string without_answer(std::string_view output);

// A DNS-safe app name from a folder's or project's name.
std::string app_name_from(std::string_view text);

// All of it, except the converted lock (Lock::requirements), which can be megabytes that nobody reads.
nlohmann::json to_json(const Detection& detection);
// Refuses, by the schema, what detect() would not have found: names, paths and limits are as good as those of a
// serai.toml. Whoever wrote the JSON decides no more than whoever wrote the folder.
base::Result<Detection> detection_from_json(const nlohmann::json& json);

}  // namespace app
