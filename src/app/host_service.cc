#include "app/host_service.h"

#include <arpa/inet.h>

#include <charconv>

namespace app {
namespace {

bool is_loopback(const std::string& host, bool bracketed) {
  in_addr four{};
  in6_addr six{};
  if (bracketed) return ::inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
  return host == "localhost" || (::inet_pton(AF_INET, host.c_str(), &four) == 1 && ntohl(four.s_addr) >> 24 == 127);
}

}  // namespace

std::optional<HostService> parse_service(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == text.npos) return {};
  auto host = text.substr(0, colon), digits = text.substr(colon + 1);
  bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  HostService service{std::string(host)};
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), service.port);
  bool is_port = error == std::errc() && end == digits.data() + digits.size() && service.port != 0;
  if (!is_port || !is_loopback(service.host, bracketed)) return {};
  return service;
}

}  // namespace app
