// control_plane::run: the control plane of one root: state, builds, deploys, supervision and the API.
//
// SIGTERM and SIGINT end the control plane only; edge and instances go on, and the next daemon adopts them. SIGHUP has
// the certificates read again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"

namespace control_plane {

struct Options {
  std::filesystem::path root;
  std::vector<std::string> listen;      // where the edge listens; empty: ":80"
  std::vector<std::string> listen_tls;  // where it listens for TLS
  std::vector<tls::KeyPairFiles> certificates;
  std::vector<std::string> trusted_proxies;  // address ranges whose forwarded headers the edge believes
  std::string access_log_format = "text";    // of the edge: text or json
  std::vector<std::string> edge_limits;      // more arguments for `serai edge`
  std::string crash_at;                      // for tests: services.h
};

// Serves until it is told to end. Tells readiness to systemd (NOTIFY_SOCKET) and with a line in the log.
base::Result<void> run(const Options& options);

// The child's side of reading an upload (deploy/upload_reader.h).
int read_upload_in_child();

}  // namespace control_plane
