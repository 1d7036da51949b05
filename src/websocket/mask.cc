#include "websocket/mask.h"

#include <cstring>

namespace websocket {
namespace {

constexpr std::uint64_t high_bits = 0x8080808080808080;

// 32 bytes at once: the compiler makes of it what the machine has (two SSE2 registers, one of AVX2).
using Block = std::uint64_t __attribute__((vector_size(32)));

template <typename Word>
Word copy_word(char* to, const char* from, Word key) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  word ^= key;
  std::memcpy(to, &word, sizeof word);
  return word;
}

}  // namespace

bool copy_masked(char* to, const char* from, std::size_t size, MaskKey key) {
  const std::uint64_t wide = std::uint64_t{key} << 32 | key;
  const Block block_key = {wide, wide, wide, wide};
  Block seen_blocks = {};
  std::size_t at = 0;
  for (; at + sizeof(Block) <= size; at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, from + at, sizeof block);
    block ^= block_key;
    seen_blocks |= block;
    std::memcpy(to + at, &block, sizeof block);
  }
  std::uint64_t seen = seen_blocks[0] | seen_blocks[1] | seen_blocks[2] | seen_blocks[3];
  for (; at + 8 <= size; at += 8) seen |= copy_word(to + at, from + at, wide);
  for (; at < size; at++) {
    to[at] = static_cast<char>(from[at] ^ reinterpret_cast<const char*>(&key)[at % 4]);
    seen |= static_cast<unsigned char>(to[at]);
  }
  return (seen & high_bits) == 0;
}

}  // namespace websocket
