#include "edge/client_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/log.h"
#include "edge/client_connection.h"
#include "edge/tls_client.h"
#include "tls/context.h"

namespace edge {

namespace {

constexpr std::size_t kMostHandshakes = 512;  // an honest client is done within milliseconds

// Peers that vanished without a word are noticed: bytes not acknowledged in time, silence for hours.
void watch_for_vanished(int socket, std::chrono::milliseconds patience) {
  int on = 1, most = static_cast<int>(patience.count());
  (void)::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &most, sizeof most);  // refused by Unix sockets
}

// What is counted together: the first eight bytes of an IPv6 address, else the text.
std::string network_of(const std::string& address) {
  in6_addr bytes{};
  if (::inet_pton(AF_INET6, address.c_str(), &bytes) != 1 || IN6_IS_ADDR_V4MAPPED(&bytes)) return address;
  return std::string(reinterpret_cast<const char*>(bytes.s6_addr), 8);
}

}  // namespace

void ClientSet::add(base::Fd socket, Peer peer) {
  watch_for_vanished(socket.get(), context_.options.timeouts.write);
  auto network = by_network_.try_emplace(network_of(peer.host), 0).first;
  network->second++;
  if (peer.secure && handshakes_.size() >= kMostHandshakes) give_up_a_handshake(&*network);
  auto client = make(std::move(socket), std::move(peer));
  if (!client) return uncount(&*network);
  client->network = &*network;
  client->index = all_.size();
  auto& opened = *all_.emplace_back(std::move(client));
  opened.open({});
}

// The oldest of the newcomer's own network, if there is one: who begins many must not end those of others.
void ClientSet::give_up_a_handshake(const Client::Network* newcomer) {
  auto own = std::ranges::find_if(handshakes_, [&](const Client* client) { return client->network == newcomer; });
  (own != handshakes_.end() ? *own : handshakes_.front())->close();
}

// Null: there is nothing to be had for it; the socket is closed.
std::unique_ptr<Client> ClientSet::make(base::Fd socket, Peer peer) {
  net::Transport transport(std::move(socket));
  if (!peer.secure) return std::make_unique<ClientConnection>(context_, *this, std::move(transport), std::move(peer));
  auto session = context_.tls->accept(transport.descriptor());
  if (session) {
    return std::make_unique<TlsClient>(context_, *this, transport.release(), std::move(peer), std::move(*session));
  }
  base::log(base::Level::error, "edge.open_failed", {}, session.error().describe());
  return nullptr;
}

void ClientSet::replace(Client& old, std::unique_ptr<Client> next, std::string_view received) {
  next->index = old.index;
  next->network = std::exchange(old.network, nullptr);
  auto& opened = *next;
  context_.bury(std::exchange(all_[old.index], std::move(next)));
  opened.open(received);
}

void ClientSet::remove(Client& client) {
  uncount(std::exchange(client.network, nullptr));
  auto place = client.index;
  std::swap(all_[place], all_.back());
  all_[place]->index = place;
  context_.bury(std::move(all_.back()));
  all_.pop_back();
  on_removed();
}

void ClientSet::uncount(Client::Network* network) {
  if (--network->second == 0) by_network_.erase(by_network_.find(network->first));
}

bool ClientSet::take_share(Client& client, const Peer& peer) {
  if (shares() >= limits.shares || (!peer.trusted && client.network->second >= limits.per_network)) return false;
  further_requests_++;
  client.network->second++;
  return true;
}

void ClientSet::give_back_share(Client& client) {
  bool was_full = shares() >= limits.shares;
  further_requests_--;
  client.network->second--;
  if (was_full) on_removed();
}

// A connection that closes is replaced by the last one, which has been swept already when going backwards.
void ClientSet::sweep(net::Clock::time_point now) {
  for (auto i = all_.size(); i > 0; i--)
    if (i <= all_.size()) all_[i - 1]->on_sweep(now);
}

void ClientSet::close_all() {
  while (!all_.empty()) all_.back()->close();
}

std::size_t ClientSet::count_from(const std::string& address) const {
  auto count = by_network_.find(network_of(address));
  return count == by_network_.end() ? 0 : count->second;
}

}  // namespace edge
