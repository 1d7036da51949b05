#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace net {
namespace {

using base::Fd;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

template <typename Number>
base::Result<Number> parse_number(std::string_view text, std::string_view what) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return base::invalid("{} is not a {}", text, what);
  }
  return value;
}

base::Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.size() >= sizeof un->sun_path) {
    return base::invalid("the socket path {} is longer than {} bytes", path, sizeof un->sun_path - 1);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

base::Result<SocketAddress> tcp_address(const TcpAddress& tcp, bool passive) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  std::string host = tcp.host.empty() ? (passive ? "::" : "localhost") : tcp.host;
  int error = ::getaddrinfo(host.c_str(), std::to_string(tcp.port).c_str(), &hints, &found);
  if (error) return base::not_found("resolve {}: {}", host, ::gai_strerror(error));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  return address;
}

base::Result<SocketAddress> resolve(const Address& address, bool passive) {
  if (auto un = std::get_if<UnixAddress>(&address)) return unix_address(un->path);
  return tcp_address(std::get<TcpAddress>(address), passive);
}

// A socket file left by a process that is gone is removed; one that somebody answers on is not.
base::Result<void> remove_stale_socket(const std::string& path, SocketAddress& address) {
  struct stat info;
  if (::lstat(path.c_str(), &info) < 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return base::fail(base::Kind::conflict, "listen on {}: a file that is no socket is there", path);
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.get(), address.length) == 0 || errno == EAGAIN) {
    return base::fail(base::Kind::conflict, "listen on {}: another process is listening there", path);
  }
  if (::unlink(path.c_str()) < 0) return base::errno_error("remove a stale socket");
  return {};
}

base::Result<Fd> inherited(int number) {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening) {
    return base::invalid("descriptor {} is not a listening socket", number);
  }
  Fd fd(number);
  if (auto set = base::set_nonblocking(number, true); !set) return std::unexpected(set.error());
  if (auto set = base::set_cloexec(number, true); !set) return std::unexpected(set.error());
  return fd;
}

void set_option(int fd, int level, int name, int value) { (void)::setsockopt(fd, level, name, &value, sizeof value); }

Address to_address(const SocketAddress& from) {
  if (from.storage.ss_family == AF_UNIX) {
    return UnixAddress{reinterpret_cast<const sockaddr_un*>(&from.storage)->sun_path};
  }
  char host[INET6_ADDRSTRLEN] = "";
  if (from.storage.ss_family == AF_INET6) {
    auto* in6 = reinterpret_cast<const sockaddr_in6*>(&from.storage);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
      ::inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
    } else {
      ::inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    }
    return TcpAddress{host, ntohs(in6->sin6_port)};
  }
  auto* in = reinterpret_cast<const sockaddr_in*>(&from.storage);
  ::inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
  return TcpAddress{host, ntohs(in->sin_port)};
}

}  // namespace

base::Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return UnixAddress{std::string(text.substr(5))};
  if (text.starts_with("/")) return UnixAddress{std::string(text)};
  if (text.starts_with("fd://")) {
    auto number = parse_number<int>(text.substr(5), "descriptor number");
    if (!number) return std::unexpected(number.error());
    return InheritedDescriptor{*number};
  }
  auto colon = text.rfind(':');
  if (colon == text.npos) return base::invalid("{} is no address: expected host:port, unix:/path or fd://N", text);
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.contains(':'))
    return base::invalid("{} is no address: write an IPv6 host in brackets", text);
  auto port = parse_number<std::uint16_t>(text.substr(colon + 1), "port");
  if (!port) return std::unexpected(port.error());
  return TcpAddress{std::string(host), *port};
}

std::string to_string(const Address& address) {
  if (auto un = std::get_if<UnixAddress>(&address)) return "unix:" + un->path;
  if (auto fd = std::get_if<InheritedDescriptor>(&address)) return fmt::format("fd://{}", fd->fd);
  const auto& tcp = std::get<TcpAddress>(address);
  return tcp.host.contains(':') ? fmt::format("[{}]:{}", tcp.host, tcp.port) : fmt::format("{}:{}", tcp.host, tcp.port);
}

base::Result<Fd> listen(const Address& address, const ListenOptions& options) {
  if (auto fd = std::get_if<InheritedDescriptor>(&address)) return inherited(fd->fd);
  auto where = resolve(address, true);
  if (!where) return std::unexpected(where.error());
  auto* un = std::get_if<UnixAddress>(&address);
  if (un) {
    if (auto removed = remove_stale_socket(un->path, *where); !removed) return std::unexpected(removed.error());
  }
  Fd fd(::socket(where->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return base::errno_error("create a socket");
  if (!un) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (where->storage.ss_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd.get(), where->get(), where->length) < 0 || ::listen(fd.get(), options.backlog) < 0) {
    return base::errno_error(fmt::format("listen on {}", to_string(address)));
  }
  if (un && ::chmod(un->path.c_str(), options.unix_mode) < 0) return base::errno_error("set the mode of a socket");
  return fd;
}

base::Result<Address> local_address(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(socket, address.get(), &address.length) < 0) return base::errno_error("ask a socket's address");
  return to_address(address);
}

base::Result<Fd> connect(const Address& address) {
  auto where = resolve(address, false);
  if (!where) return std::unexpected(where.error());
  Fd fd(::socket(where->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return base::errno_error("create a socket");
  if (where->storage.ss_family != AF_UNIX) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (::connect(fd.get(), where->get(), where->length) < 0 && errno != EINPROGRESS) {
    return base::errno_error(fmt::format("connect to {}", to_string(address)));
  }
  return fd;
}

int socket_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

base::Result<std::optional<Accepted>> accept(int listener) {
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  for (;;) {
    Fd fd(::accept4(listener, peer.get(), &peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.is_open()) {
      Accepted accepted{std::move(fd), {}, 0};
      if (peer.storage.ss_family != AF_UNIX) {
        set_option(accepted.socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
        auto tcp = std::get<TcpAddress>(to_address(peer));
        accepted.peer_host = std::move(tcp.host);
        accepted.peer_port = tcp.port;
      }
      return accepted;
    }
    if (errno == EAGAIN) return std::nullopt;
    // The client was gone before we accepted (accept(2) lists these as to be retried).
    if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) return base::errno_error("accept a connection");
  }
}

base::Result<PeerCredentials> peer_credentials(int unix_socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(unix_socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
    return base::errno_error("ask who is at the other end of a socket");
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace net
