#include "net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace net {
namespace {

base::Result<socklen_t> fill(sockaddr_storage& storage, const UnixAddress& address) {
  auto* un = reinterpret_cast<sockaddr_un*>(&storage);
  if (address.path.empty() || address.path.size() >= sizeof un->sun_path) {
    return base::invalid("the socket path \"{}\" is empty or longer than {} bytes", address.path,
                         sizeof un->sun_path - 1);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, address.path.data(), address.path.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + 1);
}

base::Result<socklen_t> fill(sockaddr_storage& storage, const TcpAddress& address) {
  auto* in = reinterpret_cast<sockaddr_in*>(&storage);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, address.host.c_str(), &in->sin_addr) == 1) {
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    return static_cast<socklen_t>(sizeof *in);
  }
  if (::inet_pton(AF_INET6, address.host.c_str(), &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    return static_cast<socklen_t>(sizeof *in6);
  }
  return base::invalid("\"{}\" is no literal IPv4 or IPv6 address", address.host);
}

base::Result<socklen_t> fill(sockaddr_storage&, const InheritedDescriptor&) {
  return base::invalid("a descriptor is no address to connect to");
}

}  // namespace

base::Result<Endpoint> Endpoint::of(const Address& address) {
  Endpoint endpoint;
  auto length = std::visit([&](const auto& kind) { return fill(endpoint.storage_, kind); }, address);
  if (!length) return std::unexpected(length.error());
  endpoint.length_ = *length;
  endpoint.text_ = to_string(address);
  return endpoint;
}

base::Result<base::Fd> Endpoint::socket(int type) const {
  base::Fd fd(::socket(storage_.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return base::errno_error("create a socket");
  return fd;
}

base::Result<base::Fd> Endpoint::connect() const {
  auto fd = socket(SOCK_STREAM);
  if (!fd) return fd;
  if (!is_unix()) {
    int one = 1;
    (void)::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  if (::connect(fd->get(), address(), length_) == 0 || errno == EINPROGRESS) return fd;
  if (errno == EAGAIN) return base::fail(base::Kind::overloaded, "connect to {}: its backlog is full", text_);
  return base::errno_error(fmt::format("connect to {}", text_));
}

base::Result<base::Fd> Endpoint::listen(int backlog) const {
  auto fd = socket(SOCK_STREAM);
  if (!fd) return fd;
  int one = 1;
  if (!is_unix()) (void)::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd->get(), address(), length_) == 0 && ::listen(fd->get(), backlog) == 0) return fd;
  return base::errno_error(fmt::format("listen on {}", text_));
}

base::Result<base::Fd> Endpoint::bind_datagrams() const {
  auto fd = socket(SOCK_DGRAM);
  if (fd && ::bind(fd->get(), address(), length_) < 0)
    return base::errno_error(fmt::format("hear datagrams for {}", text_));
  return fd;
}

base::Result<base::Fd> Endpoint::connect_datagrams() const {
  auto fd = socket(SOCK_DGRAM);
  if (fd && ::connect(fd->get(), address(), length_) < 0)
    return base::errno_error(fmt::format("send datagrams to {}", text_));
  return fd;
}

}  // namespace net
