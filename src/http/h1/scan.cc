#include "http/h1/scan.h"

#include <algorithm>

namespace http::h1 {
namespace {

constexpr std::size_t longest_host = 255;

bool is_host_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}
bool is_ipv6_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

bool is_port(std::string_view text) {
  if (text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  unsigned port = 0;
  for (char c : text) port = port * 10 + static_cast<unsigned>(c - '0');
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
  if (!std::ranges::all_of(host, in_brackets ? is_ipv6_char : is_host_char)) return false;
  return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

}  // namespace http::h1
