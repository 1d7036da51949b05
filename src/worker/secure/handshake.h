// secure::Handshake: a client until its TLS handshake is done (tls/handshake.h); then the protocol that was agreed
// takes its place (Server::replace).
#pragma once

#include <list>
#include <memory>

#include "tls/handshake.h"
#include "worker/client.h"
#include "worker/stream.h"

namespace worker {
class Server;
}

namespace worker::secure {

class Port;

class Handshake final : public Client {
 public:
  Handshake(Server& server, Port& port, base::Fd socket, Ends ends, std::unique_ptr<tls::Session> session);
  ~Handshake();

  void open(std::string_view received) override;
  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override {}
  net::Clock::time_point deadline() const override { return deadline_; }
  void on_time(net::Clock::time_point) override { close(); }
  bool is_idle() const override { return false; }
  void on_drain() override {}
  void close() override;

 private:
  void finish();
  void note_failure();

  Server& server_;
  Port& port_;
  tls::Handshake handshake_;
  Ends ends_;
  std::list<Handshake*>::iterator place_;
  net::Clock::time_point deadline_;
  bool failed_ = false;
  bool closed_ = false;
};

}  // namespace worker::secure
