#include "compare/load_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "net/address.h"

namespace compare {
namespace {

using http::Event;

constexpr http::Limits kLimits{.head_bytes = 64 << 10,
                               .headers = 256,
                               .body_bytes = std::numeric_limits<std::uint64_t>::max(),
                               .underscores = http::Underscores::keep};
constexpr std::size_t kReadSize = 64 << 10;

}  // namespace

base::Result<void> LoadConnection::open() {
  if (socket_.is_open()) return {};
  auto socket = endpoint_.connect();
  if (!socket) return std::unexpected(socket.error());
  socket_ = std::move(*socket);
  codec_ = http::h1::ClientCodec(kLimits);
  input_ = {};
  connecting_ = true;  // of a Unix socket it is over, which its first event tells
  auto added = loop_.add(socket_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *this);
  if (!added) socket_.close();
  if (std::exchange(was_open_, true)) owner_.on_reconnect();
  return added;
}

void LoadConnection::ask(const http::OutgoingRequest& request, std::string_view body) {
  asking_ = true;
  body_bytes_ = 0;
  body_digest_ = kFirstDigest;
  output_.clear();
  sent_bytes_ = 0;
  auto opened = open();
  auto written = codec_.send_head(request, output_);
  if (opened && written && !body.empty()) (void)codec_.send_body(*written, body, output_);
  if (opened && written) (void)codec_.send_end(*written, output_);
  if (!opened || !written) {
    auto reason = opened ? written.error().describe() : opened.error().describe();
    loop_.post([this, reason] { fail(reason); });
    return;
  }
  if (!connecting_) send();
}

void LoadConnection::on_ready(std::uint32_t epoll_events) {
  if (connecting_ && !finish_connecting()) return;
  if (epoll_events & EPOLLOUT) send();
  const bool has_ended = epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if (has_ended || epoll_events & EPOLLIN) read(has_ended);
}

bool LoadConnection::finish_connecting() {
  connecting_ = false;
  int error = net::socket_error(socket_.get());
  if (error != 0) fail(std::string("connect: ") + std::strerror(error));
  return error == 0;
}

// A failed write is told by what is read: the answer may have come before.
void LoadConnection::send() {
  while (sent_bytes_ < output_.size()) {
    auto count =
        ::send(socket_.get(), output_.data() + sent_bytes_, output_.size() - sent_bytes_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return;
    sent_bytes_ += static_cast<std::size_t>(count);
  }
}

// `has_ended`: behind what is there comes the end, which no further event tells.
void LoadConnection::read(bool has_ended) {
  while (is_connected()) {
    auto room = input_.space(kReadSize);
    auto count = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return fail(std::string("connection: ") + std::strerror(errno));
    if (count == 0) return on_end_of_input();
    input_.commit(static_cast<std::size_t>(count));
    if (!process()) return;
    if (!has_ended && static_cast<std::size_t>(count) < room.size()) return;
  }
}

// Bytes that answer nothing are refused by the codec. False when the connection is over.
bool LoadConnection::process() {
  while (asking_ || !input_.empty()) {
    auto event = codec_.next(input_.view());
    if (!handle(event)) return false;
    if (event.kind == Event::Kind::need_input) break;
  }
  return true;
}

bool LoadConnection::handle(const Event& event) {
  input_.consume(event.consumed);
  switch (event.kind) {
    case Event::Kind::body:
      body_bytes_ += event.body.size();
      for (unsigned char byte : event.body) body_digest_ = (body_digest_ ^ byte) * 1099511628211ULL;
      return true;
    case Event::Kind::end:
      end_answer();
      return is_connected();
    case Event::Kind::failed:
      fail(std::string(codec_.problem().reason));
      return false;
    default:
      return true;
  }
}

void LoadConnection::on_end_of_input() {
  if (!asking_) return close();
  auto event = codec_.end_of_input();
  if (event.kind == Event::Kind::end) return end_answer();
  fail(std::string(codec_.problem().reason));
}

void LoadConnection::end_answer() {
  asking_ = false;
  int status = codec_.head().status;
  if (!codec_.reusable()) close();
  owner_.on_answer(*this, status, body_bytes_);
}

void LoadConnection::fail(std::string reason) {
  close();
  trouble_ = std::move(reason);
  if (std::exchange(asking_, false)) owner_.on_failure(*this, trouble_);
}

void LoadConnection::close() {
  connecting_ = false;
  if (!socket_.is_open()) return;
  loop_.remove(socket_.get(), *this);
  socket_.close();
}

}  // namespace compare
