#include "edge/client_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"

namespace edge {

namespace {

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

void ClientSet::add(base::Fd socket, std::string peer_host, bool trusted) {
  watch_for_vanished(socket.get(), context_.options.timeouts.write);
  auto connection = ClientConnection::open(context_, *this, std::move(socket), Peer{peer_host, trusted});
  if (!connection) return base::log(base::Level::error, "edge.open_failed", {}, connection.error().describe());
  (*connection)->index = all_.size();
  all_.push_back(std::move(*connection));
  by_network_[network_of(peer_host)]++;
}

void ClientSet::remove(ClientConnection& connection) {
  auto count = by_network_.find(network_of(connection.peer_host()));
  if (count != by_network_.end() && --count->second == 0) by_network_.erase(count);
  auto place = connection.index;
  std::swap(all_[place], all_.back());
  all_[place]->index = place;
  context_.bury(std::move(all_.back()));
  all_.pop_back();
  on_removed();
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
