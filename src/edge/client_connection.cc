#include "edge/client_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "edge/client_set.h"
#include "edge/dispatch.h"
#include "edge/http2_client.h"

namespace edge {
namespace {

using http::Event;
using std::chrono::milliseconds;

constexpr std::size_t kMostDiscarded = 256 << 10;  // of a body that nobody wants, before the connection is given up
constexpr std::size_t kMostLingered = 16 << 20;    // of what comes behind the last answer
constexpr std::size_t kSpareCapacity = 2 << 10;    // what a waiting connection may keep for its next answer
constexpr std::size_t kTunnelSpare = 16 << 10;     // what a silent tunnel may keep for its next message
constexpr milliseconds kLingering{2000};           // until the client has read the last answer
constexpr milliseconds kDrainGrace{1000};          // for requests that are on their way to a draining edge
constexpr int kReadsPerTurn = 16;                  // of requests; then others get their turn
constexpr std::size_t kCopyBelow = 8 << 10;        // smaller pieces of an answer are gathered until the end of the turn
constexpr std::uint64_t kFilePerTurn = 1 << 20;    // then others get their turn

// How large a body may be is each app's own matter, see dispatch.
http::Limits limits_of_heads(http::Limits limits) {
  limits.body_bytes = std::numeric_limits<std::uint64_t>::max();
  return limits;
}

}  // namespace

ClientConnection::ClientConnection(Context& context, ClientSet& set, net::Transport transport, Peer peer)
    : Stream(context, peer_),
      context_(context),
      set_(set),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      codec_(limits_of_heads(context.options.limits), "serai"),
      output_(context.loop, transport_, *this),
      private_upstreams_(context),
      since_(context.loop.now()) {}

ClientConnection::~ClientConnection() {
  if (transport_.is_open()) context_.loop.remove(transport_.descriptor(), *this);
}

void ClientConnection::open(std::string_view) {
  if (!context_.loop.add(transport_.descriptor(), output_.events(), *this)) return close();
  if (!transport_.layer()) return;  // the loop will tell
  readable_ = true;                 // a layer may hold what came with its handshake
  read();
}

// ---- reading ----

void ClientConnection::on_ready(std::uint32_t epoll_events) {
  if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) half_closed_ = true;
  if (epoll_events & (EPOLLHUP | EPOLLERR)) output_.break_off();
  if (epoll_events & (transport_.read_events() | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
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
    ssize_t count = transport_.receive(space);
    if (count > 0) {
      last_read_ = context_.loop.now();
      // A short read emptied the socket; more will be announced. The end of the stream is not announced again.
      auto got = static_cast<std::size_t>(count);
      if (!transport_.may_hold_more(got, space.size()) && !half_closed_) readable_ = false;
      process({space.data(), got});
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
  if (is_tunnel_) return process_tunnel(bytes);
  if (first_request_ && !transport_.layer() && is_for_http2(bytes)) return;
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

// Whether the first bytes are those of HTTP/2 without TLS ("prior knowledge", RFC 9113 section 3.3), or may become
// such.
bool ClientConnection::is_for_http2(std::string_view bytes) {
  using http::h2::Preface;
  if (http::h2::look_for_preface(input_.empty() ? bytes : input_.view()) == Preface::not_h2) return false;
  save_input(bytes);
  if (state_ == State::waiting) {
    state_ = State::head;
    since_ = context_.loop.now();
  }
  auto seen = http::h2::look_for_preface(input_.view());
  if (seen == Preface::h2) become_http2();
  if (seen == Preface::not_h2) process({});
  return true;
}

void ClientConnection::become_http2() {
  state_ = State::closed;
  context_.loop.remove(transport_.descriptor(), *this);
  set_.replace(*this, std::make_unique<Http2Client>(context_, set_, std::move(transport_), std::move(peer_)),
               input_.view());
}

// What came with the handshake goes first.
void ClientConnection::process_tunnel(std::string_view bytes) {
  processing_ = true;
  for (auto piece : {input_.view(), bytes}) {
    record().bytes_in += piece.size();
    if (exchange_ && !piece.empty()) exchange_->on_body(piece);
  }
  input_.consume(input_.size());
  input_.release_if_empty();
  processing_ = false;
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
      record().bytes_in += event.body.size();
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
  record().begin(context_, &head, peer_.host);
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
  if (!record().is_begun()) {
    if (state_ == State::exchange) {  // the rest of a body that nobody wanted
      last_answer_ = true;
      return wrote();
    }
    record().begin(context_, nullptr, peer_.host);
    codec_.begin_error_answer();
    state_ = State::exchange;
    has_body_ = body_ended_ = false;
  }
  if (codec_.response().head_is_finished()) return abort();
  codec_.announce_close();
  answer(Trouble::bad_request, problem.status, problem.reason);
}

// ---- answering ----

void ClientConnection::begin_own_answer() {
  end_exchange();
  const auto& head = codec_.head();
  bool long_body = head.framing == http::Framing::chunked || head.content_length > kMostDiscarded;
  if (has_body_ && !body_ended_ && (long_body || head.expect_continue)) codec_.announce_close();
}

void ClientConnection::send_continue() {
  codec_.write_continue(0, output_.bytes());
  wrote();
}

// A refusal leaves the output as it was.
void ClientConnection::inform(const AnswerHead& head) {
  (void)codec_.inform(head.status, fields_to_pass(head), output_.bytes());
  wrote();
}

void ClientConnection::pass_trailers(std::span<const http::Header> fields) {
  for (const auto& field : fields) (void)codec_.trailer(field);
}

base::Result<void> ClientConnection::pass_head(const AnswerHead& head) {
  auto& out = output_.bytes();
  auto before = out.size();
  auto done = codec_.start(0, head.status, out);
  for (const auto& field : head.fields) {
    if (!done) break;
    if (!http::is_hop_by_hop(field, head.fields, head.nominates)) done = codec_.field(field, out);
  }
  if (done) done = codec_.finish_head(0, head.length, out);
  if (!done) {
    out.resize(before);
    if (!head_is_finished()) codec_.restart_answer();
  }
  wrote();
  return done;
}

base::Result<void> ClientConnection::pass_body(std::string_view bytes) {
  if (is_tunnel_) {
    record().bytes_out += bytes.size();
    write(bytes);
    wrote();
    return {};
  }
  auto begun = codec_.begin_bytes(0, bytes.size(), output_.bytes());
  if (!begun) return std::unexpected(std::move(begun.error()));
  if (*begun) {
    write(bytes);
    codec_.end_bytes(0, output_.bytes());
  }
  wrote();
  return {};
}

base::Result<void> ClientConnection::end() {
  if (!is_tunnel_) return codec_.end(0, output_.bytes());
  end_when_sent_ = true;
  wrote();
  return {};
}

base::Result<void> ClientConnection::open_tunnel(const AnswerHead& head) {
  auto done = codec_.switch_protocols("websocket", fields_to_pass(head), output_.bytes());
  if (!done) return done;
  is_tunnel_ = has_body_ = true;
  body_ended_ = false;
  wrote();
  return {};
}

// The exchange's functions may be running.
void ClientConnection::end_exchange() {
  if (!exchange_) return;
  auto exchange = std::move(exchange_);
  exchange->on_cut();
  context_.bury(std::move(exchange));
  file_.file.close();
}

void ClientConnection::finish() {
  end_record();
  context_.bury(std::move(exchange_));
  if (!codec_.keep_alive()) last_answer_ = true;
  output_.forget_wanted_room();
  wrote();
  if (body_ended_) begin_waiting();
  if (!processing_) continue_reading();
}

void ClientConnection::end_record() {
  if (!is_tunnel_) record().bytes_out = codec_.response().body_bytes();
  record().finish(context_);
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
  end_record();
  if (codec_.head().minor_version == 0) transport_.break_off();  // nothing but the end tells that it is one
  output_.break_off();
  wrote();  // closes at the end of the turn, when none of our functions runs
}

// ---- writing ----

bool ClientConnection::flush(ClientOutput::More more) {
  bool all = output_.flush(more);
  if (output_.is_broken()) wrote();  // noticed at the end of the turn, when no exchange's function runs
  return all;
}

void ClientConnection::write(std::string_view bytes) {
  if (bytes.size() < kCopyBelow)
    output_.bytes() += bytes;
  else
    output_.write_through(bytes);
}

void ClientConnection::pass_file(base::Fd file, std::uint64_t offset, std::uint64_t length) {
  auto wanted = codec_.begin_bytes(0, length, output_.bytes());
  if (!wanted) return abort();
  file_ = {std::move(file), offset, *wanted ? length : 0};
  send_file();
}

void ClientConnection::send_file() {
  if (file_.length > 0) {
    if (!flush(ClientOutput::More::follows)) return want_room();
    ssize_t count = transport_.send_file(file_.file.get(), file_.offset, std::min(file_.length, kFilePerTurn));
    if (count == 0 || (count < 0 && !net::would_block())) return abort();  // 0: it has become shorter
    if (count > 0) {
      file_.offset += static_cast<std::uint64_t>(count);
      file_.length -= static_cast<std::uint64_t>(count);
      output_.note_progress();
    }
    if (file_.length > 0) return want_room();
  }
  file_.file.close();
  codec_.end_bytes(0, output_.bytes());
  end() ? finish() : abort();
}

void ClientConnection::at_end_of_turn() {
  if (state_ == State::closed) return;
  flush();
  settle();
}

// What follows from how far the output has come.
void ClientConnection::settle() {
  if (output_.take_wanted_room()) {
    if (file_.file.is_open())
      send_file();
    else if (exchange_)
      exchange_->on_drained();
  }
  if (state_ == State::closed || state_ == State::lingering) return;
  if (output_.is_broken()) return give_up();
  if (!output_.is_empty()) return;
  if (is_tunnel_) output_.shrink(kTunnelSpare);
  if (std::exchange(end_when_sent_, false)) (void)transport_.end_sending();
  if (last_answer_ && !exchange_) return begin_lingering();
  if (state_ == State::waiting) output_.shrink(kSpareCapacity);
  if (state_ == State::waiting || state_ == State::head) continue_reading();
}

// ---- ending ----

// The client closed its side while we work for it. One that asked for a last answer may wait for it; one that sent
// more requests ahead certainly does.
bool ClientConnection::client_left() {
  if (is_tunnel_ || !body_ended_ || !codec_.head().keep_alive || !input_.empty()) return false;
  return !has_more_input();
}

// What is in the socket of a layer may be no content: it must be read.
bool ClientConnection::has_more_input() {
  if (!transport_.layer()) return transport_.has_unread();
  ssize_t count = transport_.receive(context_.client_bytes);
  if (count > 0) save_input({context_.client_bytes.data(), static_cast<std::size_t>(count)});
  return count > 0 || (count < 0 && net::would_block());
}

// The client sends no more. What has been answered goes out first; what it began is nothing without its end.
void ClientConnection::on_client_end() {
  if (output_.is_broken() || (exchange_ && !is_tunnel_)) return give_up();
  if (is_tunnel_ && exchange_) {
    body_ended_ = true;
    return exchange_->on_body_end();
  }
  last_answer_ = true;
  settle();
}

// Nobody reads any more, or the stream ended where it must not.
void ClientConnection::give_up() {
  if (record().is_begun()) {
    record().aborted = !is_tunnel_;  // those end in any way their ends like
    end_exchange();
    record().finish(context_);
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
  if (!transport_.end_sending()) return close();
  discard();
}

void ClientConnection::discard() {
  auto& space = context_.client_bytes;
  for (;;) {
    ssize_t count = transport_.receive(space);
    if (count < 0 && net::would_block()) return;
    if (count > 0) discarded_ += static_cast<std::size_t>(count);
    if (count <= 0 || discarded_ > kMostLingered) return close();
  }
}

void ClientConnection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  end_exchange();
  record().finish(context_);
  private_upstreams_.close_all();
  context_.loop.remove(transport_.descriptor(), *this);
  transport_.close();
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
      private_upstreams_.close_idle_since_before(now - timeouts.own_server_idle);
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
  if (!body_ended_ && has_body_ && !is_tunnel_ && wants_event()) {
    body_wanted_for_ += timeouts.sweep;
    auto due = timeouts.body_bytes_per_second * static_cast<std::uint64_t>(body_wanted_for_.count()) / 1000;
    bool too_slow = body_wanted_for_ > timeouts.body_gap && record().bytes_in < due;
    if (now - last_read_ > timeouts.body_gap || too_slow)
      return on_problem({408, "The request's body came too slowly."});
  }
  if (exchange_) exchange_->on_sweep(now);
}

}  // namespace edge
