// worker::Peer: an end of a connection as applications see it, and worker::TrustedPeers: whose forwarded headers count.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace worker {

struct Peer {
  std::string host;  // literal address; a path for a Unix socket we listen on; empty for a client on a Unix socket
  std::uint16_t port = 0;
  bool is_unix = false;
};

class TrustedPeers {
 public:
  // Items: an address, a block such as "10.0.0.0/8", "unix" (clients on Unix sockets) or "*" (everybody).
  static base::Result<TrustedPeers> parse(const std::vector<std::string>& items);
  bool contains(const Peer& peer) const;
  bool contains(std::string_view address) const;
  // The client that a chain "client, proxy1, proxy2" (X-Forwarded-For) names: the last one that is not trusted itself.
  std::string_view client_of(std::string_view chain) const;

 private:
  struct Block {
    std::array<std::uint8_t, 16> address;  // IPv4 as ::ffff:a.b.c.d
    unsigned bits;
  };
  std::vector<Block> blocks_;
  bool unix_ = false, everybody_ = false;
};

}  // namespace worker
