#include "tls/socket_bio.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace tls {
namespace {

using Socket = SocketBio::Socket;

Socket& socket_of(BIO* bio) { return *static_cast<Socket*>(BIO_get_data(bio)); }

bool may_retry() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int receive(BIO* bio, char* into, int size) {
  Socket& socket = socket_of(bio);
  BIO_clear_retry_flags(bio);
  if (socket.most == 0) {
    errno = EPROTO;
    return -1;
  }
  ssize_t count = ::recv(socket.fd, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (count < 0) {
    socket.drained = errno != EINTR;
    if (may_retry()) BIO_set_retry_read(bio);
    return -1;
  }
  socket.most -= std::min(socket.most, static_cast<std::size_t>(count));
  socket.ended = count == 0;
  socket.drained = count > 0 && count < size;  // a short read has emptied the socket (epoll(7))
  if (!socket.begun && count > 0) {
    socket.begun = true;
    socket.met_plain_http = SocketBio::is_plain_http(into[0]);
    if (socket.met_plain_http) return -1;
  }
  return static_cast<int>(count);
}

int send(BIO* bio, const char* bytes, int size) {
  Socket& socket = socket_of(bio);
  BIO_clear_retry_flags(bio);
  int more = socket.then == Then::more ? MSG_MORE : 0;
  ssize_t count = ::send(socket.fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT | more);
  if (count < 0 && may_retry()) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

long control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return socket_of(bio).ended;
  return command == BIO_CTRL_FLUSH;
}

int init(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "serai socket");
  if (!method) base::panic("OpenSSL has no memory for a BIO method");
  BIO_meth_set_read(method, receive);
  BIO_meth_set_write(method, send);
  BIO_meth_set_ctrl(method, control);
  BIO_meth_set_create(method, init);
  return method;
}

}  // namespace

BIO* SocketBio::create(Socket& socket) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  if (bio) BIO_set_data(bio, &socket);
  return bio;
}

}  // namespace tls
