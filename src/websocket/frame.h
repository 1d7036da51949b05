// Frames of RFC 6455 section 5.2, as reader and writer share them.
//
//   FIN RSV1-3 opcode | MASK length(7) | length(16 or 64)? | masking key(32)? | payload
#pragma once

#include <cstddef>
#include <cstdint>

namespace websocket {

// Which end of the connection this is: clients mask what they send, servers do not (section 5.1).
enum class Role : std::uint8_t { server, client };

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

inline bool is_control(Opcode opcode) { return static_cast<std::uint8_t>(opcode) >= 8; }

inline constexpr std::size_t most_control_bytes = 125;  // payload of a control frame (section 5.5)
inline constexpr std::size_t most_header_bytes = 14;

inline constexpr std::uint8_t fin_bit = 0x80, rsv1_bit = 0x40, other_rsv_bits = 0x30, opcode_bits = 0x0f;
inline constexpr std::uint8_t mask_bit = 0x80, length_bits = 0x7f;

}  // namespace websocket
