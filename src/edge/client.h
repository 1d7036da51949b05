// edge::Client: one accepted socket, whatever is spoken on it, as the set of all of them sees it.
//
//   tls_client ──► client_connection (HTTP/1)        ClientSet::replace, when a handshake is done, or when the first
//       └────────► http2_client  ◄─────┘             bytes of a plain connection are those of HTTP/2
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "edge/context.h"

namespace edge {

class Client : public Mortal {
 public:
  // Is in the set now: serves from here on. `received`: what the client before it on this socket has read.
  virtual void open(std::string_view received) = 0;
  virtual void on_sweep(net::Clock::time_point now) = 0;
  // Now, whatever is going on; leaves the set.
  virtual void close() = 0;

  // --- the set's
  using Network = std::pair<const std::string, std::size_t>;
  std::size_t index = 0;
  Network* network = nullptr;
};

}  // namespace edge
