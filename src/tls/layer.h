// tls::Layer: a TLS session as what stands between a transport's bytes and its socket.
#pragma once

#include <memory>

#include "net/transport.h"
#include "tls/session.h"

namespace tls {

class Layer final : public net::Transport::Layer {
 public:
  explicit Layer(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  ssize_t receive(int socket, std::span<char> room) override;
  bool may_hold_more() const override { return session_->may_have_input(); }
  ssize_t send(int socket, std::span<const iovec> pieces, bool more_follows) override;
  ssize_t send_file(int socket, int file, std::uint64_t offset, std::size_t count, bool more_follows) override;
  void end_sending(int) override { session_->close(); }

 private:
  std::unique_ptr<Session> session_;
};

}  // namespace tls
