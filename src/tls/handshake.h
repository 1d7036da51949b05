// tls::Handshake: a socket until its TLS handshake is done. A client that speaks plain HTTP is told so, in plain text.
//
//   shaking ──► done: `secured` is the connection
//      └──► refusing (drops what still comes, so that the answer is not lost in a reset) ──► over
//
// Deadlines and events are the owner's; of `refusing` too, which takes `refusing_time` at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "net/transport.h"
#include "tls/session.h"

namespace tls {

class Handshake {
 public:
  enum class State : std::uint8_t { shaking, done, refusing, over };
  static constexpr std::chrono::seconds refusing_time{2};

  Handshake(base::Fd socket, std::unique_ptr<Session> session)
      : transport_(std::move(socket)), session_(std::move(session)) {}

  int descriptor() const { return transport_.descriptor(); }
  const Session& session() const { return *session_; }
  // Goes on after an event of the socket, as far as that takes it.
  State proceed();
  // Once done: socket and session leave for the connection that comes now.
  net::Transport secured();
  // Gives the handshake up.
  void close();

 private:
  void refuse();
  void drop_input();

  net::Transport transport_;
  std::unique_ptr<Session> session_;
  State state_ = State::shaking;
  std::size_t dropped_ = 0;
};

}  // namespace tls
