// net::Address: where to listen or connect. Text forms: "host:port", "[::1]:8080", ":8080" (all interfaces, IPv4 and
// IPv6), "unix:/run/app.sock" or "/run/app.sock", "fd://3" (an inherited descriptor).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/fd.h"

namespace net {

struct TcpAddress {
  std::string host;  // a literal address or a name; empty: all interfaces
  std::uint16_t port = 0;
};
struct UnixAddress {
  std::string path;
};
struct InheritedDescriptor {
  int fd = -1;
};
using Address = std::variant<TcpAddress, UnixAddress, InheritedDescriptor>;

base::Result<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;
  mode_t unix_mode = 0666;
};
// A bound, listening, non-blocking socket. A stale Unix socket file (nobody accepts on it) is replaced; a live one is a
// conflict. A host of IPv6 "::" or empty listens dual-stack.
base::Result<base::Fd> listen(const Address& address, const ListenOptions& options = {});
// The address a listening socket is bound to, with the port the kernel chose.
base::Result<Address> local_address(int socket);
// Starts connecting, non-blocking; writable once it is done, then `socket_error` tells how it went.
base::Result<base::Fd> connect(const Address& address);
int socket_error(int socket);

struct Accepted {
  base::Fd socket;        // non-blocking; TCP_NODELAY set for TCP
  std::string peer_host;  // literal address; empty for Unix sockets
  std::uint16_t peer_port = 0;
};
// Empty optional when nobody is waiting.
base::Result<std::optional<Accepted>> accept(int listener);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
base::Result<PeerCredentials> peer_credentials(int unix_socket);

}  // namespace net
