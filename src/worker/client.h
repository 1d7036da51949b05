// worker::Client: one accepted socket and the protocol spoken on it. Owned by worker::Server, which watches its
// deadline. A protocol that finds out that it should be another one (the HTTP/2 preface; ALPN) makes that one with its
// transport and what it has read, and calls Server::replace.
#pragma once

#include <string_view>

#include "net/loop.h"

namespace worker {

// The events that every client is registered with; each remembers that there may be bytes to read.
inline constexpr std::uint32_t client_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

class Client : public net::Pollable, public net::Deferred {
 public:
  virtual ~Client() = default;

  // The server owns it now: registers its socket with the loop. `received`: what came before on this connection.
  virtual void open(std::string_view received) = 0;
  virtual net::Clock::time_point deadline() const = 0;
  virtual void on_time(net::Clock::time_point now) = 0;
  // Between requests, with nothing to send, and nothing of the next request has come.
  virtual bool is_idle() const = 0;
  // The server accepts nothing more and ends once its clients have: requests that run are finished.
  virtual void on_drain() = 0;
  // At once. Ends in Server::discard.
  virtual void close() = 0;

  std::size_t position = 0;  // in the server's list
};

}  // namespace worker
