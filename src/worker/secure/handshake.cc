#include "worker/secure/handshake.h"

#include <array>

#include "base/log.h"
#include "worker/secure/layer.h"
#include "worker/secure/port.h"
#include "worker/server.h"

namespace worker::secure {
namespace {

constexpr std::string_view refusal =
    "HTTP/1.1 400 Bad Request\r\n"
    "content-type: text/plain; charset=utf-8\r\n"
    "content-length: 60\r\n"
    "connection: close\r\n"
    "\r\n"
    "This port speaks HTTPS: begin the address with \"https://\".\r\n";
constexpr auto linger_time = std::chrono::seconds(2);
constexpr std::size_t most_dropped = 64 * 1024;

}  // namespace

Handshake::Handshake(Server& server, Port& port, base::Fd socket, Ends ends, std::unique_ptr<tls::Session> session)
    : server_(server),
      port_(port),
      transport_(std::move(socket)),
      ends_(std::move(ends)),
      session_(std::move(session)),
      place_(port.begun(*this)),
      deadline_(server.loop().now() + server.options().tls_handshake_timeout) {}

Handshake::~Handshake() = default;

void Handshake::open(std::string_view) {
  server_.watch_deadline(deadline_);
  if (!server_.loop().add(transport_.descriptor(), client_events, *this)) close();
}

void Handshake::on_ready(std::uint32_t epoll_events) {
  if (closed_) return;
  if (epoll_events & (EPOLLERR | EPOLLHUP)) return close();
  if (refusing_) return drop_input();
  switch (session_->handshake()) {
    case tls::Progress::wants_read:
    case tls::Progress::wants_write:
      return;
    case tls::Progress::done:
      return finish();
    case tls::Progress::ended:
    case tls::Progress::failed:
      break;
  }
  base::log(base::Level::debug, "tls.handshake_failed", {{"client", ends_.client.host}, {"error", session_->failure()}},
            "a TLS handshake failed");
  session_->met_plain_http() ? refuse() : close();
}

void Handshake::finish() {
  closed_ = true;
  port_.ended(place_);
  server_.loop().remove(transport_.descriptor(), *this);
  ends_.tls = port_.share(session_->facts());
  Protocol protocol = session_->alpn() == "h2" ? Protocol::http2 : Protocol::http1;
  Transport secured(transport_.release(), std::make_unique<Layer>(std::move(session_)));
  server_.replace(*this, server_.make_client(std::move(secured), std::move(ends_), protocol), {});
}

void Handshake::refuse() {
  refusing_ = true;
  deadline_ = server_.loop().now() + linger_time;
  server_.watch_deadline(deadline_);
  if (transport_.send(refusal) < 0 || !transport_.end_sending()) return close();
  drop_input();
}

void Handshake::drop_input() {
  std::array<char, 4096> ignored;
  ssize_t count = 0;
  while ((count = transport_.receive(ignored)) > 0 && dropped_ < most_dropped)
    dropped_ += static_cast<std::size_t>(count);
  if (count >= 0 || !would_block()) close();
}

void Handshake::close() {
  if (closed_) return;
  closed_ = true;
  port_.ended(place_);
  server_.loop().remove(transport_.descriptor(), *this);
  session_.reset();
  transport_.close();
  server_.discard(*this);
}

}  // namespace worker::secure
