// The Sec-WebSocket-Extensions field (RFC 6455 section 9.1), as far as permessage-deflate is concerned (RFC 7692
// section 7.1): what a client offers, what a server makes of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "websocket/deflate.h"

namespace websocket {

// What this server spends on a connection at most.
struct DeflateLimits {
  std::uint8_t server_bits = 12, client_bits = 12;
};

// An offer that was accepted, and the field value that says so.
struct AcceptedDeflate {
  DeflateAgreement agreement;
  std::string answer;
};

// The first offer of a field value that this end can keep; empty when there is none. Offers that are not well formed
// or that nobody knows are passed over.
std::optional<AcceptedDeflate> accept_deflate(std::string_view offers, const DeflateLimits& limits);

}  // namespace websocket
