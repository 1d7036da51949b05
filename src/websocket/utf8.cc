#include "websocket/utf8.h"

#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace websocket {
namespace {

std::size_t ascii_prefix(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t word; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (word & 0x8080808080808080) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) at++;
  return at;
}

#ifdef __x86_64__

// John Keiser and Daniel Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2021), section 6: each error
// of two adjacent bytes is one bit, and a pair is wrong when the bit is set in all three of the tables for the high
// half of the first byte, its low half, and the high half of the second byte.
enum Error : std::uint8_t {
  too_short = 1 << 0,       // a lead byte without a continuation
  too_long = 1 << 1,        // a continuation after ASCII
  overlong_3 = 1 << 2,      // E0 80-9F
  too_large = 1 << 3,       // F4 90-BF and beyond
  surrogate = 1 << 4,       // ED A0-BF
  overlong_2 = 1 << 5,      // C0, C1
  too_large_1000 = 1 << 6,  // F5-FF 80-8F
  overlong_4 = 1 << 6,      // F0 80-8F
  two_continuations = 1 << 7,
  carry = too_short | too_long | two_continuations,  // what does not depend on the first byte's low half
};

#define SERAI_TARGET __attribute__((target("ssse3")))

SERAI_TARGET __m128i look_up(__m128i nibbles, const std::uint8_t (&table)[16]) {
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), nibbles);
}

SERAI_TARGET __m128i high_nibbles(__m128i bytes) {
  return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
}

constexpr std::uint8_t by_first_high[16] = {too_long,
                                            too_long,
                                            too_long,
                                            too_long,
                                            too_long,
                                            too_long,
                                            too_long,
                                            too_long,  // 0-7: ASCII
                                            two_continuations,
                                            two_continuations,
                                            two_continuations,
                                            two_continuations,  // 8-B
                                            too_short | overlong_2,
                                            too_short,
                                            too_short | overlong_3 | surrogate,                    // C, D, E
                                            too_short | too_large | too_large_1000 | overlong_4};  // F
constexpr std::uint8_t by_first_low[16] = {carry | overlong_3 | overlong_2 | overlong_4,           // 0
                                           carry | overlong_2,                                     // 1
                                           carry,
                                           carry,
                                           carry | too_large,  // 4
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000 | surrogate,  // D
                                           carry | too_large | too_large_1000,
                                           carry | too_large | too_large_1000};
constexpr std::uint8_t by_second_high[16] = {
    too_short,
    too_short,
    too_short,
    too_short,
    too_short,
    too_short,
    too_short,
    too_short,                                                                             // 0-7: ASCII
    too_long | overlong_2 | two_continuations | overlong_3 | too_large_1000 | overlong_4,  // 8
    too_long | overlong_2 | two_continuations | overlong_3 | too_large,                    // 9
    too_long | overlong_2 | two_continuations | surrogate | too_large,                     // A
    too_long | overlong_2 | two_continuations | surrogate | too_large,                     // B
    too_short,
    too_short,
    too_short,
    too_short};  // C-F: leads

// The errors that end in `block`, given the sixteen bytes before it.
SERAI_TARGET __m128i errors_in(__m128i block, __m128i before) {
  __m128i one_back = _mm_alignr_epi8(block, before, 15);
  __m128i pairs = _mm_and_si128(_mm_and_si128(look_up(high_nibbles(one_back), by_first_high),
                                              look_up(_mm_and_si128(one_back, _mm_set1_epi8(0x0f)), by_first_low)),
                                look_up(high_nibbles(block), by_second_high));
  // Third and fourth bytes must be second continuations, and nothing else may be.
  __m128i third = _mm_subs_epu8(_mm_alignr_epi8(block, before, 14), _mm_set1_epi8(static_cast<char>(0xe0 - 0x80)));
  __m128i fourth = _mm_subs_epu8(_mm_alignr_epi8(block, before, 13), _mm_set1_epi8(static_cast<char>(0xf0 - 0x80)));
  __m128i wanted = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8(static_cast<char>(0x80)));
  return _mm_xor_si128(wanted, pairs);
}

// `text` must not end inside a character; its last bytes may be checked again by the caller.
SERAI_TARGET bool are_blocks_valid(const char* at, std::size_t blocks) {
  __m128i before = _mm_setzero_si128(), errors = _mm_setzero_si128();
  for (; blocks > 0; blocks--, at += 16) {
    __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    errors = _mm_or_si128(errors, errors_in(block, before));
    before = block;
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(errors, _mm_setzero_si128())) == 0xffff;
}

// How many bytes at the start are known to be whole, valid characters; npos when some are not valid.
std::size_t valid_prefix(std::string_view text) {
  std::size_t blocks = text.size() / 16;
  if (blocks < 2 || !__builtin_cpu_supports("ssse3")) return 0;
  if (!are_blocks_valid(text.data(), blocks)) return std::string_view::npos;
  // The last character may go on behind the blocks: leave it, from its lead byte on.
  std::size_t end = blocks * 16;
  for (std::size_t back = 1; back <= 3; back++) {
    auto byte = static_cast<unsigned char>(text[end - back]);
    if (byte < 0x80) break;
    if (byte >= 0xc0) return end - back;
  }
  return end;
}

#else

std::size_t valid_prefix(std::string_view) { return 0; }

#endif

}  // namespace

bool Utf8Check::step(unsigned char byte) {
  if (left_ > 0) {
    if (byte < low_ || byte > high_) return false;
    low_ = 0x80, high_ = 0xbf;
    left_--;
    return true;
  }
  if (byte < 0x80) return true;
  if (byte < 0xc2 || byte > 0xf4) return false;
  left_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  if (byte == 0xe0) low_ = 0xa0;   // overlong
  if (byte == 0xed) high_ = 0x9f;  // surrogates
  if (byte == 0xf0) low_ = 0x90;   // overlong
  if (byte == 0xf4) high_ = 0x8f;  // beyond U+10FFFF
  return true;
}

bool Utf8Check::add(std::string_view piece) {
  while (!failed_ && left_ > 0 && !piece.empty()) {
    failed_ = !step(static_cast<unsigned char>(piece.front()));
    piece.remove_prefix(1);
  }
  if (failed_) return false;
  if (left_ > 0) return true;
  piece.remove_prefix(ascii_prefix(piece));
  std::size_t valid = valid_prefix(piece);
  failed_ = valid == std::string_view::npos;
  if (failed_) return false;
  for (char c : piece.substr(valid)) {
    if (!step(static_cast<unsigned char>(c))) {
      failed_ = true;
      break;
    }
  }
  return !failed_;
}

bool is_utf8(std::string_view text) {
  Utf8Check check;
  return check.add(text) && check.is_complete();
}

}  // namespace websocket
