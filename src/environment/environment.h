// environment::Environment: the kind of place instances live in. One implementation per kind (shared/, dedicated/,
// container/, vm/); environment::Registry (registry.h) puts them behind one.
//
// ROOT/instances/<id>/record.json names the kind of the instance ("kind") from before anything of it is outside that
// folder.
//
// Calls block and may come from any thread, one at a time per app. What is running is on disk (ROOT/instances) and in
// the instances' supervisors, so a new daemon goes on with what an old one started. Events of a running instance come
// from its supervisor (environment/supervisor.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocation/limits.h"
#include "base/child.h"
#include "environment/kind.h"
#include "environment/launch.h"
#include "environment/spec.h"

namespace environment {

// Where a started instance can be reached.
struct Instance {
  std::string app, id;
  std::filesystem::path socket;       // Listen::unix_socket
  std::uint16_t port = 0;             // Listen::tcp
  std::string address = "127.0.0.1";  // of the port: the host's loopback, or the instance's own
  pid_t supervisor = 0;
};

// What became of files that an instance (or a release phase) wrote outside the data folders. Paths relative to /app.
struct Adoption {
  std::vector<std::string> folders;    // new data folders
  std::vector<std::string> files;      // kept files; a release file among them is data from now on
  std::vector<std::string> discarded;  // changed release files that are no data: a release cannot be changed for good
  std::vector<std::string> conflicts;  // kept beside a newer one as NAME.from-INSTANCE
  bool is_empty() const { return folders.empty() && files.empty() && discarded.empty() && conflicts.empty(); }
};

// What is kept for an app.
struct Kept {
  std::vector<std::string> folders, files;  // relative to /app; /app itself is always kept and not listed
};

enum class InstanceState {
  running,
  ended,  // the supervisor is gone; its folder is still there
};
struct Inspection {
  Instance instance;
  InstanceState state = InstanceState::ended;
  allocation::Limits limits;
  allocation::Usage usage;
  allocation::LimitHits hits;
  bool is_emulated = false;      // its CPU is imitated by software (a vm without KVM): its speed says little
  std::string network;           // for people: "its own, 198.18.0.1", "the host's: the daemon does not run as root"
  bool network_missing = false;  // it should have one of its own, and this host cannot
};

struct RunResult {
  base::ExitStatus status;
  std::string out, err;
  bool timed_out = false, out_of_memory = false;
  allocation::LimitHits hits;
  Adoption adopted;
  std::vector<std::string> made_data;  // release files that became data before the command ran
};

// One thing this host can do or not; `doctor` tried it out.
struct Fact {
  enum class State { good, degraded, missing };
  std::string name, found, advice;
  State state = State::good;
  Kind kind = Kind::shared;  // which kind of environment it is about
};
using Facts = std::vector<Fact>;

// What an app would like to have.
struct Demand {
  std::string app;
  Kind kind = Kind::shared;
  allocation::Limits limits;
};

class Environment {
 public:
  virtual ~Environment() = default;

  // Whether an instance like this could be started here and now, besides those of the app that run. Asked before
  // anything is built or stopped; `start` looks again. An error says what is missing and what would help, or shows the
  // arithmetic.
  virtual base::Result<void> check(const Demand& demand) = 0;

  // The app's folders with their owners, and its user. Idempotent. The daemon unpacks releases afterwards.
  virtual base::Result<Identity> prepare(const std::string& app) = 0;
  // Makes what instances of these parts need besides them (a container's image), which may take a minute; `start` and
  // `run_once` do it too. What there is then, in one line for people; empty when this kind needs nothing.
  virtual base::Result<std::string> furnish(const std::string& /*app*/, Kind, const Parts&) { return std::string(); }
  // Starts everything and returns once the processes were started (not: ready; the supervisor tells when they are).
  // On failure nothing is left but the logs.
  virtual base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) = 0;
  // SIGTERM, then SIGKILL after the spec's graceful timeout; adopts what was written; leaves the folder for `inspect`.
  virtual base::Result<Adoption> stop(const std::string& id) = 0;
  // Stops without grace if need be, and removes all traces. An unknown id is no error.
  virtual base::Result<void> destroy(const std::string& id) = 0;
  // Removes the app's data, home, cache, logs and user; its instances must be destroyed before. Releases are the
  // daemon's.
  virtual base::Result<void> forget(const std::string& app) = 0;
  virtual base::Result<Inspection> inspect(const std::string& id) = 0;
  // Stops all its processes in their tracks, or lets them go on. While it stands still, its CPUs are everybody's;
  // `thaw` fails when another app has got them meanwhile. An instance that is stopped or destroyed is thawed for it. In
  // the Registry these two work for every kind whose record (shared/record.h) names a control group.
  virtual base::Result<void> freeze(const std::string& id);
  virtual base::Result<void> thaw(const std::string& id);
  // Every id with a folder below ROOT/instances.
  virtual base::Result<std::vector<std::string>> instances() = 0;
  // Runs one command to its end in a view of its own, as the app's user. It dies with the calling process.
  virtual base::Result<RunResult> run_once(const RunSpec& spec) = 0;
  // Paths that a running instance wrote outside its data folders so far. When there are any, a new instance does not
  // see them: hold requests, stop the old instance (which adopts them), then start the new one.
  virtual base::Result<std::vector<std::string>> unadopted(const std::string& id) = 0;
  virtual base::Result<Kept> kept(const std::string& app) = 0;
  virtual Facts doctor() = 0;
};

struct SharedOptions {
  Layout layout;
  std::filesystem::path instance_program;  // serai-instance
  std::filesystem::path uid_registry = "/var/lib/serai-uid-ranges";
};
// Many apps on one system, each with its own user, view and limits.
base::Result<std::unique_ptr<Environment>> make_shared_environment(SharedOptions options);

}  // namespace environment
