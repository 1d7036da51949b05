#include "instance/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/address.h"

namespace instance {

constexpr std::size_t kMost = 64 << 10;

Relay::Relay(net::Loop& loop, base::Fd client, std::vector<net::Endpoint> targets, std::function<void(Relay&)> over)
    : loop_(loop), targets_(std::move(targets)), over_(std::move(over)) {
  client_.socket = std::move(client);
  std::ranges::reverse(targets_);
}

Relay::~Relay() {
  for (auto* side : {&client_, &server_}) forget(*side);
}

void Relay::start() { connect(); }

// Loopback: who does not listen is known at once, or in the next turn.
void Relay::connect() {
  while (!targets_.empty()) {
    auto target = std::move(targets_.back());
    targets_.pop_back();
    auto socket = target.connect();
    if (!socket) continue;
    server_.socket = std::move(*socket);
    return watch(server_);
  }
  break_off();
}

void Relay::on_connected() {
  if (net::socket_error(server_.socket.get()) != 0) {
    forget(server_);
    server_.socket.close();
    return connect();
  }
  connecting_ = false;
  watch(client_);
  watch(server_);
}

void Relay::on_ready(Side& side, std::uint32_t events) {
  if (connecting_) return on_connected();
  bool whole = true;
  if (events & EPOLLOUT) whole = write_to(side);
  if (whole && !side.ended && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) whole = read_from(side);
  if (!whole) return break_off();
  if (client_.told && server_.told) return finish();
  watch(client_);
  watch(server_);
}

bool Relay::read_from(Side& side) {
  auto& to = other(side);
  char chunk[kMost];
  while (to.waiting.size() < kMost) {
    auto count = base::read_some(side.socket.get(), std::span(chunk, kMost - to.waiting.size()));
    if (!count) return false;
    if (!*count) break;
    if (**count == 0) {
      side.ended = true;
      break;
    }
    to.waiting.append(chunk, **count);
    if (!write_to(to)) return false;
  }
  return write_to(to);
}

bool Relay::write_to(Side& side) {
  while (!side.waiting.empty()) {
    auto count = ::send(side.socket.get(), side.waiting.data(), side.waiting.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    side.waiting.erase(0, static_cast<std::size_t>(count));
  }
  if (other(side).ended && !side.told) {
    ::shutdown(side.socket.get(), SHUT_WR);
    side.told = true;
  }
  return true;
}

void Relay::watch(Side& side) {
  std::uint32_t wanted = 0;
  if (connecting_ || !side.waiting.empty()) wanted |= EPOLLOUT;
  if (!connecting_ && !side.ended && other(side).waiting.size() < kMost) wanted |= EPOLLIN;
  if (wanted == 0) return forget(side);  // else the loop would tell of a hang-up again and again
  if (wanted == side.interest) return;
  bool is_known = side.interest != 0;
  side.interest = wanted;
  auto done = is_known ? loop_.modify(side.socket.get(), wanted, side) : loop_.add(side.socket.get(), wanted, side);
  if (!done) break_off();
}

void Relay::forget(Side& side) {
  if (std::exchange(side.interest, 0) != 0) loop_.remove(side.socket.get(), side);
}

// The peers see a reset, not an end that looks as if all had come.
void Relay::break_off() {
  linger at_once{1, 0};
  for (auto* side : {&client_, &server_})
    if (side->socket.is_open()) ::setsockopt(side->socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  finish();
}

void Relay::finish() {
  for (auto* side : {&client_, &server_}) {
    forget(*side);
    side->socket.close();
  }
  if (auto over = std::exchange(over_, nullptr)) over(*this);
}

}  // namespace instance
