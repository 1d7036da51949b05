#include "environment/port.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <random>

#include "base/fd.h"

namespace environment {

constexpr std::uint16_t kFirstPort = 20'000, kLastPort = 31'999;  // Linux's local port range begins at 32768

base::Result<std::uint16_t> free_port() {
  std::random_device random;
  std::uniform_int_distribution<int> ports(kFirstPort, kLastPort);
  for (int attempt = 0; attempt < 200; attempt++) {
    base::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto port = static_cast<std::uint16_t>(ports(random));
    address.sin_port = htons(port);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  return base::fail(base::Kind::overloaded, "find a free port between {} and {}: none of 200 tried is", kFirstPort,
                    kLastPort);
}

}  // namespace environment
