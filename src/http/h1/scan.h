// Classes of characters, and how far a run of allowed ones goes, sixteen bytes at a time where SSE2 is there.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace http::h1 {

// tchar of RFC 9110 section 5.6.2. The value tells an underscore from the others; 0 is no token character.
enum : std::uint8_t { not_token = 0, token_char = 1, token_underscore = 2 };
inline constexpr auto token_table = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned char c :
       std::string_view("!#$%&'*+-.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
    table[c] = token_char;
  }
  table['_'] = token_underscore;
  return table;
}();
// All classes that occur in a name; not_token when it is no token at all.
inline unsigned token_classes(std::string_view name) {
  unsigned seen = not_token;
  for (char c : name) {
    unsigned kind = token_table[static_cast<unsigned char>(c)];
    if (kind == not_token) return not_token;
    seen |= kind;
  }
  return seen;
}
inline bool is_token_char(char c) { return token_table[static_cast<unsigned char>(c)] != not_token; }

// What a field line may not hold: control characters other than tab (RFC 9110 section 5.5).
inline bool is_control(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}
// What a request target may hold: visible ASCII except "#", which would begin a fragment (RFC 9112 section 3.2).
inline bool is_target_char(char c) { return c > 0x20 && c != 0x7f && c != '#'; }

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

#ifdef __SSE2__
// The bytes of a block that stop a run, as lanes of 0xff; for lanes behind the text nothing is promised.
inline __m128i control_lanes(__m128i bytes) {
  __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  __m128i others = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), low);
  return _mm_or_si128(others, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
}
inline __m128i target_end_lanes(__m128i bytes) {
  __m128i invisible = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));  // signed: bytes from 0x80 on are below
  __m128i others = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
  return _mm_or_si128(invisible, others);
}
inline __m128i colon_lanes(__m128i bytes) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')); }

// The first byte of [at, end) in a lane that `stops`, or end: by blocks of sixteen, then of eight, then one by one.
template <auto stops, auto stops_one>
inline const char* find_stop(const char* at, const char* end) {
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if (auto mask = static_cast<unsigned>(_mm_movemask_epi8(stops(bytes)))) return at + std::countr_zero(mask);
  }
  if (end - at >= 8) {
    __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
    if (auto mask = static_cast<unsigned>(_mm_movemask_epi8(stops(bytes))) & 0xff) return at + std::countr_zero(mask);
    at += 8;
  }
  while (at < end && !stops_one(*at)) ++at;
  return at;
}
#else
inline constexpr int control_lanes = 0, target_end_lanes = 0, colon_lanes = 0;
template <auto, auto stops_one>
inline const char* find_stop(const char* at, const char* end) {
  while (at < end && !stops_one(*at)) ++at;
  return at;
}
#endif

// The first control character in [at, end), or end.
inline const char* find_control(const char* at, const char* end) {
  return find_stop<control_lanes, is_control>(at, end);
}

// The first character in [at, end) that no request target holds, or end.
inline const char* find_target_end(const char* at, const char* end) {
  return find_stop<target_end_lanes, [](char c) { return !is_target_char(c); }>(at, end);
}

// The first ":" in [at, end), or end.
inline const char* find_colon(const char* at, const char* end) {
  return find_stop<colon_lanes, [](char c) { return c == ':'; }>(at, end);
}

inline bool is_token(std::string_view text) { return token_classes(text) != not_token; }
inline bool has_control(std::string_view text) {
  return find_control(text.data(), text.data() + text.size()) != text.data() + text.size();
}

// uri-host [":" port] of RFC 9110 section 7.2: a name or IPv4 address of letters, digits and "-._~", or an IPv6
// address in brackets; never user information, percent-encoding or a list.
bool is_authority(std::string_view text);

}  // namespace http::h1
