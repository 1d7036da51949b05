#include "edge/http2_client.h"

namespace edge {
namespace {

using http::h2::ErrorCode;
using http::h2::Event;
using std::chrono::milliseconds;

constexpr int kReadsPerTurn = 16;               // then others get their turn
constexpr int kWritesPerTurn = 8;               // the same
constexpr std::size_t kMostOutput = 64 << 10;   // frames taken from the codec before the socket takes them
constexpr std::size_t kMostLingered = 1 << 20;  // of what comes behind the last frame
constexpr milliseconds kLingering{2000};        // until the client has read it
constexpr milliseconds kDrainGrace{2000};       // for requests that are on their way to a draining edge
constexpr milliseconds kRest{1000};             // without a request: memory is given back

}  // namespace

Http2Client::Http2Client(Context& context, ClientSet& set, net::Transport transport, Peer peer)
    : context_(context),
      set_(set),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      codec_(context.http2),
      output_(context.loop, transport_, *this),
      private_upstreams_(context),
      since_(context.loop.now()) {}

Http2Client::~Http2Client() {
  if (transport_.is_open()) context_.loop.remove(transport_.descriptor(), *this);
}

void Http2Client::open(std::string_view received) {
  if (!context_.loop.add(transport_.descriptor(), output_.events(), *this)) return close();
  readable_ = true;
  process(received);
  read();
  wrote();  // our settings
}

// ---- reading ----

void Http2Client::on_ready(std::uint32_t epoll_events) {
  if (state_ == State::closed) return;
  if (epoll_events & (EPOLLHUP | EPOLLERR)) return close();
  if (epoll_events & EPOLLRDHUP) half_closed_ = true;
  if (epoll_events & (transport_.read_events() | EPOLLRDHUP)) readable_ = true;
  read();
  if (state_ != State::closed && ((epoll_events & EPOLLOUT) || codec_.wants_write())) wrote();
}

void Http2Client::read() {
  auto& space = context_.client_bytes;
  for (int reads = 0; readable_ && !processing_ && state_ != State::closed; reads++) {
    if (reads == kReadsPerTurn) return wrote();
    ssize_t count = transport_.receive(space);
    if (count > 0) {
      auto got = static_cast<std::size_t>(count);
      // A short read emptied the socket; more will be announced. The end of the stream is not announced again.
      if (!transport_.may_hold_more(got, space.size()) && !half_closed_) readable_ = false;
      state_ == State::serving ? process({space.data(), got}) : discard(got);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      readable_ = false;
      if (count < 0 && net::would_block()) return;
      return state_ == State::lingering || count < 0 ? close() : begin_closing();
    }
  }
}

void Http2Client::process(std::string_view bytes) {
  if (processing_) return;
  processing_ = true;
  while (state_ == State::serving) {
    auto event = codec_.next(bytes);
    bytes.remove_prefix(event.consumed);
    if (event.kind == Event::Kind::need_input) break;
    handle(event);
  }
  processing_ = false;
}

void Http2Client::handle(const Event& event) {
  using Kind = Event::Kind;
  auto* stream = static_cast<Http2Stream*>(event.user);
  switch (event.kind) {
    case Kind::closed:
      return begin_closing();
    case Kind::head:
      return begin_stream(event.stream);
    case Kind::refused:
      return (stream ? *stream : add_stream(event.stream, false)).refuse(codec_.problem(event.stream));
    case Kind::body:
      return stream ? stream->on_body(event.body) : void();
    case Kind::end:
      return stream ? stream->on_request_end() : void();
    case Kind::reset:
      return stream ? stream->lose() : void();
    case Kind::drained:  // looked at after each write
    case Kind::need_input:
      return;
  }
}

// Beyond the client's share of what the edge can do at once, requests are answered at once.
void Http2Client::begin_stream(http::StreamId id) {
  in_head_ = first_request_ = is_resting_ = false;
  bool is_first = streams_.empty();
  bool has_share = !is_first && set_.take_share(*this, peer_);
  add_stream(id, has_share).begin(is_first || has_share);
}

Http2Stream& Http2Client::add_stream(http::StreamId id, bool has_share) {
  auto& stream = *streams_.emplace_back(std::make_unique<Http2Stream>(*this, id, has_share));
  stream.position = streams_.size() - 1;
  return stream;
}

// One of its functions is running.
void Http2Client::retire(Http2Stream& stream, bool has_share) {
  if (has_share) set_.give_back_share(*this);
  auto place = stream.position;
  std::swap(streams_[place], streams_.back());
  streams_[place]->position = place;
  context_.bury(std::move(streams_.back()));
  streams_.pop_back();
  if (streams_.empty()) since_ = context_.loop.now();
  wrote();
}

// ---- writing ----

void Http2Client::send() {
  for (int writes = 0; writes < kWritesPerTurn; writes++) {
    auto waiting = output_.bytes().size();
    if (waiting < kMostOutput && codec_.wants_write()) codec_.write(output_.bytes(), kMostOutput - waiting);
    if (output_.is_empty() || !output_.flush()) return;
  }
  if (codec_.wants_write()) wrote();
}

void Http2Client::at_end_of_turn() {
  if (state_ == State::closed) return;
  send();
  if (output_.is_broken()) return close();
  process({});  // writing makes events
  settle_streams();
  if (state_ == State::closed) return;
  if (state_ == State::closing && output_.is_empty() && !codec_.wants_write()) return linger();
  read();  // what was left to others' turn
}

// One that leaves is replaced by the last one, which has been looked at already when going backwards.
void Http2Client::settle_streams() {
  for (auto i = streams_.size(); i > 0; i--)
    if (i <= streams_.size()) streams_[i - 1]->settle();
}

// ---- ending ----

void Http2Client::lose_streams() {
  while (!streams_.empty()) streams_.back()->lose();
}

void Http2Client::begin_closing() {
  if (state_ != State::serving) return;
  state_ = State::closing;
  since_ = context_.loop.now();
  lose_streams();
  wrote();
}

// The last frames must not be lost in a reset because the client still sends (as RFC 9112 section 9.6 says).
void Http2Client::linger() {
  if (half_closed_ || !transport_.end_sending()) return close();
  state_ = State::lingering;
  since_ = context_.loop.now();
  readable_ = true;
  read();
}

void Http2Client::discard(std::size_t bytes) {
  discarded_ += bytes;
  if (discarded_ > kMostLingered) close();
}

void Http2Client::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  lose_streams();
  private_upstreams_.close_all();
  context_.loop.remove(transport_.descriptor(), *this);
  transport_.close();
  set_.remove(*this);
}

// ---- deadlines ----

void Http2Client::on_sweep(net::Clock::time_point now) {
  const auto& timeouts = context_.options.timeouts;
  bool is_stuck = output_.is_blocked() && now - output_.last_progress() > timeouts.write;
  if (is_stuck || (state_ == State::lingering && now - since_ > kLingering)) return close();
  if (state_ != State::serving) return;
  if (context_.draining && !std::exchange(draining_, true)) {
    codec_.shut_down();
    wrote();
  }
  private_upstreams_.close_idle_since_before(now - timeouts.own_server_idle);
  sweep_streams(now);
  if (state_ != State::serving) return;
  if (head_is_late(now)) {
    codec_.terminate(ErrorCode::no_error);
    return begin_closing();
  }
  if (streams_.empty()) sweep_idle(now);
}

void Http2Client::sweep_streams(net::Clock::time_point now) {
  for (auto i = streams_.size(); i > 0; i--)
    if (i <= streams_.size()) streams_[i - 1]->on_sweep(now);
}

bool Http2Client::head_is_late(net::Clock::time_point now) {
  if (!std::exchange(in_head_, codec_.in_head())) head_since_ = now;
  return in_head_ && now - head_since_ > context_.options.timeouts.head;
}

void Http2Client::sweep_idle(net::Clock::time_point now) {
  const auto& timeouts = context_.options.timeouts;
  auto passed = now - since_;
  bool is_due = passed > (first_request_ ? timeouts.head : timeouts.keep_alive) ||
                (draining_ && passed > kDrainGrace && now - context_.draining_since > kDrainGrace);
  if (is_due) {
    codec_.terminate(ErrorCode::no_error);
    return begin_closing();
  }
  if (passed < kRest || !output_.is_empty() || std::exchange(is_resting_, true)) return;
  codec_.give_back();
  output_.shrink(0);
}

}  // namespace edge
