#include "worker/websocket.h"

#include <algorithm>

#include "base/memory.h"
#include "websocket/extension.h"
#include "websocket/utf8.h"
#include "worker/server.h"

namespace worker {
namespace {

namespace close_code = websocket::close;
using Opcode = websocket::Opcode;

// Of messages that the application has not received: reading stops here, and goes on at half of it.
constexpr std::size_t backlog_limit = 64 * 1024;
constexpr std::size_t spare_memory = 512;  // kept where nothing waits
// From here on a message is handed to the kernel where it lies instead of being copied.
constexpr std::size_t large_message = 16 * 1024;
// How long the client may take to answer our Close.
constexpr auto close_time = std::chrono::seconds(10);
// An alarm that rings later than this tells that the loop stood still: what came meanwhile is read first.
constexpr auto alarm_margin = std::chrono::seconds(1);

http::Header field(std::string_view name, std::string_view value) { return {name, value, http::find_header_id(name)}; }

}  // namespace

WebSocket::WebSocket(Server& server, Listener& listener)
    : server_(server),
      listener_(listener),
      alarm_(server.loop(), [this] { on_time(); }),
      message_timer_(server.loop(), [this] { on_message_time(); }) {}

WebSocket::~WebSocket() = default;

// --- the opening handshake ------------------------------------------------------------------------------------------

void WebSocket::begin(Stream& stream, const websocket::Opening& opening) {
  stream_ = &stream;
  handshake_ = std::make_unique<Handshake>();
  if (!opening.key.empty()) handshake_->accept = websocket::accept_key(opening.key);
  if (server_.options().ws_deflate) accept_deflate(stream.head());
}

void WebSocket::accept_deflate(const http::RequestHead& head) {
  for (const http::Header& header : head.headers) {
    if (header.id != http::HeaderId::sec_websocket_extensions) continue;
    auto accepted = websocket::accept_deflate(header.value, {});
    if (!accepted) continue;
    handshake_->deflate = accepted->agreement;
    handshake_->extensions = std::move(accepted->answer);
    return;
  }
}

base::Result<void> WebSocket::open(std::string_view subprotocol, std::span<const http::Header> fields) {
  std::vector<http::Header> all;
  all.reserve(fields.size() + 3);
  if (!handshake_->accept.empty()) all.push_back(field("sec-websocket-accept", handshake_->accept));
  if (!subprotocol.empty()) all.push_back(field("sec-websocket-protocol", subprotocol));
  if (!handshake_->extensions.empty()) all.push_back(field("sec-websocket-extensions", handshake_->extensions));
  all.insert(all.end(), fields.begin(), fields.end());
  if (auto done = stream_->open_tunnel("websocket", all); !done) return done;

  const Options& options = server_.options();
  std::optional<websocket::DeflateStream> from_client, from_server;
  if (const auto& deflate = handshake_->deflate) from_client = deflate->from_client, from_server = deflate->from_server;
  reader_.emplace(websocket::Role::server, options.ws_max_size ? options.ws_max_size : SIZE_MAX, from_client);
  writer_.emplace(websocket::Role::server, from_server);
  handshake_.reset();
  state_ = State::open;
  opened_ = true;
  heard_ = server_.loop().now();
  if (options.ws_ping_interval.count() > 0) set_alarm(heard_ + options.ws_ping_interval);
  stream_->send_later();
  if (draining_) begin_closing(close_code::service_restart, "the server restarts");
  paused_ = true;
  listen_again();
  return {};
}

void WebSocket::abandon() {
  stream_ = nullptr;
  state_ = State::over;
}

// --- reading --------------------------------------------------------------------------------------------------------

bool WebSocket::takes_input() const {
  switch (state_) {
    case State::opening:
      return false;
    case State::open: {
      std::size_t waits = backlog_.size() - taken_ + (waiting_.size() - first_) * sizeof(Waiting);
      return waits < (paused_ ? backlog_limit / 2 : backlog_limit) && !is_congested();
    }
    case State::closing:
    case State::over:
      return true;  // to see the client's Close; nothing is kept
  }
  return true;
}

Appetite WebSocket::on_body(std::string_view bytes) {
  heard_ = server_.loop().now();
  pace_.add(bytes.size());
  if (rest_.empty()) bytes.remove_prefix(read(bytes));
  if (!bytes.empty()) {
    rest_.append(bytes);
    read_rest();
  }
  watch_message();
  paused_ = !takes_input();
  return paused_ ? Appetite::full : Appetite::more;
}

// How many bytes were used up. Stops where no more is wanted, and keeps nothing in memory but what a frame that is not
// whole makes necessary.
std::size_t WebSocket::read(std::string_view bytes) {
  std::size_t used = 0;
  reading_ = true;
  while (state_ != State::over && takes_input()) {
    websocket::Event event = reader_->next(bytes.substr(used));
    used += event.consumed;
    if (event.kind == websocket::Event::Kind::need_input) break;
    handle(event);
  }
  reading_ = false;
  return state_ == State::over ? bytes.size() : used;
}

void WebSocket::read_rest() {
  std::size_t used = read(rest_);
  if (used == rest_.size()) return base::give_back(rest_, spare_memory);
  rest_.erase(0, used);
}

// A message is gathered until it is whole, and a compressed one may be far larger than what has come of it.
void WebSocket::watch_message() {
  bool is_unfinished = state_ == State::open && reader_->in_message();
  if (is_unfinished == message_timer_.is_set()) return;
  if (!is_unfinished) return message_timer_.cancel();
  pace_.begin(heard_);
  message_timer_.set(pace_.deadline(heard_, server_.options().body_timeout));
}

void WebSocket::on_message_time() {
  if (state_ != State::open || !reader_->in_message()) return;
  auto now = server_.loop().now();
  if (paused_) pace_.begin(now);  // it was not read
  auto deadline = pace_.deadline(paused_ ? now : heard_, server_.options().body_timeout);
  if (deadline > now) return message_timer_.set(deadline);
  fail(close_code::policy_violation, "a message took too long");
}

// After a pause: takes what lies here first, then more from the stream.
void WebSocket::listen_again() {
  if (!paused_ || reading_ || !stream_ || !takes_input()) return;
  paused_ = false;
  read_rest();
  if (!stream_) return;  // the answer to a Ping has found the client gone
  if (!takes_input()) {
    paused_ = true;
    return;
  }
  stream_->resume_body();
}

void WebSocket::handle(const websocket::Event& event) {
  using Kind = websocket::Event::Kind;
  switch (event.kind) {
    case Kind::text:
    case Kind::binary:
      pace_.begin(heard_);
      return keep(event);
    case Kind::ping:
      return answer_ping(event.payload);
    case Kind::close:
      if (state_ == State::open) write_close(event.code, {});
      end(event.code, event.payload);
      state_ = State::over;
      return listener_.on_websocket_news();
    case Kind::failed:
      return fail(event.code, event.payload);
    case Kind::pong:
    case Kind::need_input:
      return;
  }
}

void WebSocket::keep(const websocket::Event& event) {
  if (state_ != State::open) return;
  const std::size_t before = backlog_.size(), size = event.payload.size();
  bool is_ascii = false;
  backlog_.resize_and_overwrite(before + size, [&](char* text, std::size_t) {
    is_ascii = websocket::copy_masked(text + before, event.payload.data(), size, event.key);
    return before + size;
  });
  bool is_text = event.kind == websocket::Event::Kind::text;
  if (!event.checked && !is_ascii && !websocket::is_utf8(std::string_view(backlog_).substr(before))) {
    backlog_.resize(before);
    return fail(close_code::invalid_data, "a text message is not UTF-8");
  }
  waiting_.push_back({.size = size, .is_text = is_text, .is_ascii = is_ascii});
  listener_.on_websocket_news();
}

void WebSocket::answer_ping(std::string_view payload) {
  if (state_ != State::open) return;
  writer_->control(Opcode::pong, payload, stream_->tunnel_output());
  if (stream_->is_congested()) return stream_->send_now();  // `on_drained` will tell when it is over
  stream_->send_later();
}

WebSocket::Message WebSocket::front() const {
  const Waiting& first = waiting_[first_];
  return {std::string_view(backlog_).substr(taken_, first.size), first.is_text, first.is_ascii};
}

void WebSocket::take() {
  taken_ += waiting_[first_++].size;
  if (first_ == waiting_.size())
    forget_backlog(spare_memory);
  else
    drop_taken();
  listen_again();
}

// Where something always waits. By halves, so that each byte is moved about once.
void WebSocket::drop_taken() {
  if (taken_ > backlog_limit && taken_ >= backlog_.size() / 2) backlog_.erase(0, std::exchange(taken_, 0));
  if (first_ * sizeof(Waiting) > backlog_limit && first_ >= waiting_.size() / 2) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(std::exchange(first_, 0)));
  }
}

void WebSocket::forget_backlog(std::size_t spare) {
  if (waiting_.capacity() * sizeof(Waiting) > spare)
    std::vector<Waiting>().swap(waiting_);
  else
    waiting_.clear();
  base::give_back(backlog_, spare);
  taken_ = first_ = 0;
}

void WebSocket::on_drained() {
  listen_again();
  listener_.on_websocket_news();
}

// --- sending --------------------------------------------------------------------------------------------------------

void WebSocket::send(Opcode kind, std::string_view payload) {
  has_sent_ = true;
  std::string& out = stream_->tunnel_output();
  if (payload.size() >= large_message && writer_->begin_message(kind, payload.size(), out)) {
    return stream_->send_now(payload);
  }
  writer_->message(kind, payload, out);
  if (stream_->is_congested()) return stream_->send_now();
  stream_->send_later();
}

// --- closing --------------------------------------------------------------------------------------------------------

void WebSocket::close(websocket::CloseCode code, std::string_view reason) {
  forget_backlog(0);
  begin_closing(code, reason);
}

// RFC 6455 section 7.1.2. Messages that are on their way here are not kept.
void WebSocket::begin_closing(websocket::CloseCode code, std::string_view reason) {
  if (state_ != State::open) return;
  write_close(code, reason);
  end(code, reason);
  state_ = State::closing;
  set_alarm(server_.loop().now() + close_time);
  listen_again();
}

void WebSocket::write_close(websocket::CloseCode code, std::string_view reason) {
  writer_->close(code, reason, stream_->tunnel_output());
  stream_->send_later();
}

// Section 7.1.7: nothing that the client says can be made sense of any more, or is wanted.
void WebSocket::fail(websocket::CloseCode code, std::string_view reason) {
  if (state_ == State::open) write_close(code, reason);
  end(code, reason);
  state_ = State::over;
  listener_.on_websocket_news();
}

// What ends it first is what the application hears of.
void WebSocket::end(websocket::CloseCode code, std::string_view reason) {
  if (!ending_) ending_.emplace(code, std::string(reason));
}

bool WebSocket::finish_if_over() {
  if (state_ != State::over) return false;
  alarm_.cancel();
  if (Stream* stream = std::exchange(stream_, nullptr)) opened_ ? stream->finish_response() : stream->abort_response();
  return true;
}

void WebSocket::on_client_finished() {
  end(close_code::abnormal, {});
  state_ = State::over;
  listener_.on_websocket_news();
}

void WebSocket::on_lost() {
  alarm_.cancel();
  stream_ = nullptr;
  on_client_finished();
}

void WebSocket::on_drain() {
  draining_ = true;
  if (state_ != State::open) return;
  begin_closing(close_code::service_restart, "the server restarts");
  listener_.on_websocket_news();
}

// --- time -----------------------------------------------------------------------------------------------------------

void WebSocket::set_alarm(net::Clock::time_point when) {
  alarm_at_ = when;
  alarm_.set(when);
}

void WebSocket::on_time() {
  auto now = server_.loop().now();
  if (state_ == State::open) return keep_alive(now);
  state_ = State::over;
  listener_.on_websocket_news();
}

// Whatever the client sends shows that it is there; a Ping asks those who say nothing.
void WebSocket::keep_alive(net::Clock::time_point now) {
  const Options& options = server_.options();
  if (!std::exchange(has_sent_, false)) writer_->release_memory();
  bool loop_stood_still = now - alarm_at_ > alarm_margin;
  if (paused_ || loop_stood_still) {  // what it may have said was not read
    awaits_pong_ = false;
    return set_alarm(now + options.ws_ping_interval);
  }
  if (std::exchange(awaits_pong_, false) && heard_ < pinged_) {
    write_close(close_code::internal_error, "no answer to a ping");
    end(close_code::abnormal, "no answer to a ping");
    state_ = State::over;
    return listener_.on_websocket_news();
  }
  if (now < heard_ + options.ws_ping_interval) return set_alarm(heard_ + options.ws_ping_interval);
  writer_->control(Opcode::ping, {}, stream_->tunnel_output());
  stream_->send_later();
  bool may_fail = options.ws_ping_timeout.count() > 0;
  awaits_pong_ = may_fail;
  pinged_ = now;
  set_alarm(now + (may_fail ? options.ws_ping_timeout : options.ws_ping_interval));
}

}  // namespace worker
