// control::BlockingChannel: one peer, for code that waits: tests, command-line tools, short conversations.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "control/decoder.h"

namespace control {

class BlockingChannel {
 public:
  using milliseconds = std::chrono::milliseconds;

  // Exchanges hellos within `timeout`.
  static base::Result<BlockingChannel> open(base::Fd socket, const Hello& ours, milliseconds timeout);
  static base::Result<BlockingChannel> connect(const std::string& path, const Hello& ours, milliseconds timeout);

  const Hello& peer() const { return peer_; }
  int fd() const { return socket_.get(); }
  base::Result<void> send(Message message, milliseconds timeout = std::chrono::seconds(10));
  // Kind::unavailable past the timeout, Kind::disconnected at the end of the stream.
  base::Result<Message> receive(milliseconds timeout);

 private:
  explicit BlockingChannel(base::Fd socket) : socket_(std::move(socket)) {}
  base::Fd socket_;
  Decoder decoder_;
  Hello peer_;
};

}  // namespace control
