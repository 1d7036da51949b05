#include "edge/tls_client.h"

#include "base/log.h"
#include "edge/client_connection.h"
#include "edge/http2_client.h"

namespace edge {
namespace {
constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
}  // namespace

TlsClient::TlsClient(Context& context, ClientSet& set, base::Fd socket, Peer peer,
                     std::unique_ptr<tls::Session> session)
    : context_(context),
      set_(set),
      peer_(std::move(peer)),
      handshake_(std::move(socket), std::move(session)),
      place_(set.handshake_begun(*this)),
      deadline_(context.loop.now() + context.options.timeouts.tls_handshake) {}

TlsClient::~TlsClient() { leave(); }

void TlsClient::leave() {
  if (std::exchange(left_, true)) return;
  set_.handshake_ended(place_);
  if (handshake_.descriptor() >= 0) context_.loop.remove(handshake_.descriptor(), *this);
}

void TlsClient::open(std::string_view) {
  if (!context_.loop.add(handshake_.descriptor(), kEvents, *this)) close();
}

void TlsClient::on_ready(std::uint32_t epoll_events) {
  if (left_) return;
  if (epoll_events & (EPOLLERR | EPOLLHUP)) return close();
  switch (handshake_.proceed()) {
    case tls::Handshake::State::shaking:
      return;
    case tls::Handshake::State::done:
      return finish();
    case tls::Handshake::State::refusing:
      return note_failure();
    case tls::Handshake::State::over:
      note_failure();
      return close();
  }
}

void TlsClient::finish() {
  leave();
  peer_.server_name = handshake_.session().server_name();
  bool is_http2 = handshake_.session().alpn() == "h2";
  auto transport = handshake_.secured();
  std::unique_ptr<Client> next;
  if (is_http2)
    next = std::make_unique<Http2Client>(context_, set_, std::move(transport), std::move(peer_));
  else
    next = std::make_unique<ClientConnection>(context_, set_, std::move(transport), std::move(peer_));
  set_.replace(*this, std::move(next), {});
}

void TlsClient::note_failure() {
  if (std::exchange(failed_, true)) return;
  base::log(base::Level::debug, "edge.tls_failed", {{"client", peer_.host}, {"error", handshake_.session().failure()}},
            "a TLS handshake failed");
  deadline_ = context_.loop.now() + tls::Handshake::refusing_time;
}

void TlsClient::on_sweep(net::Clock::time_point now) {
  if (now > deadline_) close();
}

void TlsClient::close() {
  if (left_) return;
  leave();
  handshake_.close();
  set_.remove(*this);
}

}  // namespace edge
