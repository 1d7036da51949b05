// edge::Options: how `serai edge` is started. Routes come later, over the control socket or from the folder.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "http/codec.h"

namespace edge {

using std::chrono::seconds;

// How long a peer may take. The sweep that enforces them runs twice a second. Answers to slow clients of
// reference "Slow clients": each bounds what one connection can hold.
struct Timeouts {
  seconds head{10};                     // from the first byte of a request (or the accept) to the end of its head: 408
  seconds body_gap{30};                 // without a byte of a body that we want to read: 408
  std::uint64_t body_bytes_per_second = 500;  // on average, once a body has taken `body_gap`: 408
  seconds keep_alive{60};               // without a request: closed
  seconds write{60};                    // a client that takes nothing of its answer: closed
  seconds upstream_idle{30};            // a pooled connection towards our engine; shorter than the engine's keep-alive
  seconds own_server_idle{1};           // towards a program that brings its own server (some close after two seconds)
  seconds connect{5};                   // one attempt to reach an app over TCP
  seconds drain{30};                    // from `drain` or SIGTERM until connections are closed in mid-answer
};

struct Options {
  std::filesystem::path folder;         // ROOT/edge: control.sock, routes.json, access.log; must be writable
  std::vector<std::string> listen;      // net::parse_address forms; more may be handed over later
  std::vector<uid_t> controllers;       // who may use control.sock besides root and this process's own user
  std::vector<std::string> trusted_proxies;  // CIDR ranges whose forwarded headers are believed
  base::LogFormat access_log_format = base::LogFormat::text;
  http::Limits limits;                  // limits.body_bytes is the default of an app without its own
  Timeouts timeouts;
  std::size_t max_connections = 0;      // 0: what the descriptor limit leaves, two descriptors per connection
  std::size_t max_connections_per_address = 0;  // 0: no bound
};

// Serves until SIGTERM or SIGINT, then drains. SIGHUP and SIGUSR1 reopen the access log. Returns when all is done.
base::Result<void> run(const Options& options);

}  // namespace edge
