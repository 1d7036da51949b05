// worker::Listener: accepts clients on one listening socket. Several workers share the socket, so the kernel wakes one
// of them only (EPOLLEXCLUSIVE) and none takes more than a few at once. Out of descriptors: pauses and says so.
#pragma once

#include <memory>

#include "net/loop.h"
#include "worker/peer.h"

namespace worker {

class Server;

class Listener final : public net::Pollable {
 public:
  // `socket` stays the caller's and must be non-blocking.
  static base::Result<std::unique_ptr<Listener>> create(Server& server, int socket);
  ~Listener();
  void on_ready(std::uint32_t epoll_events) override;
  // Takes what waits in the backlog: with the socket it would be reset.
  void accept_waiting();
  // Watches again after a pause, when the server has room.
  void resume();

 private:
  Listener(Server& server, int socket, std::shared_ptr<const Peer> local);
  void pause(net::nanoseconds how_long);
  base::Result<void> watch();

  Server& server_;
  int socket_;
  std::shared_ptr<const Peer> local_;
  bool watched_ = false;
  net::Timer pause_timer_;
};

}  // namespace worker
