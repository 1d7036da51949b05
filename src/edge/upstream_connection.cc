#include "edge/upstream_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/memory.h"
#include "edge/upstream_pool.h"
#include "net/address.h"

namespace edge {
namespace {

using http::Event;

constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::size_t kSpareCapacity = 8 << 10;  // what an idle connection may keep for its next request
constexpr std::size_t kTunnelSpare = 16 << 10;   // what a silent tunnel may keep for its next message

// RFC 9110 section 9.2.1: does no harm, however often it arrives.
bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

// An app is not a stranger: its heads may be larger and its answers as long as it likes.
constexpr http::Limits kAnswerLimits{.head_bytes = 64 << 10,
                                     .headers = 256,
                                     .body_bytes = std::numeric_limits<std::uint64_t>::max(),
                                     .underscores = http::Underscores::keep};

}  // namespace

UpstreamConnection::UpstreamConnection(Context& context) : context_(context), codec_(kAnswerLimits) {}
UpstreamConnection::~UpstreamConnection() { close_socket(); }

void UpstreamConnection::close_socket() {
  if (!socket_.is_open()) return;
  context_.loop.remove(socket_.get(), *this);
  socket_.close();
}

base::Result<void> UpstreamConnection::start(const http::OutgoingRequest& request, Receiver& receiver) {
  receiver_ = &receiver;
  output_.clear();
  sent_ = 0;
  touched_ = answered_ = write_broken_ = reusable_ = paused_ = is_tunnel_ = end_when_sent_ = false;
  has_body_ = request.framing != http::Framing::none;
  safe_ = is_safe(request.method);
  auto written = codec_.send_head(request, output_);
  if (!written) return std::unexpected(written.error());
  context_.loop.defer(*this);
  return {};
}

base::Result<void> UpstreamConnection::send_body(std::string_view bytes) {
  if (write_broken_) return {};
  context_.loop.defer(*this);
  if (!is_tunnel_) return codec_.send_body(0, bytes, output_);
  output_ += bytes;
  return {};
}

base::Result<void> UpstreamConnection::send_end() {
  if (write_broken_) return {};
  context_.loop.defer(*this);
  if (!is_tunnel_) return codec_.send_end(0, output_);
  end_when_sent_ = true;
  return {};
}

base::Result<void> UpstreamConnection::connect(const net::Endpoint& endpoint) {
  close_socket();
  auto socket = endpoint.connect();
  if (!socket) return std::unexpected(socket.error());
  socket_ = std::move(*socket);
  sent_ = 0;
  is_unix_ = endpoint.is_unix();
  connecting_ = watching_writes_ = !is_unix_;
  touched_ = reused_ = readable_ = ended_by_peer_ = false;
  auto added = context_.loop.add(socket_.get(), connecting_ ? kReading | EPOLLOUT : kReading, *this);
  if (!added) {
    socket_.close();
    return added;
  }
  context_.loop.defer(*this);
  return {};
}

void UpstreamConnection::rest(UpstreamPool* pool) {
  pool_ = pool;
  idle_since_ = context_.loop.now();
  reused_ = true;
  base::give_back(output_, kSpareCapacity);
  input_.release_if_empty();
}

// A Unix socket tells a departed peer when we write, before it takes a byte; TCP does not, so it is asked.
bool UpstreamConnection::is_quiet() const {
  if (!socket_.is_open() || readable_ || ended_by_peer_) return false;
  if (is_unix_) return true;
  char byte;
  return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void UpstreamConnection::on_ready(std::uint32_t epoll_events) {
  if (connecting_) return finish_connecting();
  if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    readable_ = true;
    if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ended_by_peer_ = true;
    if (!receiver_) {
      leave_pool();
    } else if (!touched_) {
      // It left, or talked out of turn, in the very turn in which it was taken: what came answers nothing of ours.
      return fail("the app closed the connection before the request was sent", true);
    } else {
      read();
    }
  }
  if (epoll_events & EPOLLOUT) flush();
}

// Nothing is due from an idle app: it leaves, or talks out of turn.
void UpstreamConnection::leave_pool() {
  close_socket();
  if (pool_) pool_->drop(*this);
}

void UpstreamConnection::finish_connecting() {
  connecting_ = false;
  if (int error = net::socket_error(socket_.get())) {
    return fail(fmt::format("connect: {}", std::strerror(error)), true);
  }
  watch_writes(false);
  flush();
  if (receiver_ && is_open()) receiver_->on_upstream_open();
}

void UpstreamConnection::give_up_connecting() { fail("connect: no answer in time", true); }

void UpstreamConnection::watch_writes(bool on) {
  if (watching_writes_ == on || !socket_.is_open()) return;
  watching_writes_ = on;
  (void)context_.loop.modify(socket_.get(), on ? kReading | EPOLLOUT : kReading,
                             *this);  // a known descriptor: cannot fail
}

void UpstreamConnection::flush() {
  if (!is_open() || write_broken_) return;
  if (sent_ == output_.size()) return end_if_sent();
  ssize_t count = ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
  if (count < 0 && errno != EAGAIN && errno != EINTR) return write_failed(errno);
  bool was_congested = is_congested();
  if (count > 0) {
    touched_ = true;
    sent_ += static_cast<std::size_t>(count);
  }
  watch_writes(sent_ < output_.size());
  end_if_sent();
  if (has_body_ && (sent_ == output_.size() || sent_ > kHighWater)) {
    output_.erase(0, sent_);  // a request with a body is not sent twice
    sent_ = 0;
    if (is_tunnel_ && output_.empty()) base::give_back(output_, kTunnelSpare);
  }
  if (was_congested && !is_congested() && receiver_) receiver_->on_upstream_writable();
}

void UpstreamConnection::end_if_sent() {
  if (sent_ == output_.size() && std::exchange(end_when_sent_, false)) ::shutdown(socket_.get(), SHUT_WR);
}

void UpstreamConnection::write_failed(int error) {
  if (!touched_ && !answered_) return fail(fmt::format("write: {}", std::strerror(error)), true);
  write_broken_ = true;
  output_.clear();
  sent_ = 0;
  watch_writes(false);
  if (receiver_) receiver_->on_upstream_writable();  // the rest of the body is taken and dropped
}

void UpstreamConnection::resume() {
  if (!paused_) return;
  paused_ = false;
  if (in_read_ || !receiver_) return;
  in_read_ = true;
  process({});
  in_read_ = false;
  if (readable_) read();
}

void UpstreamConnection::read() {
  if (in_read_) return;
  in_read_ = true;
  auto& space = context_.upstream_bytes;
  while (readable_ && !paused_ && receiver_ && socket_.is_open()) {
    ssize_t count = ::recv(socket_.get(), space.data(), space.size(), 0);
    if (count > 0) {
      answered_ = true;
      // A short read emptied the socket; more will be announced. The end of the stream is not announced again.
      if (static_cast<std::size_t>(count) < space.size() && !ended_by_peer_) readable_ = false;
      process({space.data(), static_cast<std::size_t>(count)});
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && errno == EAGAIN) {
      readable_ = false;
    } else {
      readable_ = false;
      read_failed(count < 0 ? errno : 0);
    }
  }
  in_read_ = false;
}

// `error` 0: the end of the stream.
void UpstreamConnection::read_failed(int error) {
  ended_by_peer_ = true;
  if (is_tunnel_) {  // reset or not: what it had to say has been said
    if (error) write_broken_ = true;
    return receiver_->on_response_end();
  }
  if (error == 0 && answered_) {
    auto event = codec_.end_of_input();
    if (event.kind == Event::Kind::end) {
      handle(event, true);
      return;
    }
  }
  if (answered_) return fail("the app broke off its answer", false);
  // A Unix socket is reset when its peer leaves bytes unread. Of a request without a body that means: its head was not
  // read to the end, so nothing of it was done. Other transports cannot tell; there a request that does no harm is
  // repeated, when the connection was an old one (RFC 9110 section 9.2.2).
  bool is_kept = !has_body_ && !write_broken_;  // whole, in our buffer
  bool unread = is_unix_ && error == ECONNRESET && is_kept;
  bool stale = !is_unix_ && reused_ && safe_ && is_kept;
  fail(error ? fmt::format("read: {}", std::strerror(error)) : "the app closed the connection without an answer",
       unread || stale);
}

void UpstreamConnection::process(std::string_view bytes) {
  bool ours = input_.empty();
  if (!ours && !bytes.empty()) {
    auto space = input_.space(bytes.size());
    std::memcpy(space.data(), bytes.data(), bytes.size());
    input_.commit(bytes.size());
  }
  std::string_view rest = ours ? bytes : input_.view();
  while (receiver_ && !paused_) {
    if (is_tunnel_) [[unlikely]] {
      if (!rest.empty()) receiver_->on_response_body(rest);
      if (!ours) input_.consume(rest.size());
      rest = {};
      break;
    }
    auto event = codec_.next(rest);
    rest.remove_prefix(event.consumed);
    if (!ours) input_.consume(event.consumed);
    if (!handle(event, rest.empty())) break;
  }
  if (ours && !rest.empty() && receiver_) {
    auto space = input_.space(rest.size());
    std::memcpy(space.data(), rest.data(), rest.size());
    input_.commit(rest.size());
  }
  input_.release_if_empty();
}

// Whether to ask the codec for more. `is_last`: no bytes are left behind this event.
bool UpstreamConnection::handle(const Event& event, bool is_last) {
  switch (event.kind) {
    case Event::Kind::need_input:
      return false;
    case Event::Kind::interim:
      receiver_->on_interim(codec_.head());
      return true;
    case Event::Kind::head:
      if (codec_.head().status == 101) is_tunnel_ = has_body_ = true;
      receiver_->on_response_head(codec_.head());
      return true;
    case Event::Kind::body:
      receiver_->on_response_body(event.body);
      return true;
    case Event::Kind::end: {
      if (!codec_.trailers().empty()) receiver_->on_response_trailers(codec_.trailers());
      reusable_ = is_last && !ended_by_peer_ && !write_broken_ && sent_ == output_.size() && codec_.reusable();
      std::exchange(receiver_, nullptr)->on_response_end();
      return false;
    }
    case Event::Kind::closed:
      return false;
    case Event::Kind::failed:
      fail(std::string(codec_.problem().reason), false);
      return false;
  }
  return false;
}

void UpstreamConnection::fail(std::string reason, bool retry) {
  close_socket();
  auto* receiver = retry ? receiver_ : std::exchange(receiver_, nullptr);
  if (receiver) receiver->on_upstream_failed({std::move(reason), retry});
}

void UpstreamConnection::abandon() {
  receiver_ = nullptr;
  close_socket();
}

}  // namespace edge
