// ROOT/instances/<id>/record.json: what a later daemon must know about an instance to reach it, to stop it and to leave
// nothing behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "allocation/limits.h"
#include "environment/layout.h"
#include "environment/spec.h"

namespace environment {

struct Record {
  std::string app, id;
  Kind kind = Kind::shared;
  Identity user;
  std::string code;  // the release's folder
  bool has_socket = false;
  std::uint16_t port = 0;  // guarded by the firewall on the host's network
  std::int64_t graceful_timeout_ms = 30'000;
  bool own_network = false;
  std::string network_missing;  // why it has none of its own, though it should
  unsigned interface = 0;       // of its own network, on the host; once it was started
  std::string address;          // in it
  allocation::Limits limits;
  std::map<std::string, std::string> group;  // allocation::Group::save
  pid_t supervisor = 0;
  std::string supervisor_started;  // field 22 of /proc/PID/stat, so that a reused pid is not taken for it

  base::Result<void> write(const Layout& layout) const;
  static base::Result<Record> read(const Layout& layout, const std::string& id);
  // Where its port is reached.
  std::string reachable_at() const { return own_network ? address : "127.0.0.1"; }
  bool supervisor_is_alive() const;
  // Waits for its end; kills a supervisor that is still there after `patience`.
  void await_supervisor(std::chrono::milliseconds patience) const;
};

// The kind that an instance's record names, whoever wrote it; empty when there is no record.
std::optional<Kind> recorded_kind(const Layout& layout, const std::string& id);

std::string start_time(pid_t pid);

}  // namespace environment
