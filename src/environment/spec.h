// What an instance is made of, and what a one-off command needs. Values only; made by the daemon.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "allocation/limits.h"
#include "base/child.h"
#include "environment/identity.h"
#include "environment/kind.h"

namespace environment {

using Variables = std::map<std::string, std::string>;

// Descriptors of the web process: its listening socket (Listen::unix_socket: `--bind fd://3`), and the engine's control
// socket, which is also named in SERAI_CONTROL_FD.
constexpr int kListenDescriptor = 3;
constexpr int kControlDescriptor = 4;

enum class Restart { always, never };

struct ProcessSpec {
  std::string name;               // "web" or the Procfile's name; names the log file
  std::vector<std::string> argv;  // run as given; looked up in /venv/bin, /usr/local/bin, /usr/bin, /bin
  Variables env;                  // over the instance's
  std::string cwd = "/app";
  Restart restart = Restart::always;  // with back-off: 0.25 s, doubling to 30 s, back to the start after 60 s of life
  bool is_web = false;                // gets kListenDescriptor (when there is one) and kControlDescriptor
};

enum class Listen {
  nothing,
  unix_socket,  // our engine: a socket of the platform's, handed over
  tcp,          // a program that brings its own server: PORT and HOST are set, the port is closed to others
};

enum class NetworkKind {
  own,   // a namespace of its own, where the host can do that; else as `host`
  host,  // the host's, because its owner wants it so
};

// A service of the host that an app may reach at the same address from a network of its own.
struct HostService {
  std::string host;  // "localhost" (both loopback addresses), or a literal loopback address
  std::uint16_t port = 0;
};

struct NetworkSpec {
  NetworkKind kind = NetworkKind::own;
  std::vector<HostService> services;  // TCP
};

// What /venv was built with, as the daemon knows it: what lies in /venv is the app's, and nobody's word.
struct BuiltWith {
  std::string program;  // "/usr/bin/python3.11"
  std::string version;  // "3.11.2"
  std::string glibc;    // "2.36"
};

// The host's folders an instance sees; see docs/architecture.md for where.
struct Parts {
  std::filesystem::path code;                       // /app: an unpacked release; owned by the app's user, never written
  std::filesystem::path venv;                       // /venv; empty: none
  std::filesystem::path engine;                     // /serai/engine; empty: none
  std::filesystem::path tools;                      // /serai/tools (uv); empty: none
  std::vector<std::filesystem::path> interpreters;  // read-only at their own place, for Pythons outside /usr
  BuiltWith built_with = {};                        // of `venv`
  std::string base = {};  // a container's: the image in a registry that it stands on; empty: our own
};

struct InstanceSpec {
  std::string app;
  std::string id;  // unique below the root; letters, digits, "-" and "."; for example "shop-r7-1"
  Kind kind = Kind::shared;
  Parts parts;
  std::vector<std::string> data_folders;  // relative to /app: kept besides /app itself (settings, volumes)
  std::vector<std::string> data_files;    // relative to /app: release files that are data (a committed database)
  Variables env;                          // HOME, USER, PATH, TMPDIR, LANG, VIRTUAL_ENV are set unless given
  std::vector<ProcessSpec> processes;
  Listen listen = Listen::unix_socket;
  std::uint16_t port = 0;  // Listen::tcp: the caller's choice, since argv may name it; 0 lets the environment choose
  NetworkSpec network;
  allocation::Limits limits;
  std::uint64_t shm_bytes = 64ULL << 20;  // /dev/shm: counts as memory
  std::chrono::milliseconds graceful_timeout{30'000};
};

// What the command sees at /app and may write.
enum class View {
  release,  // as the instances do: the release with its data
  build,    // /app is the code folder itself, writable, without data; so is /cache
  install,  // as build, and /venv is writable: for the steps that make it, after which it is never changed again
};

struct RunSpec {
  std::string app;
  Kind kind = Kind::shared;  // as the app's instances
  Parts parts;
  View view = View::release;
  std::vector<std::string> data_folders, data_files;
  Variables env;
  std::vector<std::string> argv;
  std::string cwd = "/app";
  NetworkSpec network;
  allocation::Limits limits;
  std::uint64_t shm_bytes = 64ULL << 20;
  std::chrono::milliseconds timeout{600'000};
  std::size_t output_limit = 1 << 20;  // bytes of each stream that are returned
  // Descriptors to use instead of capturing (`serai run`); -1: capture (stdin: /dev/null). With `terminal` the command
  // gets a terminal of its own inside and what passes is relayed to these.
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;
  int caller_fd = -1;  // a socket: the command is killed when its peer is gone; -1: nobody to watch
  bool terminal = false;
  enum class Stream { out, err };
  std::function<void(Stream, std::string_view)> on_output;  // as it comes; called on the caller's thread
};

}  // namespace environment
