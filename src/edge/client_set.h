// edge::ClientSet: the clients of one edge: owns them, sweeps their deadlines, counts them.
//
// What is counted is shares: one for each connection and one for each request beyond the first that a connection has
// in progress, so that HTTP/2 gets nobody more than many connections would.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "edge/client.h"
#include "net/transport.h"

namespace edge {

class TlsClient;

struct AcceptLimits {
  std::size_t shares = SIZE_MAX;
  std::size_t per_network = SIZE_MAX;  // of one network (ClientSet::count_from), unless it is trusted
};

class ClientSet {
 public:
  explicit ClientSet(Context& context) : context_(context) {}

  // An accepted socket; `peer.secure`: TLS comes first.
  void add(base::Fd socket, Peer peer);
  // Buries `old`, whose socket the next one has, and opens the next one in its place.
  void replace(Client& old, std::unique_ptr<Client> next, std::string_view received);
  void remove(Client& client);  // buries it
  void sweep(net::Clock::time_point now);
  void close_all();
  std::size_t size() const { return all_.size(); }
  std::size_t shares() const { return all_.size() + further_requests_; }
  // Shares of an IPv4 address or of the /64 of an IPv6 address, which is what one customer has.
  std::size_t count_from(const std::string& address) const;

  // For a request beside others of the client's; false: it has its part already.
  bool take_share(Client& client, const Peer& peer);
  void give_back_share(Client& client);

  // Handshakes in progress: beyond a bound one is given up for each newcomer.
  using Handshakes = std::list<TlsClient*>;
  Handshakes::iterator handshake_begun(TlsClient& client) { return handshakes_.insert(handshakes_.end(), &client); }
  void handshake_ended(Handshakes::iterator place) { handshakes_.erase(place); }

  AcceptLimits limits;
  std::function<void()> on_removed = [] {};

 private:
  std::unique_ptr<Client> make(base::Fd socket, Peer peer);
  void give_up_a_handshake(const Client::Network* newcomer);
  void uncount(Client::Network* network);

  Context& context_;
  std::vector<std::unique_ptr<Client>> all_;
  std::unordered_map<std::string, std::size_t> by_network_;
  std::size_t further_requests_ = 0;
  Handshakes handshakes_;
};

}  // namespace edge
