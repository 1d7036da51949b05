#include "http/h1/scan.h"

#include <algorithm>

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

bool all_of_class(std::string_view text, std::uint8_t kind) {
  std::uint8_t common = kind;
  for (char c : text) common &= host_table[static_cast<unsigned char>(c)];
  return common != 0;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  for (char c : text) {
    if (!is_digit(c) || port > 6553) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 65535;
}

}  // namespace

bool is_authority(std::string_view text) {
  bool in_brackets = text.starts_with('[');
  std::size_t end = in_brackets ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return false;
  std::string_view host = in_brackets ? text.substr(1, end - 1) : text.substr(0, end);
  std::string_view rest = text.substr(end + (in_brackets ? 1 : 0));
  if (host.empty() || host.size() > longest_host) return false;
  if (!all_of_class(host, in_brackets ? ipv6_char : name_char)) return false;
  return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

}  // namespace http::h1
