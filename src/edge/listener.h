// edge::Listener: accepts clients on one listening socket of the platform.
//
// When there are as many connections as allowed, or no descriptors left, nothing is accepted until there is room:
// clients wait in the socket's backlog. One address cannot have all: what it opens beyond its share is closed.
#pragma once

#include <string>

#include "edge/client_set.h"
#include "edge/trusted_peers.h"
#include "net/loop.h"

namespace edge {

class Listener final : net::Pollable {
 public:
  static base::Result<std::unique_ptr<Listener>> open(net::Loop& loop, base::Fd socket, ClientSet& clients,
                                                      const TrustedPeers& trusted, bool secure);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { loop_.remove(socket_.get(), *this); }

  int socket() const { return socket_.get(); }
  const std::string& address() const { return address_; }
  bool is_secure() const { return secure_; }
  // There may be room again.
  void resume();

 private:
  Listener(net::Loop& loop, base::Fd socket, std::string address, ClientSet& clients, const TrustedPeers& trusted,
           bool secure);
  void on_ready(std::uint32_t epoll_events) override;
  bool accept_one();
  void pause();
  // Trouble that clients can cause at will: a line in ten seconds.
  void note(const char* event, std::string_view text);

  net::Loop& loop_;
  base::Fd socket_;
  std::string address_;
  ClientSet& clients_;
  const TrustedPeers& trusted_;
  const bool secure_;  // TLS comes first
  bool paused_ = false;
  net::Timer retry_;
  net::Clock::time_point noted_;
};

}  // namespace edge
