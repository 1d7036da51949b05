#include "control/listener.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "net/address.h"

namespace control {

Listener::Listener(net::Loop& loop, base::Fd socket, std::vector<uid_t> also_allowed, OnPeer on_peer)
    : loop_(loop), socket_(std::move(socket)), also_allowed_(std::move(also_allowed)), on_peer_(std::move(on_peer)) {}

Listener::~Listener() { loop_.remove(socket_.get(), *this); }

base::Result<std::unique_ptr<Listener>> Listener::listen(net::Loop& loop, const std::string& path,
                                                         std::vector<uid_t> also_allowed, OnPeer on_peer) {
  mode_t mode = also_allowed.empty() ? 0600 : 0666;
  auto socket = net::listen(net::UnixAddress{path}, {.backlog = 64, .unix_mode = mode});
  if (!socket) return std::unexpected(socket.error());
  return open(loop, std::move(*socket), std::move(also_allowed), std::move(on_peer));
}

base::Result<std::unique_ptr<Listener>> Listener::open(net::Loop& loop, base::Fd listening,
                                                       std::vector<uid_t> also_allowed, OnPeer on_peer) {
  if (auto set = base::set_nonblocking(listening.get(), true); !set) return std::unexpected(set.error());
  std::unique_ptr<Listener> listener(
      new Listener(loop, std::move(listening), std::move(also_allowed), std::move(on_peer)));
  if (auto added = loop.add(listener->socket_.get(), EPOLLIN, *listener); !added) return std::unexpected(added.error());
  return listener;
}

bool Listener::is_allowed(uid_t uid) const {
  return uid == 0 || uid == ::geteuid() || std::ranges::find(also_allowed_, uid) != also_allowed_.end();
}

void Listener::on_ready(std::uint32_t) {
  auto accepted = net::accept(socket_.get());
  if (!accepted) return base::log(base::Level::warning, "control.accept_failed", {}, accepted.error().describe());
  if (!*accepted) return;
  auto peer = net::peer_credentials((*accepted)->socket.get());
  if (!peer) return base::log(base::Level::warning, "control.peer_unknown", {}, peer.error().describe());
  if (!is_allowed(peer->uid)) {
    return base::log(base::Level::warning, "control.peer_refused", {{"uid", peer->uid}, {"pid", peer->pid}},
                     "a control connection was refused: this user may not give orders here");
  }
  on_peer_(std::move((*accepted)->socket), peer->uid);
}

}  // namespace control
