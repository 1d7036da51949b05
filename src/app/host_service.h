// An entry of [environment] services: a service of the host that the app may reach on loopback.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace app {

struct HostService {
  std::string host;  // "localhost", or a literal loopback address: "127.0.0.1", "::1"
  std::uint16_t port = 0;
};

// "localhost:5432", "127.0.0.1:6379", "[::1]:5432"; empty for anything else.
std::optional<HostService> parse_service(std::string_view text);

}  // namespace app
