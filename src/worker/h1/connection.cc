#include "worker/h1/connection.h"

#include <poll.h>

#include "base/memory.h"

#include "http/h2/server_codec.h"
#include "worker/server.h"

namespace worker::h1 {
namespace {

constexpr std::size_t small_read = 4 * 1024;  // a head
constexpr std::size_t body_read = 64 * 1024;
constexpr int most_reads_per_turn = 8;
// Kept between two requests for the head of the next response.
constexpr std::size_t kept_head_capacity = 512;
// What is read and dropped of a request that was answered before its end, before the connection is given up.
constexpr std::uint64_t most_discarded = 1 << 20;
constexpr auto linger_time = std::chrono::seconds(2);
constexpr auto discard_time = std::chrono::seconds(5);
constexpr auto never = net::Clock::time_point::max();

bool is_limit(int status) { return status == 408 || status == 413 || status == 414 || status == 431; }

}  // namespace

Connection::Connection(Server& server, net::Transport transport, Ends ends)
    : Stream(ends_, Protocol::http1),
      server_(server),
      transport_(std::move(transport)),
      ends_(std::move(ends)),
      codec_(server.limits(), server.options().server_header),
      account_(server),
      may_be_http2_(server.options().http2) {
  set_head(codec_.head());
}

Connection::~Connection() = default;

void Connection::open(std::string_view received) {
  set_read_deadline(server_.options().header_timeout);
  if (!server_.loop().add(transport_.descriptor(), client_events, *this)) return close();
  if (!received.empty()) {
    std::ranges::copy(received, input_.space(received.size()).begin());
    input_.commit(received.size());
    parse();
  }
  readable_ = transport_.may_hold_more(0, 1);  // what a layer has read already brings no event
  if (readable_) advance();
}

// --- events ---------------------------------------------------------------------------------------------------------

void Connection::on_ready(std::uint32_t epoll_events) {
  if (lent_) {
    missed_ |= epoll_events;
    return;
  }
  if (reading_ == Reading::closed) return;
  if (epoll_events & (EPOLLERR | EPOLLHUP)) {
    // Both directions are over. What the client sent before may still hold a request, but nobody waits for its answer.
    return peer_gone();
  }
  if (epoll_events & EPOLLRDHUP) hung_up_ = true;
  if (epoll_events & transport_.read_events()) readable_ = true;
  if ((epoll_events & EPOLLOUT) && !output_.is_empty()) flush();
  if (reading_ != Reading::closed) advance();
}

// Reads and parses until the socket is empty or somebody is not ready for more, but not for longer than others should
// wait.
void Connection::advance() {
  for (int reads = 0; wants_input(); reads++) {
    if (reads == most_reads_per_turn) return server_.loop().defer(*this);
    if (!readable_ || !read_once()) break;
    parse();
  }
}

bool Connection::wants_input() const {
  if (close_after_send_) return false;
  switch (reading_) {
    case Reading::head:
      return exchange_ == nullptr;
    case Reading::body:
    case Reading::tunnel:
      return !body_full_;
    case Reading::complete:
      return hung_up_ && !input_ended_ && input_.empty();  // to see the end of the stream
    case Reading::discarding:
    case Reading::lingering:
      return true;
    case Reading::closed:
      return false;
  }
  return false;
}

// One read; false when there was nothing or the connection is over.
bool Connection::read_once() {
  if (head_in_use_ && !head_memory_) {
    auto memory = input_.detach();
    head_memory_ = std::move(memory);
  }
  std::span<char> room = input_.space(reading_ == Reading::head ? small_read : body_read);
  ssize_t count = transport_.receive(room);
  if (count < 0) {
    readable_ = errno == EINTR;
    if (!net::would_block()) peer_gone();
    input_.release_if_empty();
    return false;
  }
  if (count == 0) {
    readable_ = false;
    on_end_of_input();
    return false;
  }
  // Nothing is left, unless the stream's end is waiting behind it.
  if (!transport_.may_hold_more(static_cast<std::size_t>(count), room.size()) && !hung_up_) readable_ = false;
  server_.note_received(static_cast<std::size_t>(count));
  input_.commit(static_cast<std::size_t>(count));
  if (reading_ == Reading::lingering) {
    discarded_ += static_cast<std::uint64_t>(count);
    input_.consume(input_.size());
    if (discarded_ > most_discarded) close();
  }
  return reading_ != Reading::closed;
}

void Connection::parse() {
  if (parsing_ || (may_be_http2_ && find_http2())) return;
  parsing_ = true;
  while (may_parse()) {
    if (reading_ == Reading::tunnel) {
      parse_tunnel();
      continue;
    }
    http::Event event = codec_.next(input_.view());
    input_.consume(event.consumed);
    if (event.kind == http::Event::Kind::need_input) {
      if (reading_ == Reading::head && !head_begun_ && !input_.empty()) {
        head_begun_ = true;
        set_read_deadline(server_.options().header_timeout);
      }
      break;
    }
    handle(event);
  }
  parsing_ = false;
  if (!head_in_use_) input_.release_if_empty();
}

// "Prior knowledge" (RFC 9113 section 3.3): whether the first bytes are HTTP/2's preface, or may become it.
bool Connection::find_http2() {
  auto preface = http::h2::look_for_preface(input_.view());
  may_be_http2_ = preface == http::h2::Preface::undecided;
  if (preface == http::h2::Preface::h2) speak_http2();
  return preface != http::h2::Preface::not_h2;
}

void Connection::speak_http2() {
  reading_ = Reading::closed;
  server_.loop().remove(transport_.descriptor(), *this);
  auto next = server_.make_client(std::move(transport_), ends_, Protocol::http2);
  server_.replace(*this, std::move(next), input_.view());
}

bool Connection::may_parse() const {
  if (close_after_send_) return false;
  switch (reading_) {
    case Reading::head:
      return exchange_ == nullptr && !input_.empty();
    case Reading::body:
      return !body_full_;
    case Reading::discarding:
      return true;
    case Reading::tunnel:
      return !body_full_ && !input_.empty();
    default:
      return false;
  }
}

void Connection::handle(const http::Event& event) {
  using Kind = http::Event::Kind;
  switch (event.kind) {
    case Kind::head:
      return begin_exchange();
    case Kind::body:
      if (reading_ == Reading::discarding) {
        discarded_ += event.body.size();
        if (discarded_ > most_discarded) begin_closing();
        return;
      }
      pace_.add(event.body.size());
      set_body_deadline();
      return take_body(event.body);
    case Kind::end:
      return end_request();
    case Kind::failed:
      return fail(codec_.problem().status, codec_.problem().reason);
    case Kind::closed:
    case Kind::interim:
    case Kind::need_input:
      return begin_closing();
  }
}

void Connection::take_body(std::string_view bytes) {
  account_.received(bytes.size());
  if (!exchange_ || exchange_->on_body(bytes) == Appetite::more) return;
  body_full_ = true;
  read_deadline_ = never;
}

void Connection::parse_tunnel() {
  std::string_view bytes = input_.view();
  input_.consume(bytes.size());
  take_body(bytes);
}

void Connection::begin_exchange() {
  head_begun_ = false;
  reading_ = Reading::body;
  body_full_ = false;
  head_in_use_ = true;
  awaits_continue_ = codec_.head().expect_continue;
  if (codec_.head().has_body()) begin_body_time();
  account_.close_settled(Completion::whole);  // what is left of the answer before goes out with this one
  account_.open(*this);
  exchange_ = server_.handler().begin(*this);
  if (server_.handler().buffers_bodies()) want_body();
}

void Connection::end_request() {
  read_deadline_ = never;
  if (reading_ == Reading::discarding) return next_request();
  reading_ = Reading::complete;
  awaits_continue_ = false;
  if (exchange_) exchange_->on_request_end();
}

// The request cannot be read any further. Before the response's start the client gets an answer that says why.
void Connection::fail(int status, std::string_view reason) {
  if (is_limit(status)) server_.counters().add(Counter::limits_hit);
  head_begun_ = true;
  if (reading_ == Reading::discarding) return begin_closing();
  if (exchange_ && codec_.response().head_is_finished()) return abort_response();
  lose_exchange();
  codec_.begin_error_answer();
  respond(status, reason);
}

void Connection::on_end_of_input() {
  input_ended_ = true;
  switch (reading_) {
    case Reading::head:
    case Reading::discarding:
      return begin_closing();
    case Reading::body:
      return peer_gone();  // the request will never be whole
    case Reading::complete:
    case Reading::tunnel:
      if (exchange_) exchange_->on_client_finished();
      return;
    case Reading::lingering:
      return close();
    case Reading::closed:
      return;
  }
}

void Connection::on_time(net::Clock::time_point now) {
  if (lent_) {
    read_deadline_ = write_deadline_ = never;  // the thread that has it minds its own time
    return;
  }
  if (write_deadline_ <= now) return peer_gone();
  read_deadline_ = never;
  switch (reading_) {
    case Reading::head:
      if (head_begun_) return fail(408, "the request head took too long");
      // The time to the next request begins anew while the last answer is still on its way.
      if (!output_.is_empty()) return set_read_deadline(server_.options().keep_alive_timeout);
      return close();
    case Reading::body:
      return fail(408, "the request body took too long");
    case Reading::discarding:
      return begin_closing();
    case Reading::lingering:
      return close();
    case Reading::complete:
    case Reading::tunnel:
    case Reading::closed:
      return;
  }
}

void Connection::peer_gone() { close(); }

void Connection::lose_exchange() {
  if (!exchange_) return;
  head_in_use_ = false;
  std::exchange(exchange_, nullptr)->on_lost();
}

// --- for the exchange -----------------------------------------------------------------------------------------------

void Connection::head_used() {
  head_in_use_ = false;
  head_memory_.reset();
  input_.release_if_empty();
}

void Connection::want_body() {
  if (!awaits_continue_ || reading_ != Reading::body || codec_.response().head_is_finished()) return;
  awaits_continue_ = false;
  codec_.write_continue(0, output_.tail());
  send_now({});
}

void Connection::resume_body() {
  if (!body_full_) return;
  body_full_ = false;
  if (reading_ != Reading::body && reading_ != Reading::tunnel) return;
  if (reading_ == Reading::body) begin_body_time();
  parse();
  advance();
}

base::Result<void> Connection::start(int status, std::string_view reason) {
  codec_.restart_answer();
  bool body_never_comes = awaits_continue_ && reading_ == Reading::body;
  // No other request can follow.
  if (server_.is_drain_requested() || input_ended_ || body_never_comes) codec_.announce_close();
  head_text_.clear();
  return codec_.start(status, reason, head_text_);
}

base::Result<void> Connection::field(std::string_view name, std::string_view value) {
  return codec_.field(0, name, value, head_text_);
}

base::Result<void> Connection::finish_head(std::optional<std::uint64_t> length) {
  if (auto done = codec_.finish_head(0, length, head_text_); !done) return done;
  output_.append(head_text_);
  if (head_text_.capacity() > kept_head_capacity) base::give_back(head_text_, 0);
  return {};
}

base::Result<void> Connection::body(std::string_view bytes) {
  if (!output_.spools(bytes.size())) return codec_.body(0, bytes, output_.tail());
  // A chunk and its frame go to the file as one piece: a million small chunks must not become a million pieces.
  std::string framed;
  auto done = codec_.body(0, bytes, framed);
  output_.append(framed);
  return done;
}

void Connection::append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) {
  output_.append_file(std::move(file), offset, length);
}

void Connection::send_later() {
  server_.note_unsent();
  server_.loop().defer(*this);
}

void Connection::at_end_of_turn() {
  if (lent_ || reading_ == Reading::closed) return;
  flush();
  if (missed_) return on_ready(std::exchange(missed_, 0));
  if (readable_) advance();
}

void Connection::flush() {
  if (output_.is_empty()) return after_flush(Sent::all);
  send_now({});
}

void Connection::send_now(std::string_view bytes, const Keeper* keeper) {
  std::uint64_t sent_bytes = 0;
  Sent sent =
      bytes.empty() ? output_.flush(transport_, sent_bytes) : output_.flush_with(transport_, bytes, keeper, sent_bytes);
  server_.counters().add(Counter::bytes_out, sent_bytes);
  if (sent_bytes > 0) write_deadline_ = never;
  after_flush(sent);
}

void Connection::after_flush(Sent sent) {
  if (sent == Sent::peer_gone) return peer_gone();
  if (sent == Sent::some) {
    if (write_deadline_ == never) {
      write_deadline_ = server_.loop().now() + server_.options().write_timeout;
      server_.watch_deadline(write_deadline_);
    }
    was_congested_ = was_congested_ || is_congested();
  } else {
    write_deadline_ = never;
    account_.close_settled(Completion::whole);
    if (close_after_send_) return linger();
    if (server_.closes_idle() && is_idle()) return begin_closing();
  }
  if (was_congested_ && output_.pending() < low_water) {
    was_congested_ = false;
    if (exchange_) exchange_->on_drained();
  }
}

void Connection::finish_response() {
  exchange_ = nullptr;
  settle_account();
  if (!is_congested()) account_.close_settled(Completion::whole);  // the kernel has room for the little that is left
  head_used();
  send_later();
  bool request_whole = reading_ == Reading::complete;
  bool body_will_not_come = !request_whole && awaits_continue_;
  if (!codec_.keep_alive() || body_will_not_come || (input_ended_ && input_.empty())) return begin_closing();
  if (request_whole) return next_request();
  reading_ = Reading::discarding;
  discarded_ = 0;
  set_read_deadline(discard_time);
  parse();
  if (reading_ != Reading::closed) advance();
}

void Connection::next_request() {
  reading_ = Reading::head;
  head_begun_ = false;
  if (server_.closes_idle() && input_.empty()) return begin_closing();
  set_read_deadline(server_.options().keep_alive_timeout);
  parse();
  if (readable_ && reading_ == Reading::head) advance();
}

void Connection::abort_response() {
  if (reading_ == Reading::closed) return;
  transport_.break_off();
  close();
}

void Connection::respond(int status, std::string_view text) {
  if (exchange_) codec_.restart_answer();  // of a start nothing has reached the client
  std::string head;
  std::string body(text);
  body += '\n';
  codec_.announce_close();
  (void)codec_.start(0, status, head);
  (void)codec_.field(0, "content-type", "text/plain; charset=utf-8", head);
  (void)codec_.finish_head(0, body.size(), head);
  (void)codec_.body(0, body, head);
  (void)codec_.end(0, head);
  output_.append(head);
  if (exchange_) return finish_response();
  if (account_.is_open())
    settle_account();
  else
    account_.refuse(ends_, status, body.size());
  send_later();
  begin_closing();
}

// RFC 9110 section 7.8: 101 names the protocol that both speak from now on.
base::Result<void> Connection::open_tunnel(std::string_view protocol, std::span<const http::Header> fields) {
  codec_.restart_answer();
  head_text_.clear();
  if (auto done = codec_.switch_protocols(protocol, fields, head_text_); !done) return done;
  output_.append(head_text_);
  base::give_back(head_text_, 0);
  head_used();
  reading_ = Reading::tunnel;
  body_full_ = true;  // until resume_body
  return {};
}

void Connection::settle_account() {
  const auto& response = codec_.response();
  account_.settle(response.head_is_finished() ? response.status() : 0, response.body_bytes());
}

// The connection ends, whatever there is still to send.
void Connection::close_account() {
  bool is_whole = account_.is_settled() && output_.is_empty();
  if (!account_.is_settled()) settle_account();
  account_.close_settled(is_whole ? Completion::whole : Completion::aborted, output_.pending());
}

// --- closing --------------------------------------------------------------------------------------------------------

void Connection::begin_closing() {
  if (reading_ == Reading::closed || reading_ == Reading::lingering) return;
  close_after_send_ = true;
  if (output_.is_empty()) return linger();
  send_later();
}

// RFC 9112 section 9.6: closing while the client still sends would reset the connection and destroy the answer on its
// way. So only our direction is ended, and what comes is read and dropped for a while.
void Connection::linger() {
  bool between_requests = reading_ == Reading::head && !head_begun_ && input_.empty();
  bool client_may_send = !input_ended_ && !between_requests;
  if (!client_may_send || !transport_.end_sending()) return close();
  reading_ = Reading::lingering;
  close_after_send_ = false;
  discarded_ = 0;
  input_.consume(input_.size());
  set_read_deadline(linger_time);
  readable_ = true;
  advance();
}

void Connection::close() {
  if (reading_ == Reading::closed) return;
  // A reset rather than an orderly end: a body that ends with the connection would look complete.
  bool has_begun = exchange_ && codec_.response().head_is_finished();
  if (reading_ != Reading::tunnel && (has_begun || !output_.is_empty())) transport_.break_off();
  close_account();
  lose_exchange();
  reading_ = Reading::closed;
  server_.loop().remove(transport_.descriptor(), *this);
  transport_.close();
  output_.clear();
  server_.discard(*this);
}

void Connection::on_drain() {
  if (exchange_ && !lent_) exchange_->on_drain();
}

bool Connection::is_idle() const {
  return reading_ == Reading::head && !exchange_ && !lent_ && !head_begun_ && output_.is_empty() &&
         !transport_.has_unread();
}

void Connection::set_read_deadline(net::nanoseconds delay) {
  // Not the turn's time: the application may have run for long since then.
  read_deadline_ = net::coarse_now() + delay;
  server_.watch_deadline(read_deadline_);
}

void Connection::begin_body_time() {
  pace_.begin(net::Clock::now());
  set_body_deadline();
}

void Connection::set_body_deadline() {
  read_deadline_ = pace_.deadline(net::Clock::now(), server_.options().body_timeout);
  server_.watch_deadline(read_deadline_);
}

// --- lending --------------------------------------------------------------------------------------------------------

bool Connection::send_borrowed(std::string_view bytes, const Keeper* keeper) {
  std::uint64_t sent_bytes = 0;
  Sent sent =
      bytes.empty() ? output_.flush(transport_, sent_bytes) : output_.flush_with(transport_, bytes, keeper, sent_bytes);
  server_.counters().add(Counter::bytes_out, sent_bytes);
  return sent != Sent::peer_gone;
}

Waited Connection::wait_borrowed(net::nanoseconds most) {
  auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(most);
  pollfd writable = {.fd = transport_.descriptor(), .events = POLLOUT, .revents = 0};
  if (::poll(&writable, 1, static_cast<int>(timeout.count())) == 0) return Waited::too_long;
  return send_borrowed({}) ? Waited::some_taken : Waited::client_gone;
}

void Connection::take_back() {
  lent_ = false;
  if (missed_) server_.loop().defer(*this);  // once the response is settled
}

}  // namespace worker::h1
