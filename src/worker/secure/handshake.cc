#include "worker/secure/handshake.h"

#include "base/log.h"
#include "worker/secure/port.h"
#include "worker/server.h"

namespace worker::secure {

Handshake::Handshake(Server& server, Port& port, base::Fd socket, Ends ends, std::unique_ptr<tls::Session> session)
    : server_(server),
      port_(port),
      handshake_(std::move(socket), std::move(session)),
      ends_(std::move(ends)),
      place_(port.begun(*this)),
      deadline_(server.loop().now() + server.options().tls_handshake_timeout) {}

Handshake::~Handshake() = default;

void Handshake::open(std::string_view) {
  server_.watch_deadline(deadline_);
  if (!server_.loop().add(handshake_.descriptor(), client_events, *this)) close();
}

void Handshake::on_ready(std::uint32_t epoll_events) {
  if (closed_) return;
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

void Handshake::finish() {
  closed_ = true;
  port_.ended(place_);
  server_.loop().remove(handshake_.descriptor(), *this);
  ends_.tls = port_.share(handshake_.session().facts());
  Protocol protocol = handshake_.session().alpn() == "h2" ? Protocol::http2 : Protocol::http1;
  server_.replace(*this, server_.make_client(handshake_.secured(), std::move(ends_), protocol), {});
}

void Handshake::note_failure() {
  if (std::exchange(failed_, true)) return;
  base::log(base::Level::debug, "tls.handshake_failed",
            {{"client", ends_.client.host}, {"error", handshake_.session().failure()}}, "a TLS handshake failed");
  deadline_ = server_.loop().now() + tls::Handshake::refusing_time;
  server_.watch_deadline(deadline_);
}

void Handshake::close() {
  if (closed_) return;
  closed_ = true;
  port_.ended(place_);
  server_.loop().remove(handshake_.descriptor(), *this);
  handshake_.close();
  server_.discard(*this);
}

}  // namespace worker::secure
