// edge::ClientSet: the client connections of one edge: owns them, sweeps their deadlines, counts them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "edge/client_connection.h"

namespace edge {

class ClientSet {
 public:
  explicit ClientSet(Context& context) : context_(context) {}

  void add(base::Fd socket, std::string peer_host, bool trusted);
  void remove(ClientConnection& connection);  // buries it
  void sweep(net::Clock::time_point now);
  void close_all();
  std::size_t size() const { return all_.size(); }
  // Connections from an IPv4 address or from the /64 of an IPv6 address, which is what one customer has.
  std::size_t count_from(const std::string& address) const;

  std::function<void()> on_removed = [] {};

 private:
  Context& context_;
  std::vector<std::unique_ptr<ClientConnection>> all_;
  std::unordered_map<std::string, std::size_t> by_network_;
};

}  // namespace edge
