#include "edge/listener.h"

#include <sys/socket.h>

#include "base/log.h"
#include "net/address.h"

namespace edge {
namespace {
constexpr int kAcceptsPerTurn = 64;  // those connected already get their turn too
constexpr std::chrono::milliseconds kRetry{100};
constexpr std::chrono::seconds kNoteEvery{10};
}  // namespace

Listener::Listener(net::Loop& loop, base::Fd socket, std::string address, ClientSet& clients,
                   const TrustedPeers& trusted, bool secure)
    : loop_(loop),
      socket_(std::move(socket)),
      address_(std::move(address)),
      clients_(clients),
      trusted_(trusted),
      secure_(secure),
      retry_(loop, [this] { resume(); }) {}

base::Result<std::unique_ptr<Listener>> Listener::open(net::Loop& loop, base::Fd socket, ClientSet& clients,
                                                       const TrustedPeers& trusted, bool secure) {
  if (auto set = base::set_nonblocking(socket.get(), true); !set) return std::unexpected(set.error());
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening) {
    return base::invalid("descriptor {} is no listening socket", socket.get());
  }
  auto address = net::local_address(socket.get());
  if (!address) return std::unexpected(address.error());
  std::unique_ptr<Listener> listener(
      new Listener(loop, std::move(socket), net::to_string(*address), clients, trusted, secure));
  if (auto added = loop.add(listener->socket_.get(), EPOLLIN, *listener); !added) return std::unexpected(added.error());
  return listener;
}

void Listener::on_ready(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && !paused_; i++)
    if (!accept_one()) return;
}

// Whether to go on.
bool Listener::accept_one() {
  if (clients_.shares() >= clients_.limits.shares) {
    pause();
    return false;
  }
  auto accepted = net::accept(socket_.get());
  if (!accepted) {
    note("edge.accept_failed", accepted.error().describe());
    pause();
    retry_.set_after(kRetry);
    return false;
  }
  if (!*accepted) return false;
  auto& client = **accepted;
  bool trusted = trusted_.contains(client.peer_host);
  if (!trusted && clients_.count_from(client.peer_host) >= clients_.limits.per_network) {
    note("edge.too_many_from_one",
         fmt::format("{} has {} connections: further ones are closed", client.peer_host, clients_.limits.per_network));
    return true;
  }
  clients_.add(std::move(client.socket), {std::move(client.peer_host), trusted, secure_});
  return true;
}

void Listener::pause() {
  if (std::exchange(paused_, true)) return;
  (void)loop_.modify(socket_.get(), 0, *this);  // a known descriptor: cannot fail
}

void Listener::note(const char* event, std::string_view text) {
  auto now = loop_.now();
  if (now - noted_ < kNoteEvery) return;
  noted_ = now;
  base::log(base::Level::error, event, {{"address", address_}}, text);
}

void Listener::resume() {
  if (!std::exchange(paused_, false)) return;
  (void)loop_.modify(socket_.get(), EPOLLIN, *this);
}

}  // namespace edge
