// edge::TlsClient: a client until its TLS handshake is done (tls/handshake.h); then the protocol that was agreed takes
// its place.
#pragma once

#include <memory>

#include "edge/client_set.h"
#include "net/loop.h"
#include "tls/handshake.h"

namespace edge {

class TlsClient final : public Client, net::Pollable {
 public:
  TlsClient(Context& context, ClientSet& set, base::Fd socket, Peer peer, std::unique_ptr<tls::Session> session);
  ~TlsClient() override;

  void open(std::string_view received) override;
  void on_sweep(net::Clock::time_point now) override;
  void close() override;

 private:
  void on_ready(std::uint32_t epoll_events) override;
  void finish();
  void note_failure();
  void leave();

  Context& context_;
  ClientSet& set_;
  Peer peer_;
  tls::Handshake handshake_;
  ClientSet::Handshakes::iterator place_;
  net::Clock::time_point deadline_;
  bool failed_ = false, left_ = false;
};

}  // namespace edge
