// net::Endpoint: a resolved socket address, for connecting often without asking the resolver again, and for programs
// that have none (statically linked).
#pragma once

#include <sys/socket.h>

#include <string>

#include "base/fd.h"
#include "net/address.h"

namespace net {

class Endpoint {
 public:
  // A Unix path, or a TCP address whose host is a literal: names are refused, since looking them up would block.
  static base::Result<Endpoint> of(const Address& address);

  bool is_unix() const { return storage_.ss_family == AF_UNIX; }
  const std::string& text() const { return text_; }
  // Starts connecting, non-blocking: done at once for Unix sockets; for TCP, writable once it is decided
  // (`socket_error` tells how). A full backlog of a Unix socket is Kind::overloaded.
  base::Result<base::Fd> connect() const;
  // A bound, listening, non-blocking stream socket.
  base::Result<base::Fd> listen(int backlog) const;
  // UDP, non-blocking: a socket that hears what is sent here; one whose peer this is.
  base::Result<base::Fd> bind_datagrams() const;
  base::Result<base::Fd> connect_datagrams() const;
  bool operator==(const Endpoint& other) const { return text_ == other.text_; }

 private:
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  base::Result<base::Fd> socket(int type) const;

  sockaddr_storage storage_{};
  socklen_t length_ = 0;
  std::string text_;
};

}  // namespace net
