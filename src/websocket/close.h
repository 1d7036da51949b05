// Close codes (RFC 6455 section 7.4): which ones may stand in a frame, and those that the server itself gives.
#pragma once

#include <cstdint>

namespace websocket {

using CloseCode = std::uint16_t;

namespace close {
inline constexpr CloseCode normal = 1000;
inline constexpr CloseCode going_away = 1001;
inline constexpr CloseCode protocol_error = 1002;
inline constexpr CloseCode no_code = 1005;   // never sent: the peer's Close frame had none
inline constexpr CloseCode abnormal = 1006;  // never sent: the connection ended without a Close frame
inline constexpr CloseCode invalid_data = 1007;
inline constexpr CloseCode policy_violation = 1008;
inline constexpr CloseCode too_big = 1009;
inline constexpr CloseCode internal_error = 1011;
inline constexpr CloseCode service_restart = 1012;
}  // namespace close

// Whether a Close frame may carry the code: those that the registry defines for it, and 3000-4999 of libraries and
// applications.
inline bool may_be_sent(unsigned code) {
  if (code >= 3000 && code <= 4999) return true;
  if (code < 1000 || code > 1014) return false;
  return code != 1004 && code != close::no_code && code != close::abnormal;
}

}  // namespace websocket
