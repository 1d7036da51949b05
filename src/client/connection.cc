#include "client/connection.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "client/transfer.h"

namespace client {

base::Result<base::Fd> connect_to_daemon(const std::string& path) {
  base::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return base::errno_error("create a socket");
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return base::invalid("reach the daemon: the path {} is too long", path);
  path.copy(address.sun_path, path.size());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return unreachable(path);
  return socket;
}

}  // namespace client
