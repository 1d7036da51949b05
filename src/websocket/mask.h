// Masking (RFC 6455 section 5.3), in one pass with the copy to where the bytes are wanted.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace websocket {

// A masking key as its four bytes lie in memory. Zero changes nothing.
using MaskKey = std::uint32_t;

// The key for bytes that begin `offset` bytes into a payload.
inline MaskKey turn(MaskKey key, std::size_t offset) {
  int bits = static_cast<int>(offset % 4) * 8;
  return std::endian::native == std::endian::little ? std::rotr(key, bits) : std::rotl(key, bits);
}

// Copies `size` bytes and applies the key, which begins with the first of them. `to` may be `from`; otherwise they do
// not overlap. True when all bytes copied are ASCII.
bool copy_masked(char* to, const char* from, std::size_t size, MaskKey key);

}  // namespace websocket
