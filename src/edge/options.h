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
#include "tls/certificate.h"

namespace edge {

using std::chrono::milliseconds;

// How long a peer may take; each bounds what a slow one can hold.
struct Timeouts {
  milliseconds sweep{500};             // between two looks at the deadlines, so all others are that exact
  milliseconds tls_handshake{10'000};  // from the accept to the end of the handshake: closed
  milliseconds head{10'000};           // from the first byte of a request (or the accept) to the end of its head: 408
  milliseconds body_gap{30'000};       // without a byte of a body that we want to read: 408
  std::uint64_t body_bytes_per_second = 500;  // on average, once a body has taken `body_gap`: 408
  milliseconds keep_alive{60'000};            // without a request: closed
  milliseconds write{60'000};                 // a client that takes nothing of its answer: closed
  milliseconds upstream_idle{30'000};   // a pooled connection towards our engine; shorter than the engine's keep-alive
  milliseconds own_server_idle{1'000};  // towards a program that brings its own server (some close after two seconds)
  milliseconds connect{5'000};          // one attempt to reach an app over TCP
  milliseconds drain{30'000};           // from `drain` or SIGTERM until connections are closed in mid-answer
};

struct Options {
  std::filesystem::path folder;                 // ROOT/edge: control.sock, routes.json, access.log; must be writable
  std::vector<std::string> listen;              // net::parse_address forms; more may be handed over later
  std::vector<std::string> listen_tls;          // the same, for TLS
  std::vector<tls::KeyPairFiles> certificates;  // without a daemon, which sends them
  std::vector<uid_t> controllers;               // who may use control.sock besides root and this process's own user
  std::vector<std::string> trusted_proxies;     // CIDR ranges whose forwarded headers are believed
  base::LogFormat access_log_format = base::LogFormat::text;
  http::Limits limits;  // limits.body_bytes is the default of an app without its own
  Timeouts timeouts;
  std::size_t max_connections = 0;              // 0: what the descriptor limit leaves, two descriptors per connection
  std::size_t max_connections_per_address = 0;  // 0: a quarter of all; trusted proxies may have as many as they like
  std::size_t max_requests_per_app = 0;         // in flight; 0: half of the connections, so that others have the rest
};

// Serves until SIGTERM or SIGINT, then drains. SIGHUP and SIGUSR1 reopen the access log. Returns when all is done.
base::Result<void> run(const Options& options);

}  // namespace edge
