#include "control/blocking_channel.h"

#include <poll.h>

#include <cerrno>

#include "control/socket.h"
#include "net/address.h"

namespace control {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

base::Result<void> wait_for(int fd, short events, Clock::time_point until) {
  for (;;) {
    auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    pollfd one{fd, events, 0};
    int ready = ::poll(&one, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready > 0) return {};
    if (ready == 0) return base::fail(base::Kind::unavailable, "a control peer did not answer in time");
    if (errno != EINTR) return base::errno_error("wait for a control peer");
  }
}

}  // namespace

base::Result<BlockingChannel> BlockingChannel::open(base::Fd socket, const Hello& ours, milliseconds timeout) {
  if (auto set = base::set_nonblocking(socket.get(), true); !set) return std::unexpected(set.error());
  BlockingChannel channel(std::move(socket));
  if (auto sent = channel.send(ours.to_message(), timeout); !sent) return std::unexpected(sent.error());
  auto first = channel.receive(timeout);
  if (!first) return base::wrap(first.error(), "wait for the peer's hello");
  auto hello = Hello::from_message(*first);
  if (!hello) return std::unexpected(hello.error());
  channel.peer_ = std::move(*hello);
  return channel;
}

base::Result<BlockingChannel> BlockingChannel::connect(const std::string& path, const Hello& ours,
                                                       milliseconds timeout) {
  auto socket = net::connect(net::UnixAddress{path});
  if (!socket) return std::unexpected(socket.error());
  return open(std::move(*socket), ours, timeout);
}

base::Result<void> BlockingChannel::send(Message message, milliseconds timeout) {
  auto until = Clock::now() + timeout;
  auto frame = message.encode();
  if (!frame) return std::unexpected(frame.error());
  for (std::size_t done = 0; done < frame->size();) {
    auto sent = send_some(socket_.get(), std::string_view(*frame).substr(done), message.descriptors);
    if (!sent) return std::unexpected(sent.error());
    if (*sent) {
      done += **sent;
      message.descriptors.clear();
    } else if (auto ready = wait_for(socket_.get(), POLLOUT, until); !ready) {
      return ready;
    }
  }
  return {};
}

base::Result<Message> BlockingChannel::receive(milliseconds timeout) {
  auto until = Clock::now() + timeout;
  for (;;) {
    auto message = decoder_.next();
    if (!message) return std::unexpected(message.error());
    if (*message) return std::move(**message);
    if (auto ready = wait_for(socket_.get(), POLLIN, until); !ready) return std::unexpected(ready.error());
    auto received = receive_some(socket_.get(), decoder_);
    if (!received) return std::unexpected(received.error());
    if (*received == Received::end)
      return base::fail(base::Kind::disconnected, "the control peer closed the connection");
  }
}

}  // namespace control
