#include "edge/http2_stream.h"

#include "edge/dispatch.h"
#include "edge/http2_client.h"
#include "http/h2/file_source.h"

namespace edge {
namespace {

using http::h2::ErrorCode;
using std::chrono::milliseconds;

constexpr std::uint64_t kHighWater = 128 << 10;  // owed to the stream: the exchange should wait
constexpr std::uint64_t kLowWater = 32 << 10;    // it should go on
constexpr std::uint64_t kMostOwed = 1 << 20;     // to all streams of a connection
constexpr std::size_t kCopyBelow = 8 << 10;      // larger pieces of an answer are sent at once

constexpr std::string_view kTooLarge = "This site takes no bodies of this size.";

}  // namespace

Http2Stream::Http2Stream(Http2Client& client, http::StreamId id, bool has_share)
    : Stream(client.context(), client.peer()), client_(client), id_(id), has_share_(has_share) {
  last_read_ = last_progress_ = context().loop.now();
}

http::h2::ServerCodec& Http2Stream::codec() const { return client_.codec(); }
PrivateUpstreams& Http2Stream::private_upstreams() { return client_.private_upstreams(); }

// ---- the request ----

void Http2Stream::begin(bool is_admitted) {
  codec().attach(id_, this);
  const auto& head = codec().head(id_);
  awaits_tunnel_ = head.method == http::Method::connect;
  has_body_ = head.has_body() && !awaits_tunnel_;
  record().begin(context(), &head, peer().host);
  if (!is_admitted) return answer(Trouble::too_many_wait);
  dispatch(*this, head, exchange_);
  if (!awaits_tunnel_ || !exchange_) return;
  body_ended_ = true;
  exchange_->on_body_end();
}

// The codec may have read a piece of the body already, by the connection's limit.
void Http2Stream::set_body_limit(std::uint64_t bytes) {
  body_limit_ = bytes;
  codec().set_body_limit(id_, bytes);
}

// What comes behind an early answer is dropped: the stream's window bounds it.
void Http2Stream::on_body(std::string_view bytes) {
  last_read_ = context().loop.now();
  record().bytes_in += bytes.size();
  if (!exchange_) return;
  if (has_body_ && !is_tunnel_ && record().bytes_in > body_limit_) return refuse({413, kTooLarge});
  if (!takes_body()) {
    waiting_ += bytes;
    return;
  }
  exchange_->on_body(bytes);
  if (over_) return;
  codec().consumed(id_, bytes.size());
  client_.wrote();
}

void Http2Stream::on_request_end() {
  request_ended_ = true;
  continue_reading();
}

// A request without a body ends whatever the exchange takes; it may not be connected yet.
void Http2Stream::continue_reading() {
  if (awaits_tunnel_) return;
  if (!waiting_.empty() && exchange_ && exchange_->wants_body()) {
    std::string bytes = std::exchange(waiting_, {});
    exchange_->on_body(bytes);
    if (over_) return;
    codec().consumed(id_, bytes.size());
    client_.wrote();
  }
  if (!request_ended_ || body_ended_ || !exchange_ || !waiting_.empty()) return;
  if (has_body_ && !exchange_->wants_body()) return;
  body_ended_ = true;
  exchange_->on_body_end();
}

void Http2Stream::refuse(const http::Problem& problem) {
  if (finished_) return;  // the answer goes on; its request does not
  if (!record().is_begun()) {
    codec().attach(id_, this);
    record().begin(context(), &codec().head(id_), peer().host);
  }
  if (!head_is_finished()) return answer(Trouble::bad_request, problem.status, problem.reason);
  abort();
}

void Http2Stream::lose() {
  if (over_) return;
  record().aborted = !is_tunnel_;  // those end in any way their ends like
  end_exchange();
  // The share is given back now: what it stood for, such as an open file, must not stay with the codec.
  if (has_share_) codec().reset(id_, ErrorCode::cancel);
  leave();
}

// ---- the answer ----

void Http2Stream::send_continue() {
  (void)codec().inform(id_, 100);  // refused behind the head only, where nobody waits for it
  client_.wrote();
}

void Http2Stream::inform(const AnswerHead& head) {
  (void)codec().inform(id_, head.status, fields_to_pass(head));
  client_.wrote();
}

base::Result<void> Http2Stream::pass_head(const AnswerHead& head) {
  auto done = codec().start(id_, head.status);
  for (const auto& field : head.fields) {
    if (!done) break;
    if (!http::is_hop_by_hop(field, head.fields, head.nominates)) done = codec().field(id_, field);
  }
  if (done) done = codec().finish_head(id_, head.length);
  if (!done) codec().restart_answer(id_);
  client_.wrote();
  return done;
}

bool Http2Stream::head_is_finished() const { return codec().head_is_finished(id_); }

base::Result<void> Http2Stream::pass_body(std::string_view bytes) {
  if (is_tunnel_) record().bytes_out += bytes.size();
  client_.wrote();
  if (bytes.size() < kCopyBelow) return codec().body(id_, bytes);
  auto passed = codec().body(id_, bytes, nullptr);
  if (!passed) return passed;
  client_.send();
  codec().copy_rest(id_);
  return {};
}

void Http2Stream::pass_trailers(std::span<const http::Header> fields) {
  for (const auto& field : fields) (void)codec().trailer(id_, field.name, field.value);
}

base::Result<void> Http2Stream::end() {
  client_.wrote();
  return codec().end(id_);
}

void Http2Stream::pass_file(base::Fd file, std::uint64_t offset, std::uint64_t length) {
  auto kept = std::make_shared<const base::Fd>(std::move(file));
  auto source = std::make_unique<http::h2::FileSource>(std::move(kept), offset);
  auto passed = length > 0 ? codec().body(id_, std::move(source), length) : base::Result<void>{};
  passed&& end() ? finish() : abort();
}

// RFC 8441 section 5: 200 takes the place of 101, and there is no key to answer.
base::Result<void> Http2Stream::open_tunnel(const AnswerHead& head) {
  auto fields = fields_to_pass(head);
  std::erase_if(
      fields, [](const http::Header& field) { return http::equal_ignoring_case(field.name, "sec-websocket-accept"); });
  auto opened = pass_head({.status = 200, .fields = fields, .nominates = false, .length = {}});
  if (!opened) return opened;
  awaits_tunnel_ = body_ended_ = false;
  is_tunnel_ = has_body_ = true;
  return {};
}

// What others owe, such as the rest of a large file, keeps no stream from going on that owes nothing itself.
bool Http2Stream::is_congested() const {
  auto owed = codec().owed(id_);
  return owed >= kHighWater || (owed > 0 && codec().owed() >= kMostOwed);
}

void Http2Stream::want_room() {
  room_wanted_ = true;
  client_.wrote();
}

void Http2Stream::settle() {
  if (finished_ && codec().owed(id_) == 0) return leave();
  if (!room_wanted_ || !exchange_ || is_congested() || codec().owed(id_) > kLowWater) return;
  room_wanted_ = false;
  exchange_->on_drained();
}

// ---- the end ----

void Http2Stream::begin_own_answer() {
  end_exchange();
  codec().restart_answer(id_);
}

// The exchange's functions may be running.
void Http2Stream::end_exchange() {
  if (!exchange_) return;
  auto exchange = std::move(exchange_);
  exchange->on_cut();
  context().bury(std::move(exchange));
}

void Http2Stream::finish() {
  context().bury(std::move(exchange_));
  finished_ = true;
  client_.wrote();
}

void Http2Stream::abort() {
  end_exchange();
  codec().reset(id_, is_tunnel_ ? ErrorCode::cancel : ErrorCode::internal_error);
  leave();
}

// The codec may still have to send what has no content, such as the end of the answer.
void Http2Stream::leave() {
  over_ = true;
  if (!is_tunnel_) record().bytes_out = codec().sent_bytes(id_);
  record().finish(context());
  codec().release(id_);
  client_.retire(*this, has_share_);
}

// ---- deadlines ----

void Http2Stream::on_sweep(net::Clock::time_point now) {
  if (is_stalled(now)) {
    codec().reset(id_, ErrorCode::cancel);
    client_.wrote();
    return lose();
  }
  if (body_is_too_slow(now)) {
    if (head_is_finished()) return abort();
    return answer(Trouble::bad_request, 408, "The request's body came too slowly.");
  }
  if (exchange_) exchange_->on_sweep(now);
}

// A client that reads other streams, or none, while this one is owed bytes; but not one that wants others first.
bool Http2Stream::is_stalled(net::Clock::time_point now) {
  auto sent = codec().sent_bytes(id_), sent_by_all = codec().content_written();
  bool awaits_turn = sent_by_all != sent_by_all_ && codec().has_window(id_);
  if (codec().owed(id_) == 0 || sent != sent_ || awaits_turn) last_progress_ = now;
  sent_ = sent;
  sent_by_all_ = sent_by_all;
  return now - last_progress_ > context().options.timeouts.write;
}

bool Http2Stream::body_is_too_slow(net::Clock::time_point now) {
  if (!has_body_ || request_ended_ || is_tunnel_ || finished_ || !takes_body()) return false;
  const auto& timeouts = context().options.timeouts;
  body_wanted_for_ += timeouts.sweep;
  auto due = timeouts.body_bytes_per_second * static_cast<std::uint64_t>(body_wanted_for_.count()) / 1000;
  bool too_slow = body_wanted_for_ > timeouts.body_gap && record().bytes_in < due;
  return too_slow || now - last_read_ > timeouts.body_gap;
}

}  // namespace edge
