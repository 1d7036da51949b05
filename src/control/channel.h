// control::Channel: one peer of this process, driven by a net::Loop. All members are for the loop's thread.
//
//   auto channel = control::Channel::open(loop, std::move(socket), {.role = "edge"}, {
//       .on_message = [&](control::Message message) { … },
//       .on_closed = [&](std::optional<base::Error> why) { … }});
//   channel->send(control::Message("drain"));
//
// Says hello at once and expects the peer's; messages are told only after it. A peer of another major version gets
// {"type":"refused","reason":…} and is closed. Callbacks may destroy the channel, and may read members
// without looking at their kind first: a message that is not as they expect closes the channel.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/decoder.h"
#include "net/loop.h"

namespace control {

class Channel final : net::Pollable {
 public:
  struct Events {
    std::function<void(const Hello&)> on_hello;  // may be empty
    std::function<void(Message)> on_message;
    std::function<void(std::optional<base::Error>)> on_closed;  // once; empty optional: the peer ended it properly
  };

  // Owns the socket, a connected Unix stream socket of either blocking mode.
  static base::Result<std::unique_ptr<Channel>> open(net::Loop& loop, base::Fd socket, Hello ours, Events events);
  // Connects to a listening Unix socket.
  static base::Result<std::unique_ptr<Channel>> connect(net::Loop& loop, const std::string& path, Hello ours,
                                                        Events events);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  // Queues; never blocks. A message too large for a frame is an error; so is a closed channel (Kind::disconnected).
  // A peer that lets more than 64 MiB pile up is closed.
  base::Result<void> send(Message message);
  // Sends what is queued, then closes, without on_closed.
  void finish();
  bool is_open() const { return socket_.is_open(); }
  const std::optional<Hello>& peer() const { return peer_; }

 private:
  struct Outgoing {
    std::string frame;
    std::vector<base::Fd> descriptors;
    std::size_t sent = 0;
  };
  Channel(net::Loop& loop, base::Fd socket, Events events);
  void on_ready(std::uint32_t epoll_events) override;
  base::Result<bool> read_messages();  // false: the peer ended the stream
  base::Result<void> handle_guarded(Message message);
  base::Result<void> handle(Message message);
  void refuse(const base::Error& error);
  base::Result<void> flush();
  base::Result<void> watch(bool for_writing);
  void close(std::optional<base::Error> why);

  net::Loop& loop_;
  base::Fd socket_;
  Events events_;
  Decoder decoder_;
  std::optional<Hello> peer_;
  std::deque<Outgoing> queue_;
  std::size_t queued_bytes_ = 0;
  bool watching_writes_ = false, finishing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace control
