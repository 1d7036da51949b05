#include "control/channel.h"

#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "control/socket.h"
#include "net/address.h"

namespace control {
namespace {
constexpr std::size_t kMaxQueuedBytes = 64 << 20;
constexpr int kReadsPerTurn = 16;  // a chatty peer leaves room for the others
}  // namespace

Channel::Channel(net::Loop& loop, base::Fd socket, Events events)
    : loop_(loop), socket_(std::move(socket)), events_(std::move(events)) {}

Channel::~Channel() {
  *alive_ = false;
  if (socket_.is_open()) loop_.remove(socket_.get(), *this);
}

base::Result<std::unique_ptr<Channel>> Channel::open(net::Loop& loop, base::Fd socket, Hello ours, Events events) {
  if (auto set = base::set_nonblocking(socket.get(), true); !set) return std::unexpected(set.error());
  std::unique_ptr<Channel> channel(new Channel(loop, std::move(socket), std::move(events)));
  if (auto added = loop.add(channel->socket_.get(), EPOLLIN, *channel); !added) return std::unexpected(added.error());
  if (auto sent = channel->send(ours.to_message()); !sent) return std::unexpected(sent.error());
  return channel;
}

base::Result<std::unique_ptr<Channel>> Channel::connect(net::Loop& loop, const std::string& path, Hello ours,
                                                        Events events) {
  auto socket = net::connect(net::UnixAddress{path});
  if (!socket) return std::unexpected(socket.error());
  return open(loop, std::move(*socket), std::move(ours), std::move(events));
}

base::Result<void> Channel::send(Message message) {
  if (!is_open() || finishing_)
    return base::fail(base::Kind::disconnected, "send {}: the channel is closed", message.type());
  auto frame = message.encode();
  if (!frame) return std::unexpected(frame.error());
  queued_bytes_ += frame->size();
  queue_.push_back({std::move(*frame), std::move(message.descriptors)});
  auto flushed = flush();
  if (flushed && queued_bytes_ > kMaxQueuedBytes) {
    flushed = base::fail(base::Kind::overloaded, "a control peer leaves {} bytes unread", queued_bytes_);
  }
  // The reader notices a broken socket too: callbacks run from the loop, never from inside send.
  if (!flushed) ::shutdown(socket_.get(), SHUT_RDWR);
  return flushed;
}

base::Result<void> Channel::flush() {
  while (!queue_.empty()) {
    auto& next = queue_.front();
    auto sent = send_some(socket_.get(), std::string_view(next.frame).substr(next.sent), next.descriptors);
    if (!sent) return std::unexpected(sent.error());
    if (!*sent) break;
    next.descriptors.clear();
    next.sent += **sent;
    queued_bytes_ -= **sent;
    if (next.sent == next.frame.size()) queue_.pop_front();
  }
  return watch(!queue_.empty());
}

base::Result<void> Channel::watch(bool for_writing) {
  if (watching_writes_ == for_writing) return {};
  watching_writes_ = for_writing;
  return loop_.modify(socket_.get(), for_writing ? EPOLLIN | EPOLLOUT : EPOLLIN, *this);
}

void Channel::finish() {
  finishing_ = true;
  if (is_open() && queue_.empty()) close(std::nullopt);
}

void Channel::on_ready(std::uint32_t epoll_events) {
  auto alive = alive_;
  if (epoll_events & EPOLLOUT) {
    auto flushed = flush();
    if (!flushed) return close(flushed.error());
    if (finishing_ && queue_.empty()) return close(std::nullopt);
  }
  if (!(epoll_events & ~std::uint32_t{EPOLLOUT})) return;
  auto read = read_messages();
  if (!*alive || !is_open()) return;
  if (!read)
    close(read.error());
  else if (!*read)
    close(std::nullopt);
}

base::Result<bool> Channel::read_messages() {
  auto alive = alive_;
  for (int i = 0; i < kReadsPerTurn; i++) {
    auto received = receive_some(socket_.get(), decoder_);
    if (!received) return std::unexpected(received.error());
    if (*received == Received::nothing_yet) return true;
    if (*received == Received::end) return false;
    for (;;) {
      auto message = decoder_.next();
      if (!message) return std::unexpected(message.error());
      if (!*message) break;
      auto handled = handle_guarded(std::move(**message));
      if (!handled) return std::unexpected(handled.error());
      if (!*alive || !is_open()) return true;
    }
  }
  return true;
}

// Peers may be hostile: a member of another kind than its reader expects ends the conversation, not the process.
base::Result<void> Channel::handle_guarded(Message message) {
  try {
    return handle(std::move(message));
  } catch (const nlohmann::json::exception& error) {
    return base::invalid("a control message is not as expected: {}", error.what());
  }
}

base::Result<void> Channel::handle(Message message) {
  if (finishing_) return {};
  if (peer_) {
    events_.on_message(std::move(message));
    return {};
  }
  if (message.type() == "refused") {
    return base::fail(base::Kind::unsupported, "the peer refused: {}", message.body().value("reason", ""));
  }
  auto hello = Hello::from_message(message);
  if (!hello) {
    refuse(hello.error());
    return std::unexpected(hello.error());
  }
  peer_ = std::move(*hello);
  if (events_.on_hello) events_.on_hello(*peer_);
  return {};
}

void Channel::refuse(const base::Error& error) {
  Message refused("refused");
  refused.body()["reason"] = error.describe();
  (void)send(std::move(refused));  // the peer may be gone: then there is nobody to tell
}

void Channel::close(std::optional<base::Error> why) {
  loop_.remove(socket_.get(), *this);
  socket_.close();
  queue_.clear();
  if (!finishing_ && events_.on_closed) {
    auto on_closed = std::move(events_.on_closed);  // outlives the channel, which the callback may destroy
    on_closed(std::move(why));
  }
}

}  // namespace control
