#include "worker/h2/connection.h"

#include <algorithm>
#include <utility>

#include "worker/server.h"

namespace worker::h2 {
namespace {

using http::h2::ErrorCode;

constexpr std::size_t small_read = 4 * 1024;
constexpr std::size_t body_read = 64 * 1024;
// Frames taken from the codec before the socket has taken the ones before.
constexpr std::uint64_t most_output = 64 * 1024;
// Per client and turn, so that a fast one does not keep the others waiting.
constexpr std::uint64_t most_sent_per_turn = 512 * 1024;
constexpr std::uint64_t worth_keeping = 32 * 1024;  // rather than to copy
constexpr int most_reads_per_turn = 8;
constexpr std::uint64_t most_dropped = 1 << 20;
constexpr auto short_pause = std::chrono::seconds(1);
constexpr auto linger_time = std::chrono::seconds(2);
// For the client's answer to the ping behind a GOAWAY, when nothing else is to be waited for.
constexpr auto goodbye_time = std::chrono::seconds(2);
constexpr auto never = net::Clock::time_point::max();

}  // namespace

Connection::Connection(Server& server, net::Transport transport, Ends ends)
    : server_(server),
      transport_(std::move(transport)),
      ends_(std::move(ends)),
      codec_(server.http2_options()),
      abandoned_(std::make_shared<Abandoned>()) {}

Connection::~Connection() = default;

void Connection::open(std::string_view received) {
  choose_deadline();
  if (!server_.loop().add(transport_.descriptor(), client_events, *this)) return close();
  if (!received.empty()) {
    std::ranges::copy(received, input_.space(received.size()).begin());
    input_.commit(received.size());
    take_events();
  }
  if (server_.is_drain_requested()) on_drain();
  readable_ = true;
  if (state_ != State::closed) advance();
}

// --- events ---------------------------------------------------------------------------------------------------------

void Connection::on_ready(std::uint32_t epoll_events) {
  if (state_ == State::closed) return;
  auto held = lock();
  if (epoll_events & (EPOLLERR | EPOLLHUP)) return close();
  if (epoll_events & EPOLLRDHUP) hung_up_ = true;
  if (epoll_events & transport_.read_events()) readable_ = true;
  if ((epoll_events & EPOLLOUT) && !output_.is_empty()) flush();
  if (state_ != State::closed) advance();
}

void Connection::at_end_of_turn() {
  if (state_ == State::closed) {
    return discard_if_alone();
  }
  auto held = lock();
  if (readable_ || !kept_events_.empty()) advance();
  if (state_ != State::closed) flush();
}

// Reads until the socket is empty, but not for longer than others should wait.
void Connection::advance() {
  release_abandoned();
  take_events();
  for (int reads = 0; readable_ && state_ != State::closed; reads++) {
    if (reads == most_reads_per_turn) break;
    Got got = receive();
    if (got == Got::nothing) break;
    if (got == Got::end) return state_ == State::lingering ? close() : begin_closing();
    take_events();
  }
  if (state_ == State::closed) return;
  if (readable_ || codec_.wants_write()) send_later();
  choose_deadline();
}

Connection::Got Connection::receive() {
  std::span<char> room = input_.space(streams_.empty() ? small_read : body_read);
  ssize_t count = transport_.receive(room);
  if (count < 0) {
    readable_ = errno == EINTR;
    input_.release_if_empty();
    return net::would_block() ? Got::nothing : Got::end;
  }
  if (count == 0) {
    readable_ = false;
    input_ended_ = true;
    return Got::end;
  }
  auto got = static_cast<std::size_t>(count);
  // Nothing is left, unless the stream's end is waiting behind it.
  if (!transport_.may_hold_more(got, room.size()) && !hung_up_) readable_ = false;
  server_.counters().add(Counter::bytes_in, got);
  input_.commit(got);
  return Got::some;
}

void Connection::take_events() {
  if (taking_events_) return;
  if (state_ != State::serving) return drop_input();
  taking_events_ = true;
  for (KeptEvent& kept : std::exchange(kept_events_, {})) {
    kept.event.body = kept.body;
    kept.event.user = find_stream(kept.event.stream);  // it may have come or gone since
    handle(kept.event);
  }
  while (state_ == State::serving) {
    Event event = codec_.next(input_.view());
    input_.consume(event.consumed);
    if (event.kind == Event::Kind::need_input) break;
    handle(event);
  }
  taking_events_ = false;
  input_.release_if_empty();
}

void Connection::handle(const Event& event) {
  using Kind = Event::Kind;
  if (event.kind == Kind::closed) return begin_closing();
  if (event.kind == Kind::head) return begin_stream(event);
  auto* stream = static_cast<Stream*>(event.user);
  switch (event.kind) {
    case Kind::body:
      if (stream) stream->on_body(event.body);
      return;
    case Kind::end:
      if (stream) stream->on_request_end();
      return;
    case Kind::refused:
      return (stream ? *stream : add_stream(event.stream)).refuse(codec_.problem(event.stream));
    case Kind::reset:
      if (stream) stream->lose();
      return;
    case Kind::drained:
      if (stream) stream->on_drained();
      return;
    default:
      return;
  }
}

void Connection::begin_stream(const Event& event) { add_stream(event.stream).begin_exchange(); }

Stream& Connection::add_stream(http::StreamId id) {
  if (spare_.empty()) {
    streams_.push_back(std::make_unique<Stream>(*this));
  } else {
    streams_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  Stream& stream = *streams_.back();
  stream.position = streams_.size() - 1;
  stream.begin(id);
  return stream;
}

Stream* Connection::find_stream(http::StreamId id) const {
  auto found = std::ranges::find(streams_, id, &Stream::id);
  return found == streams_.end() ? nullptr : found->get();
}

void Connection::retire(Stream& stream) {
  std::size_t place = stream.position;
  std::swap(streams_[place], streams_.back());
  streams_[place]->position = place;
  spare_.push_back(std::move(streams_.back()));  // one of its functions is still running
  streams_.pop_back();
  if (streams_.empty()) send_later();
}

std::shared_ptr<const void> Connection::keep_open(http::StreamId stream) {
  return {nullptr, [abandoned = abandoned_, stream](const void*) {
            std::lock_guard held(abandoned->mutex);
            abandoned->streams.push_back(stream);
          }};
}

void Connection::release_abandoned() {
  std::vector<http::StreamId> streams;
  {
    std::lock_guard held(abandoned_->mutex);
    streams.swap(abandoned_->streams);
  }
  for (http::StreamId stream : streams) codec_.release(stream);
}

// --- sending --------------------------------------------------------------------------------------------------------

void Connection::send_later() {
  server_.note_unsent();
  server_.loop().defer(*this);
}

void Connection::send_now() {
  if (state_ != State::closed) flush();
}

void Connection::send_now(http::StreamId stream, std::string_view bytes, const Keeper* keeper) {
  if (state_ == State::closed) return;
  (void)codec_.body(stream, bytes, nullptr);
  std::uint64_t bytes_sent = 0;
  Sent sent = write_out(bytes_sent);
  if (keeper && codec_.unkept(stream) >= worth_keeping)
    codec_.keep_rest(stream, keeper->keep());
  else
    codec_.copy_rest(stream);
  after_write(sent, bytes_sent);
}

void Connection::flush() {
  std::uint64_t bytes_sent = 0;
  Sent sent = write_out(bytes_sent);
  after_write(sent, bytes_sent);
}

void Connection::after_write(Sent sent, std::uint64_t bytes_sent) {
  server_.counters().add(Counter::bytes_out, bytes_sent);
  if (sent == Sent::peer_gone) return close();
  note_progress(sent, bytes_sent);
  if (sent == Sent::all && codec_.wants_write()) send_later();
  take_events();  // writing makes some
  if (state_ == State::closing && output_.is_empty() && !codec_.wants_write()) return linger();
  if (state_ != State::closed) choose_deadline();
}

// Sends until the socket or the client's windows are full, or it is others' turn.
Sent Connection::write_out(std::uint64_t& bytes_sent) {
  while (bytes_sent < most_sent_per_turn) {
    std::uint64_t waiting = output_.pending();
    if (waiting < most_output && codec_.wants_write()) codec_.write(output_.tail(), most_output - waiting);
    if (output_.is_empty()) return Sent::all;
    if (Sent sent = output_.flush(transport_, bytes_sent); sent != Sent::all) return sent;
  }
  return Sent::all;
}

// A client that takes no content for long is given up, whatever else it reads.
void Connection::note_progress(Sent sent, std::uint64_t bytes_sent) {
  bool content_moved = codec_.content_written() != content_written_;
  bool owes = codec_.owed() > 0;
  if ((sent == Sent::all && !owes) || content_moved || (bytes_sent > 0 && !owes)) write_deadline_ = never;
  content_written_ = codec_.content_written();
  if (write_deadline_ != never || (sent == Sent::all && !owes)) return;
  write_deadline_ = server_.loop().now() + server_.options().write_timeout;
  server_.watch_deadline(write_deadline_);
}

// --- for a thread that has borrowed a stream ------------------------------------------------------------------------

bool Connection::transfer_borrowed(bool is_stuck) {
  if (state_ == State::closed) return false;
  std::uint64_t bytes_sent = 0;
  Sent sent = write_out(bytes_sent);
  server_.counters().add(Counter::bytes_out, bytes_sent);
  if (sent == Sent::peer_gone) return false;
  if (!is_stuck) return true;
  if (Got got = receive(); got != Got::some) {
    readable_ = readable_ || got == Got::end;  // the loop is to see it, too
    return got != Got::end;
  }
  for (;;) {
    Event event = codec_.next(input_.view());
    input_.consume(event.consumed);
    if (event.kind == Event::Kind::need_input) break;
    kept_events_.push_back({event, std::string(event.body)});
    if (event.kind == Event::Kind::closed) break;
  }
  return write_out(bytes_sent) != Sent::peer_gone;
}

// --- deadlines ------------------------------------------------------------------------------------------------------

void Connection::choose_deadline() {
  const Options& options = server_.options();
  switch (state_) {
    case State::serving:
      if (codec_.in_head()) return await(Awaiting::head, options.header_timeout);
      if (!streams_.empty() || owes()) return await(Awaiting::nothing, {});
      if (draining_) return await(Awaiting::goodbye, goodbye_time);
      // In two steps: a client that pauses for long needs no memory meanwhile.
      if (awaiting_ == Awaiting::request) return;
      return await(Awaiting::pause, std::min<net::nanoseconds>(short_pause, options.keep_alive_timeout));
    case State::lingering:
      return await(Awaiting::end, linger_time);
    default:
      return await(Awaiting::nothing, {});
  }
}

// The time runs from when the waiting began, whatever small things the client does meanwhile.
void Connection::await(Awaiting what, net::nanoseconds most) {
  if (std::exchange(awaiting_, what) == what) return;
  read_deadline_ = what == Awaiting::nothing ? never : net::Clock::now() + most;
  if (read_deadline_ != never) server_.watch_deadline(read_deadline_);
}

net::Clock::time_point Connection::deadline() const {
  auto earliest = std::min(read_deadline_, write_deadline_);
  for (const auto& stream : streams_) earliest = std::min(earliest, stream->body_deadline());
  return earliest;
}

void Connection::on_time(net::Clock::time_point now) {
  if (state_ == State::closed) return;
  auto held = lock();
  if (write_deadline_ <= now) return close();
  for (std::size_t i = streams_.size(); i-- > 0;)
    if (streams_[i]->body_deadline() <= now) streams_[i]->refuse({408, "the request body took too long"});
  if (read_deadline_ > now) return;
  read_deadline_ = never;
  if (awaiting_ == Awaiting::end) return close();
  if (awaiting_ == Awaiting::pause) {
    spare_.clear();
    codec_.give_back();
    return await(Awaiting::request, server_.options().keep_alive_timeout - short_pause);
  }
  codec_.terminate(ErrorCode::no_error);
  begin_closing();
}

// --- the end --------------------------------------------------------------------------------------------------------

bool Connection::is_idle() const {
  return state_ == State::serving && !draining_ && streams_.empty() && !owes() && !codec_.in_head();
}

// Of answers that are finished for their exchanges, too.
bool Connection::owes() const { return codec_.owed() > 0 || !output_.is_empty(); }

void Connection::on_drain() {
  if (state_ != State::serving || std::exchange(draining_, true)) return;
  auto held = lock();
  codec_.shut_down();
  for (std::size_t i = streams_.size(); i-- > 0;) streams_[i]->on_drain();
  send_later();
}

void Connection::begin_closing() {
  if (state_ != State::serving) return;
  state_ = State::closing;
  lose_streams();
  if (state_ == State::closing) send_later();
}

void Connection::lose_streams() {
  for (std::size_t i = streams_.size(); i-- > 0;)
    if (i < streams_.size()) streams_[i]->lose();
}

// The last frames must not be destroyed by a reset because the client still sends (RFC 9112 section 9.6 says it best).
void Connection::linger() {
  if (input_ended_ || !transport_.end_sending()) return close();
  state_ = State::lingering;
  readable_ = true;
  send_later();
  choose_deadline();
}

void Connection::drop_input() {
  dropped_ += input_.size();
  input_.consume(input_.size());
  input_.release_if_empty();
  if (dropped_ > most_dropped) close();
}

void Connection::close() {
  if (state_ == State::closed) return;
  auto held = lock();
  state_ = State::closed;
  read_deadline_ = write_deadline_ = never;
  server_.loop().remove(transport_.descriptor(), *this);
  lose_streams();
  transport_.close();
  output_.clear();
  kept_events_.clear();
  discard_if_alone();
}

// What is lent comes back first.
void Connection::discard_if_alone() {
  if (lent_count_ == 0 && !std::exchange(discarded_, true)) server_.discard(*this);
}

}  // namespace worker::h2
