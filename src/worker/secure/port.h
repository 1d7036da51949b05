// secure::Port: TLS on a server's TCP sockets: begins handshakes, bounds how many are in progress, and shares what was
// agreed among connections that agreed on the same. Owned by worker::Server; loop thread.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "tls/context.h"
#include "tls/session.h"
#include "worker/client.h"
#include "worker/stream.h"

namespace worker {
class Server;
}

namespace worker::secure {

class Handshake;

class Port {
 public:
  // Beyond this many handshakes in progress the oldest is given up: an honest client is done within milliseconds.
  static constexpr std::size_t most_handshakes = 512;

  Port(Server& server, std::shared_ptr<const tls::Context> context) : server_(server), context_(std::move(context)) {}

  // Null: there is no memory for it; the socket is closed.
  std::unique_ptr<Client> begin(base::Fd socket, Ends ends);

  // --- for handshakes
  using Place = std::list<Handshake*>::iterator;
  Place begun(Handshake& handshake) { return in_progress_.insert(in_progress_.end(), &handshake); }
  void ended(Place place) { in_progress_.erase(place); }
  std::shared_ptr<const tls::Facts> share(tls::Facts facts);

 private:
  Server& server_;
  std::shared_ptr<const tls::Context> context_;
  std::list<Handshake*> in_progress_;                      // the oldest first
  std::vector<std::shared_ptr<const tls::Facts>> shared_;  // of clients without a certificate
};

}  // namespace worker::secure
