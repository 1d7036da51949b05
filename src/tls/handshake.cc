#include "tls/handshake.h"

#include <array>
#include <string_view>

#include "tls/layer.h"

namespace tls {
namespace {

constexpr std::string_view refusal =
    "HTTP/1.1 400 Bad Request\r\n"
    "content-type: text/plain; charset=utf-8\r\n"
    "content-length: 60\r\n"
    "connection: close\r\n"
    "\r\n"
    "This port speaks HTTPS: begin the address with \"https://\".\r\n";
constexpr std::size_t most_dropped = 64 * 1024;

}  // namespace

Handshake::State Handshake::proceed() {
  if (state_ == State::refusing) drop_input();
  if (state_ != State::shaking) return state_;
  switch (session_->handshake()) {
    case Progress::wants_read:
    case Progress::wants_write:
      break;
    case Progress::done:
      state_ = State::done;
      break;
    case Progress::ended:
    case Progress::failed:
      state_ = State::over;
      if (session_->met_plain_http()) refuse();
  }
  return state_;
}

net::Transport Handshake::secured() {
  return net::Transport(transport_.release(), std::make_unique<Layer>(std::move(session_)));
}

void Handshake::refuse() {
  state_ = State::refusing;
  if (transport_.send(refusal) < 0 || !transport_.end_sending()) state_ = State::over;
  if (state_ == State::refusing) drop_input();
}

void Handshake::drop_input() {
  std::array<char, 4096> ignored;
  ssize_t count = 0;
  while ((count = transport_.receive(ignored)) > 0 && dropped_ < most_dropped)
    dropped_ += static_cast<std::size_t>(count);
  if (count >= 0 || !net::would_block()) state_ = State::over;
}

void Handshake::close() {
  session_.reset();
  transport_.close();
  state_ = State::over;
}

}  // namespace tls
