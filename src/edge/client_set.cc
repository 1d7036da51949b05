#include "edge/client_set.h"

#include "base/log.h"

namespace edge {

void ClientSet::add(base::Fd socket, std::string peer_host, bool trusted) {
  auto connection = ClientConnection::open(context_, *this, std::move(socket), Peer{peer_host, trusted});
  if (!connection) return base::log(base::Level::error, "edge.open_failed", {}, connection.error().describe());
  (*connection)->index = all_.size();
  all_.push_back(std::move(*connection));
  if (context_.options.max_connections_per_address) by_address_[peer_host]++;
}

void ClientSet::remove(ClientConnection& connection) {
  if (auto count = by_address_.find(connection.peer().host); count != by_address_.end() && --count->second == 0) {
    by_address_.erase(count);
  }
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
  auto count = by_address_.find(address);
  return count == by_address_.end() ? 0 : count->second;
}

}  // namespace edge
