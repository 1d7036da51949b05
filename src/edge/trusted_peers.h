// edge::TrustedPeers: the address ranges whose forwarded headers are believed; empty by default.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace edge {

class TrustedPeers {
 public:
  // "10.0.0.0/8", "192.0.2.7", "2001:db8::/32".
  static base::Result<TrustedPeers> parse(const std::vector<std::string>& ranges);
  // `address`: a literal address, as net::accept gives it.
  bool contains(std::string_view address) const;

 private:
  using Bytes = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d
  struct Range {
    Bytes network;
    int bits;
  };
  std::vector<Range> ranges_;
};

}  // namespace edge
