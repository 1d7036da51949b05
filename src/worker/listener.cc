#include "worker/listener.h"

#include <cerrno>

#include "base/log.h"
#include "net/address.h"
#include "worker/server.h"

namespace worker {
namespace {

// Few enough that a burst spreads over the workers that share the socket.
constexpr int accepts_per_turn = 16;
constexpr int most_waiting = 4096;
constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);
constexpr auto pause_when_full = std::chrono::milliseconds(20);

Peer local_peer(const net::Address& address) {
  if (auto* tcp = std::get_if<net::TcpAddress>(&address)) return {tcp->host, tcp->port, false};
  if (auto* path = std::get_if<net::UnixAddress>(&address)) return {path->path, 0, true};
  return {};
}

}  // namespace

base::Result<std::unique_ptr<Listener>> Listener::create(Server& server, int socket) {
  auto address = net::local_address(socket);
  if (!address) return base::wrap(address.error(), "listening");
  if (auto done = base::set_nonblocking(socket, true); !done) return base::wrap(done.error(), "listening");
  std::unique_ptr<Listener> listener(new Listener(server, socket, std::make_shared<const Peer>(local_peer(*address))));
  if (auto done = listener->watch(); !done) return base::wrap(done.error(), "listening");
  return listener;
}

Listener::Listener(Server& server, int socket, std::shared_ptr<const Peer> local)
    : server_(server), socket_(socket), local_(std::move(local)), pause_timer_(server.loop(), [this] { resume(); }) {}

Listener::~Listener() {
  if (watched_) server_.loop().remove(socket_, *this);
}

base::Result<void> Listener::watch() {
  if (watched_) return {};
  auto done = server_.loop().add(socket_, EPOLLIN | EPOLLEXCLUSIVE, *this);
  watched_ = done.has_value();
  return done;
}

void Listener::pause(net::nanoseconds how_long) {
  if (watched_) server_.loop().remove(socket_, *this);
  watched_ = false;
  pause_timer_.set_after(how_long);
}

void Listener::resume() {
  if (auto done = watch(); !done) pause(pause_without_descriptors);
}

void Listener::accept_waiting() {
  for (int i = 0; i < most_waiting && server_.may_accept(); i++) {
    auto accepted = net::accept(socket_);
    if (!accepted || !*accepted) return;
    server_.adopt(std::move(**accepted), local_);
  }
}

void Listener::on_ready(std::uint32_t) {
  for (int i = 0; i < accepts_per_turn; i++) {
    if (!server_.may_accept()) return pause(pause_when_full);
    auto accepted = net::accept(socket_);
    if (!accepted) {
      base::log(base::Level::warning, "worker.accept_failed", {{"error", accepted.error().describe()}},
                "cannot accept connections, waiting 100 ms; raise the descriptor limit if this goes on");
      return pause(pause_without_descriptors);
    }
    if (!*accepted) return;
    server_.adopt(std::move(**accepted), local_);
  }
}

}  // namespace worker
