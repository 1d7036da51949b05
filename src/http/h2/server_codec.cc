#include "http/h2/server_codec.h"

#include <algorithm>

#include "http/h2/callbacks.h"
#include "http/h2/memory_pool.h"

namespace http::h2 {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Input goes to nghttp2 in pieces, so that the events of one are few.
constexpr std::size_t most_fed = 16 * 1024;
constexpr std::size_t few_events = 128;

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_option, OptionDeleter> make_option(const FloodLimits& flood) {
  nghttp2_option* option = nullptr;
  if (nghttp2_option_new(&option) != 0) base::panic("no memory for a connection");
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
  nghttp2_option_set_max_outbound_ack(option, flood.unsent_acks);
  nghttp2_option_set_max_settings(option, flood.settings);
  nghttp2_option_set_stream_reset_rate_limit(option, flood.most_allowance, flood.most_allowance);  // ours is stricter
  // Ours is exact; nghttp2 counts each piece that the nine bytes of a CONTINUATION's header come in.
  nghttp2_option_set_max_continuations(option, std::size_t{10} * flood.continuations);
  return std::unique_ptr<nghttp2_option, OptionDeleter>(option);
}

std::int32_t as_int(StreamId stream) { return static_cast<std::int32_t>(stream); }

}  // namespace

Preface look_for_preface(std::string_view input) {
  const std::size_t size = std::min(input.size(), preface.size());
  if (input.substr(0, size) != preface.substr(0, size)) return Preface::not_h2;
  return size == preface.size() ? Preface::h2 : Preface::undecided;
}

void ServerCodec::SessionDeleter::operator()(nghttp2_session* session) const { nghttp2_session_del(session); }

ServerCodec::ServerCodec(const Options& options) : options_(options), flood_(options.flood, options.clock) {
  nghttp2_session* session = nullptr;
  auto option = make_option(options.flood);
  if (nghttp2_session_server_new3(&session, Callbacks::table(), this, option.get(), pooled_memory()) != 0) {
    base::panic("no memory for a connection");
  }
  session_.reset(session);
  const std::uint32_t websockets = options.websockets ? 1 : 0;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options.limits.head_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, websockets},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, as_int(options.connection_window));
}

ServerCodec::~ServerCodec() = default;

// --- reading --------------------------------------------------------------------------------------------------------

Event ServerCodec::next(std::string_view input) {
  for (;;) {
    if (auto event = take_event()) return *event;
    if (failed_ || !nghttp2_session_want_read(session_.get())) {
      fed_ = 0;
      return {.kind = Event::Kind::closed, .consumed = input.size()};
    }
    if (fed_ >= input.size()) return {.kind = Event::Kind::need_input, .consumed = std::exchange(fed_, 0)};
    feed(input.substr(fed_, most_fed));
  }
}

// Frame by frame, so that each is judged by what the ones before it have brought about.
void ServerCodec::feed(std::string_view input) {
  fed_ += input.size();
  while (!input.empty()) {
    const std::size_t size = scan_.next(input);
    if (scan_.begun()) failure_ = check_place(*scan_.begun());
    if (failure_ != ErrorCode::no_error || !feed_frame(input.substr(0, size))) return fail(failure_);
    input.remove_prefix(size);
  }
}

bool ServerCodec::feed_frame(std::string_view part) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(part.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes, part.size());
  if (taken >= 0) return true;
  if (failure_ == ErrorCode::no_error) {
    const bool is_flood = taken == NGHTTP2_ERR_FLOODED;
    failure_ = is_flood ? ErrorCode::enhance_your_calm : ErrorCode::protocol_error;
  }
  return false;
}

// RFC 9113 sections 5.1 and 6.3, as far as nghttp2 leaves it to us, which forgets a stream as soon as it is closed: a
// stream that its peer has ended or reset takes no more frames, but one that we have reset may still get some. And RFC
// 7540 section 5.3.1: no stream depends on itself.
ErrorCode ServerCodec::check_place(const FrameHeader& frame) const {
  const StreamId id = frame.stream;
  if (frame.type == NGHTTP2_PRIORITY && id == frame.dependency) return ErrorCode::protocol_error;
  const bool is_message = frame.type == NGHTTP2_DATA || frame.type == NGHTTP2_HEADERS;
  if (!is_message || id == 0 || id > last_stream_) return ErrorCode::no_error;
  const Stream* stream = streams_.find(id);
  const bool may_come = stream && (stream->is_open || stream->is_given_up);
  return may_come || own_resets_.may_hold(id) ? ErrorCode::no_error : ErrorCode::stream_closed;
}

// Leaves out what concerns streams that the owner has released or given up meanwhile.
std::optional<Event> ServerCodec::take_event() {
  while (next_event_ < events_.size()) {
    Event event = events_[next_event_++];
    const Stream* stream = streams_.find(event.stream);
    if (!stream || !stream->is_owned || stream->is_given_up) continue;
    event.user = stream->user;
    return event;
  }
  next_event_ = 0;
  events_.clear();
  if (events_.capacity() > few_events) events_.shrink_to_fit();
  return {};
}

void ServerCodec::tell(Event::Kind kind, const Stream& stream, ErrorCode code, std::string_view body) {
  if (!stream.is_owned) return;
  events_.push_back({.kind = kind, .stream = stream.id, .code = code, .body = body});
}

bool ServerCodec::refuse(Stream& stream, const Problem& problem) {
  stream.is_refused = true;
  stream.problem = problem;
  forget_body(stream);
  tell(Event::Kind::refused, stream);
  return blame();
}

bool ServerCodec::blame(std::uint32_t points) { return flood_.suspicious(points); }

void ServerCodec::fail(ErrorCode code) {
  failed_ = true;
  nghttp2_session_terminate_session(session_.get(), static_cast<std::uint32_t>(code));
}

Stream& ServerCodec::known(StreamId stream) const {
  Stream* found = streams_.find(stream);
  if (!found) base::panic("an HTTP/2 stream was used after its release");
  return *found;
}

const RequestHead& ServerCodec::head(StreamId stream) const { return known(stream).request.head(); }
std::string_view ServerCodec::scheme(StreamId stream) const { return known(stream).request.scheme(); }
std::span<const Header> ServerCodec::trailers(StreamId stream) const { return known(stream).request.trailers(); }
const Problem& ServerCodec::problem(StreamId stream) const { return known(stream).problem; }
void ServerCodec::set_body_limit(StreamId stream, std::uint64_t bytes) { known(stream).body_limit = bytes; }
void ServerCodec::attach(StreamId stream, void* user) { known(stream).user = user; }

void ServerCodec::consumed(StreamId id, std::size_t bytes) {
  Stream& stream = known(id);
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, stream.unconsumed));
  if (count == 0) return;
  stream.unconsumed -= count;
  nghttp2_session_consume(session_.get(), as_int(id), count);
}

// What the owner has got and will not consume must not make the connection's window smaller.
void ServerCodec::forget_body(Stream& stream) {
  if (stream.unconsumed == 0) return;
  const auto count = static_cast<std::size_t>(std::exchange(stream.unconsumed, 0));
  nghttp2_session_consume_connection(session_.get(), count);
}

void ServerCodec::forget_owed(Stream& stream) {
  owed_ -= stream.answer.owed.size();
  stream.answer.owed.clear();
}

// --- answering ------------------------------------------------------------------------------------------------------

base::Result<void> ServerCodec::start(StreamId stream, int status) { return known(stream).answer.start(status); }

base::Result<void> ServerCodec::field(StreamId stream, const Header& header) {
  return known(stream).answer.field(header);
}

void ServerCodec::restart_answer(StreamId id) {
  Stream& stream = known(id);
  if (!stream.answer.head_is_finished()) stream.answer.restart();
}

base::Result<void> ServerCodec::finish_head(StreamId id, std::optional<std::uint64_t> length) {
  Stream& stream = known(id);
  auto finished = stream.answer.finish_head(length, options_.server_name);
  if (finished && !stream.is_over()) make_ready(stream);
  return finished;
}

base::Result<void> ServerCodec::body(StreamId id, std::string_view bytes) {
  Stream& stream = known(id);
  auto wanted = stream.answer.count(bytes.size());
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  if (!*wanted || stream.is_over()) return {};
  stream.answer.owed.add(bytes);
  owed_ += bytes.size();
  resume(stream);
  return {};
}

base::Result<void> ServerCodec::body(StreamId id, std::string_view bytes, std::shared_ptr<const void> keeper) {
  Stream& stream = known(id);
  auto wanted = stream.answer.count(bytes.size());
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  if (!*wanted || stream.is_over()) return {};
  stream.answer.owed.add(bytes, std::move(keeper));
  owed_ += bytes.size();
  resume(stream);
  return {};
}

std::uint64_t ServerCodec::unkept(StreamId stream) const { return known(stream).answer.owed.unkept(); }

void ServerCodec::copy_rest(StreamId stream) { known(stream).answer.owed.copy_last(); }

void ServerCodec::keep_rest(StreamId stream, std::shared_ptr<const void> keeper) {
  known(stream).answer.owed.keep_last(std::move(keeper));
}

base::Result<void> ServerCodec::body(StreamId id, std::unique_ptr<BodySource> source, std::uint64_t size) {
  Stream& stream = known(id);
  auto wanted = stream.answer.count(size);
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  if (!*wanted || stream.is_over()) return {};
  stream.answer.owed.add(std::move(source), size);
  owed_ += size;
  resume(stream);
  return {};
}

base::Result<void> ServerCodec::trailer(StreamId stream, std::string_view name, std::string_view value) {
  return known(stream).answer.trailer({name, value, find_header_id(name)});
}

base::Result<void> ServerCodec::end(StreamId id) {
  Stream& stream = known(id);
  auto ended = stream.answer.end();
  if (ended && !stream.is_over()) resume(stream);
  return ended;
}

base::Result<void> ServerCodec::inform(StreamId id, int status, std::span<const Header> headers) {
  Stream& stream = known(id);
  if (status < 100 || status > 199 || status == 101) {
    return base::invalid("{} is not the status of an informational response in HTTP/2", status);
  }
  if (stream.answer.head_is_finished()) return base::invalid("an informational response behind the final one");
  FieldStore fields;
  for (const Header& header : headers) {
    if (auto good = check_field(header); !good) return good;
    if (!is_connection_specific(header.id)) fields.add(header.id, header.name, trimmed(header.value));
  }
  if (stream.is_over()) return {};
  const std::string digits = std::to_string(status);
  std::vector<nghttp2_nv> all = {as_nv(":status", digits)};
  append_fields(fields, all);
  for (nghttp2_nv& field : all) field.flags = NGHTTP2_NV_FLAG_NONE;  // copies: `fields` ends here
  nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, as_int(id), nullptr, all.data(), all.size(), nullptr);
  return {};
}

void ServerCodec::reset(StreamId stream, ErrorCode code) { give_up(known(stream), code); }

void ServerCodec::give_up(Stream& stream, ErrorCode code) {
  if (stream.is_over()) return;
  stream.is_given_up = true;
  forget_owed(stream);
  forget_body(stream);
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, as_int(stream.id), static_cast<std::uint32_t>(code));
}

// After the last byte of an answer: nobody wants the rest of the request. Where all of its declared length came, the
// frame that says so is awaited: clients that send it by itself, as httpx does, take it badly to find their stream
// closed.
void ServerCodec::give_up_rest(const Stream& stream) {
  if (stream.request_ended || stream.is_over()) return;
  const RequestHead& head = stream.request.head();
  if (head.framing == Framing::length && stream.body_received >= head.content_length) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, as_int(stream.id), NGHTTP2_NO_ERROR);
}

void ServerCodec::release(StreamId id) {
  Stream& stream = known(id);
  if (!stream.answer.is_ended()) give_up(stream, ErrorCode::internal_error);
  stream.is_owned = false;
  stream.user = nullptr;
  forget_body(stream);
  if (stream.answer_sent && !stream.is_open_tunnel()) give_up_rest(stream);
  close_if_done(stream);
}

void ServerCodec::close_if_done(Stream& stream) {
  if (!stream.is_open && !stream.is_owned) streams_.close(stream);
}

void ServerCodec::set_priority(StreamId stream, unsigned urgency, bool incremental) {
  const nghttp2_extpri priority = {urgency, incremental ? 1 : 0};
  nghttp2_session_change_extpri_stream_priority(session_.get(), as_int(stream), &priority, 1);
}

// RFC 9218 lets streams of one urgency be sent one after the other, unless they are incremental. To peers that never
// speak of priorities that would do no good: their streams share the connection evenly.
void ServerCodec::choose_priority(const Stream& stream) {
  peer_has_priorities_ = peer_has_priorities_ || stream.request.head().find(HeaderId::priority);
  if (peer_has_priorities_) return;
  const nghttp2_extpri even = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
  nghttp2_session_change_extpri_stream_priority(session_.get(), as_int(stream.id), &even, 0);
}

// An answer's head goes to nghttp2 at the next write: by then it is often known that the body is whole.
void ServerCodec::make_ready(const Stream& stream) { ready_.push_back(stream.id); }

void ServerCodec::submit_ready() {
  for (StreamId id : ready_) {
    Stream* stream = streams_.find(id);
    if (stream && !stream->is_over()) submit(*stream);
  }
  ready_.clear();
}

void ServerCodec::submit(Stream& stream) {
  thread_local std::vector<nghttp2_nv> fields;
  fields.clear();
  fields.push_back(as_nv(":status", stream.answer.status_text()));
  append_fields(stream.answer.fields(), fields);
  const Answer& answer = stream.answer;
  const bool is_head_only = answer.is_ended() && answer.owed.size() == 0 && answer.trailers().is_empty();
  const nghttp2_data_provider body = {.source = {}, .read_callback = Callbacks::read_body};
  nghttp2_submit_response(session_.get(), as_int(stream.id), fields.data(), fields.size(),
                          is_head_only ? nullptr : &body);
}

void ServerCodec::resume(Stream& stream) {
  if (stream.answer.owed.size() >= options_.low_water) stream.is_above_mark = true;
  if (std::exchange(stream.is_stalled, false)) nghttp2_session_resume_data(session_.get(), as_int(stream.id));
}

void ServerCodec::note_owed(Stream& stream) {
  if (!stream.is_above_mark || stream.answer.owed.size() >= options_.low_water) return;
  stream.is_above_mark = false;
  if (!stream.answer.is_ended()) tell(Event::Kind::drained, stream);
}

std::uint64_t ServerCodec::owed(StreamId stream) const { return known(stream).answer.owed.size(); }
int ServerCodec::status(StreamId stream) const { return known(stream).answer.status(); }
std::uint64_t ServerCodec::body_bytes(StreamId stream) const { return known(stream).answer.body_bytes(); }
std::uint64_t ServerCodec::sent_bytes(StreamId stream) const { return known(stream).sent; }
bool ServerCodec::head_is_finished(StreamId stream) const { return known(stream).answer.head_is_finished(); }
bool ServerCodec::has_window(StreamId stream) const {
  return nghttp2_session_get_stream_remote_window_size(session_.get(), as_int(stream)) > 0;
}
bool ServerCodec::is_over(StreamId stream) const { return known(stream).is_over(); }

// --- writing --------------------------------------------------------------------------------------------------------

bool ServerCodec::wants_write() const {
  return !write_failed_ && (!ready_.empty() || nghttp2_session_want_write(session_.get()) != 0);
}

void ServerCodec::write(std::string& out, std::size_t room) {
  submit_ready();
  out_ = &out;
  out_limit_ = out.size() + room;
  while (out.size() < out_limit_) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size == 0) break;
    if (size < 0) {  // no memory: nothing can be said any more
      failed_ = write_failed_ = true;
      break;
    }
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  out_ = nullptr;
}

// --- the connection -------------------------------------------------------------------------------------------------

void ServerCodec::ping() { nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr); }

// RFC 9113 section 6.8: a first GOAWAY refuses nothing; the final one follows when its ping has come back, and with it
// every request that was on its way.
void ServerCodec::shut_down() {
  if (std::exchange(shutting_down_, true)) return;
  nghttp2_submit_shutdown_notice(session_.get());
  ping();
}

void ServerCodec::finish_shutdown() {
  if (std::exchange(final_goaway_, true)) return;
  const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session_.get());
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
}

void ServerCodec::terminate(ErrorCode code) { fail(code); }

bool ServerCodec::is_finished() const {
  return write_failed_ || (nghttp2_session_want_read(session_.get()) == 0 && !wants_write());
}

void ServerCodec::give_back() {
  streams_.drop_spare();
  events_.shrink_to_fit();
  ready_.shrink_to_fit();
}

}  // namespace http::h2
