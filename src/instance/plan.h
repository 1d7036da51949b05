// instance::Plan: everything `serai-instance` needs to know, made by the environment and read from descriptor 3 as
// JSON. It is trusted: whoever writes it is root (or the caller). What lies in the app's folders is not; see Mount.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace instance {

// Descriptors at the start; the optional ones are there when the plan says so.
constexpr int kPlanFd = 3;
constexpr int kReportFd = 4;                               // the caller's end of a pipe: see report.h
constexpr int kListenerFd = 5;                             // Plan::has_listener
constexpr int kStdinFd = 6, kStdoutFd = 7, kStderrFd = 8;  // Mode::once
constexpr int kLeashFd = 9;                                // Mode::once: all ends when the other side closes it

// One step of putting the instance's root together, in order. `to` is relative to that root and is resolved without
// following any link, because parts of the tree belong to the app.
struct Mount {
  // bind, overlay, tmpfs, proc, devpts, device (a node of the host's /dev), folder, file, link, detach (an overlay),
  // absent (a file that is there for others only)
  std::string kind;
  std::string to;
  std::string base, path;  // bind: `path` opened beneath `base`, without links unless `links`; empty path: base itself
  bool links = false;      // follow links as long as they stay beneath base
  bool writable = false;
  bool recursive = false;          // with what is mounted below
  bool optional = false;           // nothing happens when the source is missing
  std::string content;             // file: its text; link: its target
  std::string lower, upper, work;  // overlay
  std::uint64_t size = 0;          // tmpfs: bytes
  unsigned mode = 0755;            // tmpfs, folder, file
  bool app_owned = false;          // tmpfs, folder: belongs to the app's user
};

struct Process {
  std::string name;
  std::vector<std::string> argv, env;
  std::string cwd;
  bool restart = false;
  bool web = false;  // gets the listener as descriptor 3 (if any) and the control socket as 4
};

// The instance's root file system, before the mounts: folders of the host over each other, the topmost first. Without
// any it is empty.
struct Root {
  std::vector<std::string> lower;
  std::string upper, work;
};

// Another program that makes the namespaces (crun, runc), by a configuration that the environment wrote (OCI
// runtime-spec). It starts kInitInside in them; init's socket and set-up pipe are kInitSocketFd and kInitSetupFd.
struct Runtime {
  std::vector<std::string> argv;  // whole; empty: serai-instance makes the namespaces itself
  std::string log, pid_file;      // files that it writes: what went wrong (JSON lines), and init's pid
  bool enter_groups = false;      // it makes no control group: it enters the plan's before it begins
};
constexpr const char* kInitInside = "/serai/instance";  // `serai-instance init`
constexpr int kInitSocketFd = 3, kInitSetupFd = 4;

// A virtual machine in which the processes run (machine/host.h), started in the instance's namespaces.
struct Machine {
  std::vector<std::string> argv;  // QEMU's, whole; empty: none. Emulator::kPortNumber and kQmpNumber are its sockets
  std::string settings;           // guest::Settings as JSON
  std::string accelerator;        // "KVM" or "TCG", for people
  std::uint16_t port = 0;         // where a web process without a listener of ours is to be reached, here and inside
  std::int64_t boot_timeout_ms = 60'000;
};

// A service of the host that is reached at the same address within the instance, on loopback.
struct Service {
  std::string address;  // "127.0.0.1", "::1": literal
  std::uint16_t port = 0;
  bool datagrams = false;       // UDP instead of TCP
  std::string instead;          // literal; tried when nobody listens at `address` on the host; may be empty
  std::string through;          // literal; connected to in the place of `address`, where that leads to the host
  bool may_be_missing = false;  // the address, in the instance: one of localhost's two, without IPv6
};

// A network namespace of the instance's own; see network.h.
struct NetworkPlan {
  bool own = false;         // false: the host's
  std::uint32_t group = 0;  // of its interface on the host: the root that it belongs to
  std::string alias;        // beside that interface: whose it is within the root
  std::uint16_t port = 0;   // of the app's own server, reached from the host at the instance's address
  std::vector<Service> services;
};

struct Plan {
  std::string app, id;
  bool once = false;            // one command with the caller's descriptors, instead of supervised processes
  bool terminal = false;        // once: give the command a terminal of its own and relay it to descriptors 6 and 7
  std::int64_t timeout_ms = 0;  // once: 0 is none
  std::int64_t graceful_timeout_ms = 30'000;
  uid_t uid = 0, supervisor_uid = 0;  // the gids are the same numbers unless given
  gid_t gid = 0, supervisor_gid = 0;
  bool user_namespace = false;  // not root: a user namespace with the caller's uid
  bool has_listener = false;
  std::string view_folder;  // where the new root is put together, in a mount namespace of its own
  Root root;
  std::vector<Mount> mounts;
  Runtime runtime;
  Machine machine;
  NetworkPlan network;
  std::vector<std::string> cgroup_entrances;
  std::string oom_counter;                               // a file with a line "oom_kill N"; may be empty
  std::string control_socket, events_file, logs_folder;  // supervised instances
  std::vector<Process> processes;

  std::string to_json() const;
  static base::Result<Plan> from_json(const std::string& text);
};

}  // namespace instance
