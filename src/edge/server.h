// edge::Server: everything the edge does, on one loop. Constructible in a test without command line or daemon.
//
//   listener → client connection → route → static file | upstream exchange | hold queue | error page
//
// Control messages (besides hello; each may carry an "id" that its answer repeats; failures are answered by `error`):
//   listen + descriptors   → listening {addresses}         listening sockets of the platform, accepted from at once;
//                                                          {secure: [false, true, …]}: those that are for TLS
//   certificates {…}       → certificates_applied {warnings}   see certificates.h; before the first socket for TLS
//   routes {…}             → routes_applied {generation}   see route_parser.h; also written to routes.json
//   counters               → counters {…}                  see counters.h
//   give_sockets           → sockets {addresses, secure} + copies of the listening sockets, in the same order
//   reopen_logs            → done
//   drain {timeout}        → draining                      leaves control.sock to a successor; exits when all is
//   answered
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/fd.h"
#include "edge/options.h"
#include "net/loop.h"

namespace edge {

class Server {
 public:
  // Loads routes.json, opens access.log, listens on control.sock and on options.listen.
  static base::Result<std::unique_ptr<Server>> create(net::Loop& loop, Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // A listening socket; owned from now on.
  base::Result<void> listen(base::Fd socket, bool secure = false);
  // Addresses listened on, with the ports the kernel chose.
  std::vector<std::string> addresses() const;
  // A connected client socket, as if a listener had accepted it (tests; later: connections passed on).
  void adopt(base::Fd client, std::string peer_host = "127.0.0.1", bool secure = false);
  base::Result<void> apply_certificates(const nlohmann::json& message);
  base::Result<void> apply_routes(const nlohmann::json& message);
  nlohmann::json counters() const;
  void reopen_logs();
  // Accepts no more, lets requests finish and closes idle connections; past `timeout` closes the rest.
  void drain(std::chrono::milliseconds timeout);
  // Called in a later turn once a drain is over, whoever asked for it.
  void on_drained(std::function<void()> done);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace edge
