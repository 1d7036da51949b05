// What the daemon remembers, as plain values; one struct per table of ROOT/state.db. Times are seconds since the epoch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "environment/kind.h"

namespace control_plane {

struct App {
  std::string name;
  std::int64_t created_at = 0;
  bool destroying = false;  // it is being removed for good; a new daemon goes on with that
};

// Immutable. `config` is the canonical JSON of everything that says how the release runs (ReleaseConfig); it names
// secret values by their variable and never holds them. They are in the env set `env_version`.
struct Release {
  std::string app;
  int number = 0;       // r1, r2, …
  std::string digest;   // content address: code, build, configuration, interpreter
  std::string folder;   // its folder's name below ROOT/apps/<app>/releases; releases of the same code share one
  std::string build;    // digest of the build: ROOT/builds/<build>
  std::string config;   // JSON
  int env_version = 0;  // 0: no values set
  std::int64_t created_at = 0;
};

enum class InstanceState { starting, running, draining };
struct Instance {
  std::string id;
  std::string app;
  int release = 0;
  InstanceState state = InstanceState::starting;
  std::int64_t created_at = 0;
  long last_event = 0;  // the last event of its supervisor that was recorded
  environment::Kind kind = environment::Kind::shared;
};

// Where an app's release runs now. A stopped app keeps its placement without an instance.
struct Placement {
  std::string app;
  int release = 0;
  std::string instance;  // empty: stopped
  environment::Kind kind = environment::Kind::shared;
};

// A second place of the app's live release, which gets so many of a hundred requests. It has no background processes.
struct Split {
  std::string app;
  std::string instance;
  environment::Kind kind = environment::Kind::shared;
  int percent = 0;  // 1 to 99
};

enum class DeployKind { deploy, rollback, restart, start, env, move, split };
enum class DeployState { running, succeeded, failed };
// One journaled change of an app's placement. `step` is the last step begun; see deploy/recovery.h for what a new
// daemon does with one that was interrupted.
struct Deploy {
  std::string id;
  std::string app;
  DeployKind kind = DeployKind::deploy;
  DeployState state = DeployState::running;
  std::string step;
  std::string upload;        // empty unless kind is deploy
  int release = 0;           // 0 until known
  std::string instance;      // the new one; empty until known
  std::string old_instance;  // the one it replaces
  bool switched = false;     // the placement points to the new instance: from here on it is finished, not undone
  std::int64_t started_at = 0;
  std::int64_t finished_at = 0;
  std::optional<environment::Kind> target;  // the kind of environment it leads to; empty until known
  int percent = 0;                          // of the requests; only where kind is split
};

// Something the app's owner should see: a limit that bit, a crash, a restart.
struct AppEvent {
  std::string app;
  std::string kind;  // "memory", "processes", "crash", "restart", …
  std::string text;
  std::int64_t at = 0;
};

std::string_view to_string(InstanceState state);
std::string_view to_string(DeployKind kind);
std::string_view to_string(DeployState state);

}  // namespace control_plane
