#include "worker/h2/stream.h"

#include <poll.h>

#include "base/memory.h"
#include "http/h2/file_source.h"
#include "worker/h2/connection.h"
#include "worker/server.h"

namespace worker::h2 {
namespace {

using http::h2::ErrorCode;

// Bytes owed to the client from which on the application should wait; the codec's low-water mark ends that.
constexpr std::uint64_t high_water = 64 * 1024;
// Small pieces go to the spool together: a million of them must not become a million parts.
constexpr std::size_t spool_part = 64 * 1024;
// Of all streams of a connection together; less than a part of each of them is always there.
constexpr std::uint64_t most_owed_in_memory = 4 << 20;
// How long a borrowing thread waits before it looks whether somebody else has read what it waits for.
constexpr auto longest_look_away = std::chrono::milliseconds(20);
constexpr std::size_t kept_capacity = 4096;
constexpr auto never = net::Clock::time_point::max();

bool is_limit(int status) { return status == 408 || status == 413 || status == 414 || status == 431; }

}  // namespace

Stream::Stream(Connection& connection)
    : worker::Stream(connection.ends(), Protocol::http2), connection_(connection), account_(connection.server()) {}

http::h2::ServerCodec& Stream::codec() const { return connection_.codec(); }

Connection::Lock Stream::lock() const { return lent_ ? connection_.lock_borrowed() : connection_.lock(); }

// --- what the client does -------------------------------------------------------------------------------------------

void Stream::begin(http::StreamId id) {
  id_ = id;
  set_head(codec().head(id));
  unconsumed_ = 0;
  body_deadline_ = never;
  memory_limit_ = SIZE_MAX;
  body_full_ = request_ended_ = tunnel_is_open_ = lost_ = false;
  is_tunnel_ = head().method == http::Method::connect;
  awaits_continue_ = head().expect_continue;
  codec().attach(id, this);
}

void Stream::begin_exchange() {
  account_.open(*this);
  Handler& handler = connection_.server().handler();
  if (head().has_body() && !is_tunnel_) begin_body_time();
  exchange_ = handler.begin(*this);
  if (exchange_ && handler.buffers_bodies()) want_body();
}

void Stream::on_body(std::string_view bytes) {
  account_.received(bytes.size());
  pace_.add(bytes.size());
  unconsumed_ += bytes.size();
  if (!exchange_) return;
  if (exchange_->on_body(bytes) == Appetite::full) body_full_ = true;
  if (!exchange_) return;  // it has answered
  if (body_full_) {
    body_deadline_ = never;
    return;
  }
  codec().consumed(id_, std::exchange(unconsumed_, 0));
  if (!is_tunnel_) set_body_deadline();
}

void Stream::on_request_end() {
  request_ended_ = true;
  awaits_continue_ = false;
  body_deadline_ = never;
  if (!exchange_) return;
  if (!is_tunnel_)
    exchange_->on_request_end();
  else if (!body_full_)  // what came before comes first
    exchange_->on_client_finished();
}

void Stream::on_drained() {
  if (!gathered_.empty()) (void)pass_gathered();
  if (exchange_ && !lent_) exchange_->on_drained();
}

void Stream::on_drain() {
  if (exchange_ && !lent_) exchange_->on_drain();
}

void Stream::refuse(const http::Problem& problem) {
  if (is_limit(problem.status)) connection_.server().counters().add(Counter::limits_hit);
  if (Exchange* exchange = std::exchange(exchange_, nullptr)) exchange->on_lost();
  if (!codec().head_is_finished(id_)) return respond(problem.status, problem.reason);
  codec().reset(id_, ErrorCode::no_error);
  leave(Completion::aborted);
}

void Stream::lose() {
  lost_ = true;
  if (lent_) return;  // the thread will notice, and bring it back
  account_.close(codec().status(id_), codec().sent_bytes(id_), Completion::aborted);
  if (Exchange* exchange = std::exchange(exchange_, nullptr)) {
    exchange->still_open = connection_.keep_open(id_);
    exchange->on_lost();
  } else {
    codec().release(id_);
  }
  connection_.retire(*this);
}

void Stream::begin_body_time() {
  pace_.begin(net::Clock::now());
  set_body_deadline();
}

void Stream::set_body_deadline() {
  body_deadline_ = pace_.deadline(net::Clock::now(), connection_.server().options().body_timeout);
  connection_.server().watch_deadline(body_deadline_);
}

// --- the request ----------------------------------------------------------------------------------------------------

void Stream::want_body() {
  if (!std::exchange(awaits_continue_, false) || codec().head_is_finished(id_)) return;
  auto held = lock();
  (void)codec().inform(id_, 100);
  connection_.send_later();
}

void Stream::resume_body() {
  if (!std::exchange(body_full_, false)) return;
  auto held = lock();
  codec().consumed(id_, std::exchange(unconsumed_, 0));
  if (is_tunnel_ && request_ended_)
    exchange_->on_client_finished();
  else if (!request_ended_ && !is_tunnel_)
    begin_body_time();
  connection_.send_later();
}

// --- the response ---------------------------------------------------------------------------------------------------

base::Result<void> Stream::start(int status, std::string_view) {
  auto held = lock();
  codec().restart_answer(id_);
  return codec().start(id_, status);
}

base::Result<void> Stream::field(std::string_view name, std::string_view value) {
  auto held = lock();
  return codec().field(id_, name, value);
}

base::Result<void> Stream::finish_head(std::optional<std::uint64_t> length) {
  auto held = lock();
  return codec().finish_head(id_, length);
}

bool Stream::head_is_finished() const {
  auto held = lock();
  return codec().head_is_finished(id_);
}

base::Result<void> Stream::body(std::string_view bytes) {
  auto held = lock();
  bool spools = memory_limit_ != SIZE_MAX && (!gathered_.empty() || !fits_memory(bytes.size()));
  return spools ? add_to_spool(bytes) : codec().body(id_, bytes);
}

// A client that takes nothing of a hundred answers must not have them all in memory.
bool Stream::fits_memory(std::size_t more) const {
  const std::uint64_t owed = codec().owed(id_) + more;
  return owed <= memory_limit_ && (owed < spool_part || codec().owed() + more <= most_owed_in_memory);
}

base::Result<void> Stream::add_to_spool(std::string_view bytes) {
  gathered_.append(bytes);
  return gathered_.size() < spool_part ? base::Result<void>() : pass_gathered();
}

base::Result<void> Stream::pass_gathered() {
  std::string bytes = std::exchange(gathered_, {});
  std::uint64_t offset = 0;
  if (fits_memory(bytes.size()) || !spool_.append(bytes, offset)) return codec().body(id_, bytes);
  return codec().body(id_, std::make_unique<http::h2::FileSource>(spool_.file(), offset), bytes.size());
}

// How many bytes may still be said is the codec's to check, when they come.
base::Result<bool> Stream::begin_bytes(std::uint64_t size) {
  auto held = lock();
  bool bodiless = head().method == http::Method::head || http::status_forbids_body(codec().status(id_));
  return size > 0 && !bodiless;
}

void Stream::append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) {
  auto held = lock();
  if (!gathered_.empty()) (void)pass_gathered();
  (void)codec().body(id_, std::make_unique<http::h2::FileSource>(std::move(file), offset), length);
}

base::Result<void> Stream::inform(int status, std::span<const http::Header> fields) {
  auto held = lock();
  return codec().inform(id_, status, fields);
}

base::Result<void> Stream::trailer(std::string_view name, std::string_view value) {
  auto held = lock();
  if (!gathered_.empty()) {
    if (auto passed = pass_gathered(); !passed) return passed;
  }
  return codec().trailer(id_, name, value);
}

base::Result<void> Stream::end() {
  auto held = lock();
  if (!gathered_.empty()) {
    if (auto passed = pass_gathered(); !passed) return passed;
  }
  return codec().end(id_);
}

std::uint64_t Stream::pending() const {
  auto held = lock();
  return codec().owed(id_) + gathered_.size() + tunnel_output_.size();
}

bool Stream::is_congested() const { return pending() >= high_water; }

void Stream::send_later() {
  auto held = lock();
  pass_tunnel_output();
  connection_.send_later();
}

// Bytes beyond a declared length are refused by the codec; `end` then finds some missing and says so.
void Stream::send_now(std::string_view bytes, const Keeper* keeper) {
  auto held = lock();
  pass_tunnel_output();
  if (bytes.empty()) return connection_.send_now();
  connection_.send_now(id_, bytes, keeper);
}

void Stream::pass_tunnel_output() {
  if (tunnel_output_.empty()) return;
  (void)codec().body(id_, tunnel_output_);
  base::give_back(tunnel_output_, kept_capacity);
}

// --- the end --------------------------------------------------------------------------------------------------------

void Stream::finish_response() {
  auto held = lock();
  if (tunnel_is_open_) {
    pass_tunnel_output();
    (void)codec().end(id_);
  }
  leave(lost_ ? Completion::aborted : Completion::whole);
}

void Stream::abort_response() {
  auto held = lock();
  codec().reset(id_, ErrorCode::internal_error);
  leave(Completion::aborted);
}

void Stream::respond(int status, std::string_view text) {
  auto held = lock();
  say(status, text);
  if (!account_.is_open()) account_.refuse(ends(), status, text.size() + 1);
  leave(lost_ ? Completion::aborted : Completion::whole);
}

void Stream::say(int status, std::string_view text) {
  std::string body(text);
  body += '\n';
  codec().restart_answer(id_);
  (void)codec().start(id_, status);
  (void)codec().field(id_, "content-type", "text/plain; charset=utf-8");
  (void)codec().finish_head(id_, body.size());
  (void)codec().body(id_, body);
  (void)codec().end(id_);
}

// What is owed is still sent by the codec.
void Stream::leave(Completion completion) {
  exchange_ = nullptr;
  body_deadline_ = never;
  auto bytes = completion == Completion::aborted ? codec().sent_bytes(id_) : codec().body_bytes(id_);
  account_.close(codec().head_is_finished(id_) ? codec().status(id_) : 0, bytes, completion);
  base::give_back(gathered_, 0);
  base::give_back(tunnel_output_, 0);
  spool_.forget();
  codec().release(id_);
  connection_.send_later();
  connection_.retire(*this);
}

// --- tunnels --------------------------------------------------------------------------------------------------------

base::Result<void> Stream::open_tunnel(std::string_view protocol, std::span<const http::Header> fields) {
  auto held = lock();
  if (head().upgrade != protocol) return base::invalid("the client did not ask for the protocol {}", protocol);
  codec().restart_answer(id_);
  if (auto done = codec().start(id_, 200); !done) return done;
  for (const http::Header& header : fields)
    if (auto done = codec().field(id_, header); !done) return done;
  if (auto done = codec().finish_head(id_, std::nullopt); !done) return done;
  tunnel_is_open_ = true;
  return {};
}

// --- lending --------------------------------------------------------------------------------------------------------

void Stream::lend() {
  lent_ = true;
  connection_.note_lent();
}

void Stream::take_back() {
  auto held = connection_.lock();
  lent_ = false;
  connection_.note_returned();
  connection_.send_later();  // and look at the events that threads have read
}

bool Stream::send_borrowed(std::string_view bytes, const Keeper*) {
  auto held = connection_.lock_borrowed();
  if (!bytes.empty()) (void)body(bytes);
  if (!gathered_.empty() && codec().owed(id_) < memory_limit_ / 2) (void)pass_gathered();
  bool alive = connection_.transfer_borrowed(codec().owed(id_) >= high_water);
  return alive && !lost_ && !codec().is_over(id_);
}

Waited Stream::wait_borrowed(net::nanoseconds most) {
  const std::uint64_t before = pending();
  const auto end = net::Clock::now() + most;
  while (net::Clock::now() < end) {
    short events = POLLIN;
    {
      auto held = connection_.lock_borrowed();
      if (connection_.has_output()) events |= POLLOUT;
    }
    pollfd socket = {.fd = connection_.descriptor(), .events = events, .revents = 0};
    ::poll(&socket, 1, static_cast<int>(longest_look_away.count()));
    if (!send_borrowed({})) return Waited::client_gone;
    if (pending() < before) return Waited::some_taken;
  }
  return Waited::too_long;
}

}  // namespace worker::h2
