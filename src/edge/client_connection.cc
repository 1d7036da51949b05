#include "edge/client_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "edge/client_set.h"
#include "edge/dispatch.h"

namespace edge {
namespace {

using http::Event;
using std::chrono::milliseconds;

constexpr std::size_t kMostDiscarded = 256 << 10;  // of a body that nobody wants, before the connection is given up
constexpr std::size_t kMostLingered = 16 << 20;    // of what comes behind the last answer
constexpr std::size_t kSpareCapacity = 2 << 10;    // what a waiting connection may keep for its next answer
constexpr milliseconds kLingering{2000};           // until the client has read the last answer
constexpr milliseconds kDrainGrace{1000};          // for requests that are on their way to a draining edge
constexpr int kReadsPerTurn = 16;                  // of requests; then others get their turn

// Makes the close a reset, where nothing but the end of the connection tells the end of an answer.
void reset_when_closed(int socket) {
  linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);  // then the end looks like a good one
}

// How large a body may be is each app's own matter, see dispatch.
http::Limits limits_of_heads(http::Limits limits) {
  limits.body_bytes = std::numeric_limits<std::uint64_t>::max();
  return limits;
}

}  // namespace

ClientConnection::ClientConnection(Context& context, ClientSet& set, base::Fd socket, Peer peer)
    : context_(context),
      set_(set),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      codec_(limits_of_heads(context.options.limits), "serai"),
      output_(context.loop, socket_.get(), *this),
      since_(context.loop.now()) {}

ClientConnection::~ClientConnection() {
  if (socket_.is_open()) context_.loop.remove(socket_.get(), *this);
}

base::Result<std::unique_ptr<ClientConnection>> ClientConnection::open(Context& context, ClientSet& set,
                                                                       base::Fd socket, Peer peer) {
  std::unique_ptr<ClientConnection> connection(new ClientConnection(context, set, std::move(socket), std::move(peer)));
  auto added = context.loop.add(connection->socket_.get(), ClientOutput::kReading, *connection);
  if (!added) return std::unexpected(added.error());
  return connection;
}

// ---- reading ----

void ClientConnection::on_ready(std::uint32_t epoll_events) {
  if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) half_closed_ = true;
  if (epoll_events & (EPOLLHUP | EPOLLERR)) output_.break_off();
  if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (state_ == State::lingering) return discard();
  read();
  if (state_ == State::closed) return;
  if (output_.is_broken() || (half_closed_ && state_ == State::exchange && client_left())) return give_up();
  if (epoll_events & EPOLLOUT) {
    flush();
    settle();
  }
}

// Whether to ask the codec for the next event.
bool ClientConnection::wants_event() const {
  if (last_answer_ || output_.is_broken()) return false;
  if (state_ == State::waiting || state_ == State::head) return !output_.is_congested();
  if (state_ != State::exchange || body_ended_) return false;
  return !has_body_ || !exchange_ || exchange_->wants_body();
}

void ClientConnection::read() {
  auto& space = context_.client_bytes;
  for (int reads = 0; readable_ && !processing_ && wants_event(); reads++) {
    if (reads >= kReadsPerTurn && state_ != State::exchange) return wrote();  // goes on when that is settled
    ssize_t count = ::recv(socket_.get(), space.data(), space.size(), 0);
    if (count > 0) {
      last_read_ = context_.loop.now();
      // A short read emptied the socket; more will be announced. The end of the stream is not announced again.
      if (static_cast<std::size_t>(count) < space.size() && !half_closed_) readable_ = false;
      process({space.data(), static_cast<std::size_t>(count)});
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && errno == EAGAIN) {
      readable_ = false;
    } else {
      readable_ = false;
      if (count < 0) output_.break_off();
      return on_client_end();
    }
  }
}

void ClientConnection::process(std::string_view bytes) {
  if (processing_) return;
  bool direct = input_.empty();
  if (!direct) save_input(bytes);
  std::string_view rest = direct ? bytes : input_.view();
  processing_ = true;
  while (wants_event()) {
    auto event = codec_.next(rest);
    rest.remove_prefix(event.consumed);
    if (!direct) input_.consume(event.consumed);
    if (!handle(event)) break;
  }
  processing_ = false;
  if (direct) save_input(rest);
  if (state_ == State::waiting && !rest.empty()) {
    state_ = State::head;
    since_ = context_.loop.now();
  }
  input_.release_if_empty();
}

void ClientConnection::save_input(std::string_view rest) {
  if (rest.empty()) return;
  std::memcpy(input_.space(rest.size()).data(), rest.data(), rest.size());
  input_.commit(rest.size());
}

// Whether to ask for more.
bool ClientConnection::handle(const Event& event) {
  switch (event.kind) {
    case Event::Kind::head:
      on_head();
      return true;
    case Event::Kind::body:
      record_.bytes_in += event.body.size();
      if (exchange_)
        exchange_->on_body(event.body);
      else
        discard_body(event.body.size());
      return true;
    case Event::Kind::end:
      on_body_end();
      return true;
    case Event::Kind::failed:
      on_problem(codec_.problem());
      return false;
    case Event::Kind::need_input:
    case Event::Kind::interim:
    case Event::Kind::closed:
      return false;
  }
  return false;
}

void ClientConnection::discard_body(std::size_t bytes) {
  discarded_ += bytes;
  if (discarded_ <= kMostDiscarded) return;
  last_answer_ = true;
  wrote();
}

void ClientConnection::on_head() {
  const auto& head = codec_.head();
  state_ = State::exchange;
  since_ = last_read_ = context_.loop.now();
  first_request_ = false;
  has_body_ = head.has_body();
  body_ended_ = false;
  body_wanted_for_ = milliseconds(0);
  discarded_ = 0;
  record_.begin(context_, &head, peer_.host);
  if (context_.draining) codec_.announce_close();
  dispatch(*this, head, exchange_);
}

void ClientConnection::on_body_end() {
  body_ended_ = true;
  if (exchange_)
    exchange_->on_body_end();
  else if (state_ == State::exchange)
    begin_waiting();
}

void ClientConnection::on_problem(const http::Problem& problem) {
  if (!record_.is_begun()) {
    if (state_ == State::exchange) {  // the rest of a body that nobody wanted
      last_answer_ = true;
      return wrote();
    }
    record_.begin(context_, nullptr, peer_.host);
    codec_.begin_error_answer();
    state_ = State::exchange;
    has_body_ = body_ended_ = false;
  }
  if (codec_.response().head_is_finished()) return abort();
  codec_.announce_close();
  answer(Trouble::bad_request, problem.status, problem.reason);
}

// ---- answering ----

void ClientConnection::answer(Trouble trouble, int status, std::string_view reason) {
  auto page = make_error_page(trouble, record_.accept(), view(record_.id), status, reason);
  end_exchange();
  const auto& head = codec_.head();
  bool long_body = head.framing == http::Framing::chunked || head.content_length > kMostDiscarded;
  if (has_body_ && !body_ended_ && (long_body || head.expect_continue)) codec_.announce_close();
  auto& out = output_.bytes();
  if (!codec_.start(0, page.status, out)) return abort();
  // Our own fields and lengths: these calls cannot be refused.
  (void)codec_.field(0, "content-type", page.content_type, out);
  (void)codec_.field(0, "cache-control", "no-store", out);
  (void)codec_.field(0, "x-request-id", view(record_.id), out);
  if (page.retry_after_seconds) (void)codec_.field(0, "retry-after", std::to_string(page.retry_after_seconds), out);
  (void)codec_.finish_head(0, page.body.size(), out);
  (void)codec_.body(0, page.body, out);
  (void)codec_.end(0, out);
  record_.status = page.status;
  record_.bytes_out = codec_.response().body_bytes();
  finish();
}

// The exchange's functions may be running.
void ClientConnection::end_exchange() {
  if (!exchange_) return;
  auto exchange = std::move(exchange_);
  exchange->on_cut();
  context_.bury(std::move(exchange));
}

void ClientConnection::finish() {
  record_.finish(context_);
  context_.bury(std::move(exchange_));
  if (!codec_.keep_alive()) last_answer_ = true;
  output_.forget_wanted_room();
  wrote();
  if (body_ended_) begin_waiting();
  if (!processing_) continue_reading();
}

void ClientConnection::begin_waiting() {
  state_ = State::waiting;
  since_ = context_.loop.now();
  if (!input_.empty()) state_ = State::head;
}

void ClientConnection::continue_reading() {
  if (processing_ || state_ == State::closed || state_ == State::lingering) return;
  if (!input_.empty() || !body_ended_) process({});
  read();
}

void ClientConnection::abort() {
  end_exchange();
  record_.bytes_out = codec_.response().body_bytes();
  record_.finish(context_);
  if (codec_.head().minor_version == 0) reset_when_closed(socket_.get());
  output_.break_off();
  wrote();  // closes at the end of the turn, when none of our functions runs
}

std::unique_ptr<UpstreamConnection> ClientConnection::take_private_upstream(const UpstreamPool& pool) {
  if (!private_upstream_) return nullptr;
  auto connection = std::move(private_upstream_);
  if (private_pool_.get() == &pool && !pool.is_retired() && connection->is_quiet()) return connection;
  context_.bury(std::move(connection));
  return nullptr;
}

void ClientConnection::keep_private_upstream(std::shared_ptr<UpstreamPool> pool,
                                             std::unique_ptr<UpstreamConnection> connection) {
  if (pool->is_retired() || !connection->is_reusable()) return context_.bury(std::move(connection));
  connection->rest(nullptr);
  private_upstream_ = std::move(connection);
  private_pool_ = std::move(pool);
}

// ---- writing ----

bool ClientConnection::flush(ClientOutput::More more) {
  bool all = output_.flush(more);
  if (output_.is_broken()) wrote();  // noticed at the end of the turn, when no exchange's function runs
  return all;
}

void ClientConnection::write_through(std::string_view bytes) {
  output_.write_through(bytes);
  if (output_.is_broken()) wrote();
}

void ClientConnection::at_end_of_turn() {
  if (state_ == State::closed) return;
  flush();
  settle();
}

// What follows from how far the output has come.
void ClientConnection::settle() {
  if (output_.take_wanted_room() && exchange_) exchange_->on_drained();
  if (state_ == State::closed || state_ == State::lingering) return;
  if (output_.is_broken()) return give_up();
  if (!output_.is_empty()) return;
  if (last_answer_ && !exchange_) return begin_lingering();
  if (state_ == State::waiting) output_.shrink(kSpareCapacity);
  if (state_ == State::waiting || state_ == State::head) continue_reading();
}

// ---- ending ----

// The client closed its side while we work for it. One that asked for a last answer may wait for it; one that sent
// more requests ahead certainly does.
bool ClientConnection::client_left() const {
  if (!body_ended_ || !codec_.head().keep_alive || !input_.empty()) return false;
  char byte;
  return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

// The client sends no more. What has been answered goes out first; what it began is nothing without its end.
void ClientConnection::on_client_end() {
  if (output_.is_broken() || exchange_) return give_up();
  last_answer_ = true;
  settle();
}

// Nobody reads any more, or the stream ended where it must not.
void ClientConnection::give_up() {
  if (record_.is_begun()) {
    record_.aborted = true;
    end_exchange();
    record_.finish(context_);
  }
  close();
}

// Closing a socket with unread bytes resets it, and the client may lose our answer. So the client is told that nothing
// more comes, and given time to close first (RFC 9112 section 9.6).
void ClientConnection::begin_lingering() {
  if (body_ended_ && input_.empty() && !readable_) return close();
  state_ = State::lingering;
  since_ = context_.loop.now();
  discarded_ = 0;
  ::shutdown(socket_.get(), SHUT_WR);
  discard();
}

void ClientConnection::discard() {
  auto& space = context_.client_bytes;
  for (;;) {
    ssize_t count = ::recv(socket_.get(), space.data(), space.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count > 0) discarded_ += static_cast<std::size_t>(count);
    if (count <= 0 || discarded_ > kMostLingered) return close();
  }
}

void ClientConnection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  end_exchange();
  record_.finish(context_);
  context_.bury(std::move(private_upstream_));
  context_.loop.remove(socket_.get(), *this);
  socket_.close();
  set_.remove(*this);
}

// ---- deadlines ----

void ClientConnection::on_sweep(net::Clock::time_point now) {
  const auto& timeouts = context_.options.timeouts;
  bool between = state_ == State::waiting || state_ == State::head;
  if (between && !output_.is_empty()) {  // the last answer is still on its way: nothing else is due yet
    since_ = now;
    if (output_.is_blocked() && now - output_.last_progress() > timeouts.write) close();
    return;
  }
  auto passed = now - since_;
  switch (state_) {
    case State::waiting:
      if (passed > (first_request_ ? timeouts.head : timeouts.keep_alive)) return close();
      if (context_.draining && passed > kDrainGrace && now - context_.draining_since > kDrainGrace) return close();
      if (private_upstream_ && now - private_upstream_->idle_since() > timeouts.own_server_idle) {
        context_.bury(std::move(private_upstream_));
      }
      return;
    case State::head:
      if (passed > timeouts.head) on_problem({408, "The request did not arrive in time."});
      return;
    case State::exchange:
      return sweep_exchange(now);
    case State::lingering:
      if (passed > kLingering) close();
      return;
    case State::closed:
      return;
  }
}

void ClientConnection::sweep_exchange(net::Clock::time_point now) {
  const auto& timeouts = context_.options.timeouts;
  if (output_.is_blocked() && now - output_.last_progress() > timeouts.write) return give_up();
  if (!body_ended_ && has_body_ && wants_event()) {
    body_wanted_for_ += timeouts.sweep;
    auto due = timeouts.body_bytes_per_second * static_cast<std::uint64_t>(body_wanted_for_.count()) / 1000;
    bool too_slow = body_wanted_for_ > timeouts.body_gap && record_.bytes_in < due;
    if (now - last_read_ > timeouts.body_gap || too_slow)
      return on_problem({408, "The request's body came too slowly."});
  }
  if (exchange_) exchange_->on_sweep(now);
}

}  // namespace edge
