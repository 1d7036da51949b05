// What stands between OpenSSL and our socket: no SIGPIPE, MSG_MORE while more follows, notice of an empty socket, and
// of clients that speak HTTP to a TLS port. For the sources of this folder only.
#pragma once

#include "tls/openssl.h"
#include "tls/session.h"

namespace tls {

struct SocketBio {
  using Socket = Session::Socket;
  // `socket` must outlive the BIO. Null when there is no memory.
  static BIO* create(Socket& socket);
  // Whether this first byte is of a request line: TLS begins with a record type below 64 (RFC 8446 section 5.1).
  static bool is_plain_http(char first) { return (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z'); }
};

}  // namespace tls
