// net::Transport: the bytes of one accepted socket, plain or through a layer such as TLS. Calls are those of the
// system: a count, or -1 with errno, EAGAIN where an event of the socket must come first. It moves from one object to
// the next when the protocol on a socket changes.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/fd.h"

namespace net {

class Transport {
 public:
  // What stands between the bytes and the socket. Loop thread, or the one thread that has borrowed the connection.
  class Layer {
   public:
    virtual ~Layer() = default;
    // As recv(2); 0 at the end of what the client sends. Handshakes go on in here.
    virtual ssize_t receive(int socket, std::span<char> room) = 0;
    // After `receive` gave something: whether it may give more before the socket's next event.
    virtual bool may_hold_more() const = 0;
    // As sendmsg(2): may take less than all. After EAGAIN the same bytes come again, perhaps at another address, and
    // perhaps with more behind them.
    virtual ssize_t send(int socket, std::span<const iovec> pieces, bool more_follows) = 0;
    // As sendfile(2); 0: the file ends before `offset`.
    virtual ssize_t send_file(int socket, int file, std::uint64_t offset, std::size_t count, bool more_follows) = 0;
    // Says that nothing more comes from us (close_notify), once, unless something is left to be sent.
    virtual void end_sending(int socket) = 0;
  };

  Transport() = default;
  explicit Transport(base::Fd socket, std::unique_ptr<Layer> layer = nullptr)
      : socket_(std::move(socket)), layer_(std::move(layer)) {}

  bool is_open() const { return socket_.is_open(); }
  int descriptor() const { return socket_.get(); }
  Layer* layer() const { return layer_.get(); }
  // After a read: a plain socket is empty when it gave less than was asked for (epoll(7)).
  bool may_hold_more(std::size_t got, std::size_t asked) const {
    return layer_ ? layer_->may_hold_more() : got == asked;
  }
  // Where a layer waits for room in the socket though it is to be read from.
  std::uint32_t read_events() const { return layer_ ? EPOLLIN | EPOLLOUT : EPOLLIN; }

  ssize_t receive(std::span<char> room) {
    if (layer_) [[unlikely]]
      return layer_->receive(socket_.get(), room);
    return ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
  }
  // Bytes (of a layer too) came that nobody has read yet.
  bool has_unread() const {
    char byte;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
  // `more_follows`: the kernel may wait for it before it sends a packet.
  ssize_t send(std::string_view bytes, bool more_follows = false) {
    if (layer_) [[unlikely]] {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      return layer_->send(socket_.get(), {&piece, 1}, more_follows);
    }
    int more = more_follows ? MSG_MORE : 0;
    return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | more);
  }
  ssize_t send(std::span<iovec> pieces) {
    if (layer_) [[unlikely]]
      return layer_->send(socket_.get(), pieces, false);
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  ssize_t send_file(int file, std::uint64_t offset, std::uint64_t count, bool more_follows = false);
  // Nothing more comes from us; the client may still send. False when the connection is over.
  bool end_sending();
  // Closing from now on resets the connection, so that a body which ends with it does not look complete.
  void break_off();
  void close();
  // Gives the socket up, for a transport of another kind.
  base::Fd release() { return std::move(socket_); }

 private:
  base::Fd socket_;
  std::unique_ptr<Layer> layer_;
};

// Whether a failed call is to be tried again after the next event.
inline bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace net
