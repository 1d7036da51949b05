#include "http/h1/scan.h"

namespace http::h1 {
namespace {

constexpr std::size_t longest_host = 255;

enum : std::uint8_t { name_char = 1, ipv6_char = 2 };
constexpr auto host_table = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned char c : std::string_view("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~")) {
    table[c] |= name_char;
  }
  for (unsigned char c : std::string_view("0123456789ABCDEFabcdef:.")) table[c] |= ipv6_char;
  return table;
}();

// The end of the run of that class from `at`.
const char* skip(const char* at, const char* end, std::uint8_t kind) {
  while (at < end && (host_table[static_cast<unsigned char>(*at)] & kind)) ++at;
  return at;
}

// Nothing, or ":" and a port, which may be empty.
bool is_optional_port(const char* at, const char* end) {
  if (at == end) return true;
  if (*at++ != ':') return false;
  unsigned port = 0;
  for (; at < end; ++at) {
    if (!is_digit(*at) || port > 6553) return false;
    port = port * 10 + static_cast<unsigned>(*at - '0');
  }
  return port <= 65535;
}

}  // namespace

bool is_authority(std::string_view text) {
  const char *at = text.data(), *end = at + text.size();
  bool in_brackets = text.starts_with('[');
  if (in_brackets) ++at;
  const char* host_end = skip(at, end, in_brackets ? ipv6_char : name_char);
  if (host_end == at || static_cast<std::size_t>(host_end - at) > longest_host) return false;
  if (in_brackets && (host_end == end || *host_end++ != ']')) return false;
  return is_optional_port(host_end, end);
}

}  // namespace http::h1
