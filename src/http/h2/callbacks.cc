#include "http/h2/callbacks.h"

#include <algorithm>
#include <memory>

namespace http::h2 {
namespace {

constexpr std::size_t small_continuation = 1024;
constexpr std::size_t dribble_size = 1024;
constexpr std::size_t frame_header_size = 9;
constexpr std::size_t largest_data = 16 * 1024;
constexpr std::uint64_t hopeless_factor = 4;  // a head that is so many times too large is not even answered

std::string_view as_text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

ServerCodec& codec_of(void* user) { return *static_cast<ServerCodec*>(user); }
StreamId id_of(const nghttp2_frame& frame) { return static_cast<StreamId>(frame.hd.stream_id); }
bool is_ack(const nghttp2_frame_hd& header) { return (header.flags & NGHTTP2_FLAG_ACK) != 0; }
bool ends_stream(const nghttp2_frame_hd& header) { return (header.flags & NGHTTP2_FLAG_END_STREAM) != 0; }

}  // namespace

const nghttp2_session_callbacks* Callbacks::table() {
  static const nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) base::panic("no memory for the callbacks of nghttp2");
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, choose_length);
    nghttp2_session_callbacks_set_send_data_callback(made, send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_frame_sent);
    return made;
  }();
  return callbacks;
}

// --- flood limits ---------------------------------------------------------------------------------------------------

// Ends the connection unless all is good.
int Callbacks::calm(ServerCodec& codec, bool good) {
  if (good) return 0;
  codec.failure_ = ErrorCode::enhance_your_calm;
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int Callbacks::on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* user) {
  ServerCodec& codec = codec_of(user);
  if (codec.failure_ != ErrorCode::no_error) return NGHTTP2_ERR_CALLBACK_FAILURE;
  return check_rate(codec, *header);
}

int Callbacks::check_rate(ServerCodec& codec, const nghttp2_frame_hd& header) {
  const auto id = static_cast<StreamId>(header.stream_id);
  switch (header.type) {
    case NGHTTP2_DATA:
      return calm(codec, header.length > 0 || ends_stream(header) || codec.blame());
    case NGHTTP2_HEADERS:
      codec.continuations_ = 0;
      // Of a stream that is over: decoded for nothing.
      return calm(codec, id > codec.last_stream_ || codec.streams_.find(id) || codec.blame());
    case NGHTTP2_CONTINUATION: {
      const bool is_last = (header.flags & NGHTTP2_FLAG_END_HEADERS) != 0;
      if (++codec.continuations_ > codec.options_.flood.continuations) return calm(codec, false);
      return calm(codec, is_last || header.length >= small_continuation || codec.blame());
    }
    case NGHTTP2_RST_STREAM: {
      Stream* stream = codec.streams_.find(id);
      if (!stream || stream->answer_sent || stream->is_blamed) return calm(codec, codec.flood_.cheap_frame());
      stream->is_blamed = true;
      return calm(codec, codec.blame());
    }
    case NGHTTP2_SETTINGS:
      return calm(codec, is_ack(header) || !codec.preface_seen_ || codec.blame());
    case NGHTTP2_PING:
      return calm(codec, is_ack(header) ? codec.flood_.cheap_frame() : codec.flood_.ping());
    default:
      return calm(codec, codec.flood_.cheap_frame());
  }
}

// --- requests -------------------------------------------------------------------------------------------------------

int Callbacks::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  ServerCodec& codec = codec_of(user);
  const StreamId id = id_of(*frame);
  codec.head_stream_ = id;
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
    if (Stream* stream = codec.streams_.find(id)) stream->request.begin_trailers();
    return 0;
  }
  codec.last_stream_ = id;
  codec.flood_.opened_stream();
  // nghttp2 forgets a stream with its reset; those that an app still works on count on.
  if (codec.streams_.size() >= codec.options_.streams) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    codec.own_resets_.add(id);
    return calm(codec, codec.blame());
  }
  Stream& stream = codec.streams_.open(id);
  stream.body_limit = codec.options_.limits.body_bytes;
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, &stream);
  return 0;
}

int Callbacks::on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                         void* user) {
  ServerCodec& codec = codec_of(user);
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
  if (!stream || stream->is_refused) return 0;
  const Limits& limits = codec.options_.limits;
  stream->request.add(as_text(name, name_size), as_text(value, value_size), limits);
  if (stream->request.size() <= hopeless_factor * limits.head_bytes) return 0;
  stream->is_blamed = true;
  return codec.blame(10) ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : calm(codec, false);
}

// RFC 9113 section 8.2.1: a request with an invalid field is malformed; nghttp2 would only leave the field out.
int Callbacks::on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                                 const std::uint8_t*, std::size_t, std::uint8_t, void*) {
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int Callbacks::on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  ServerCodec& codec = codec_of(user);
  switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
      codec.preface_seen_ = true;
      return 0;
    case NGHTTP2_PING:
      if (is_ack(frame->hd) && codec.shutting_down_) codec.finish_shutdown();
      return 0;
    case NGHTTP2_PRIORITY_UPDATE:
      codec.peer_has_priorities_ = true;
      return 0;
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
      break;
    default:
      return 0;
  }
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
  if (frame->hd.type == NGHTTP2_HEADERS) codec.head_stream_ = 0;
  if (!stream) return 0;
  stream->request_ended = ends_stream(frame->hd);
  if (frame->hd.type == NGHTTP2_HEADERS) return end_of_head(codec, *stream, *frame);
  const bool is_empty = frame->hd.length > 0 && frame->hd.length <= frame->data.padlen;  // padding only
  if (stream->request_ended && !stream->is_refused) codec.tell(Event::Kind::end, *stream);
  return calm(codec, !is_empty || stream->request_ended || codec.blame());
}

int Callbacks::end_of_head(ServerCodec& codec, Stream& stream, const nghttp2_frame& frame) {
  const Limits& limits = codec.options_.limits;
  if (stream.is_refused) return 0;
  if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) {
    if (!stream.request.settle_trailers()) return calm(codec, codec.refuse(stream, stream.request.problem()));
    codec.tell(Event::Kind::end, stream);
    return 0;
  }
  stream.is_owned = true;
  const bool good = stream.request.settle(!stream.request_ended, limits);
  stream.answer.begin(stream.request.head().method);
  if (!good) return calm(codec, codec.refuse(stream, stream.request.problem()));
  codec.choose_priority(stream);
  codec.tell(Event::Kind::head, stream);
  if (stream.request_ended) codec.tell(Event::Kind::end, stream);
  return 0;
}

int Callbacks::on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
  ServerCodec& codec = codec_of(user);
  codec.head_stream_ = 0;
  Stream* stream = codec.streams_.find(id_of(*frame));
  if (!stream) codec.own_resets_.add(id_of(*frame));  // refused before there was anything to tell of
  if (stream && std::exchange(stream->is_blamed, true)) return 0;
  return calm(codec, codec.blame());
}

int Callbacks::on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                       std::size_t size, void* user) {
  ServerCodec& codec = codec_of(user);
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  if (!stream || !stream->is_owned || stream->is_given_up || stream->is_refused) {
    nghttp2_session_consume(session, id, size);                                           // nobody will
    if (stream && !stream->is_owned && stream->answer_sent) codec.give_up_rest(*stream);  // a tunnel's other direction
    return 0;
  }
  stream->body_received += size;
  stream->unconsumed += size;
  if (stream->body_received > stream->body_limit && !stream->is_tunnel()) {
    return calm(codec, codec.refuse(*stream, {413, "the body is larger than allowed"}));
  }
  codec.tell(Event::Kind::body, *stream, ErrorCode::no_error, as_text(data, size));
  return 0;
}

int Callbacks::on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  ServerCodec& codec = codec_of(user);
  Stream* stream = codec.streams_.find(static_cast<StreamId>(id));
  if (codec.head_stream_ == static_cast<StreamId>(id)) codec.head_stream_ = 0;
  if (!stream) return 0;
  stream->is_open = false;
  codec.forget_body(*stream);
  codec.forget_owed(*stream);
  const bool is_whole = stream->answer_sent && (stream->request_ended || code == NGHTTP2_NO_ERROR);
  if (stream->is_owned && !stream->is_given_up && !is_whole) {
    codec.tell(Event::Kind::reset, *stream, static_cast<ErrorCode>(code));
  }
  codec.close_if_done(*stream);
  return 0;
}

// --- answers --------------------------------------------------------------------------------------------------------

nghttp2_nv as_nv(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // NOLINT: nghttp2 only reads
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

void append_fields(const FieldStore& fields, std::vector<nghttp2_nv>& into) {
  for (const FieldStore::Field& field : fields.fields()) {
    into.push_back(as_nv(fields.name(field), fields.text(field.value)));
  }
}

// Fills the output to its brim, so that under TLS no short record stands behind the full ones.
ssize_t Callbacks::choose_length(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t session_window,
                                 std::int32_t stream_window, std::uint32_t most, void* user) {
  const ServerCodec& codec = codec_of(user);
  const std::size_t room = codec.out_limit_ - std::min(codec.out_limit_, codec.out_->size());
  const std::size_t fitting = std::max(room, dribble_size + frame_header_size) - frame_header_size;
  const auto window = static_cast<std::size_t>(std::max(std::min(session_window, stream_window), 0));
  return static_cast<ssize_t>(std::min({largest_data, std::size_t{most}, window, fitting}));
}

ssize_t Callbacks::read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t most,
                             std::uint32_t* flags, nghttp2_data_source*, void* user) {
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::uint64_t owed = stream->answer.owed.size();
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(owed, most));
  const bool is_last = size == owed && stream->answer.is_ended();
  if (size == 0 && !is_last) {
    stream->is_stalled = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (is_last) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream->answer.trailers().is_empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> fields;
      append_fields(stream->answer.trailers(), fields);
      if (nghttp2_submit_trailer(session, id, fields.data(), fields.size()) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }
  codec_of(user).flood_.sent_data(size < dribble_size && size < owed);
  return static_cast<ssize_t>(size);
}

int Callbacks::send_data(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* header, std::size_t size,
                         nghttp2_data_source*, void* user) {
  ServerCodec& codec = codec_of(user);
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
  std::string& out = *codec.out_;
  if (!stream || stream->answer.owed.size() < size) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t before = out.size();
  if (stream->answer.owed.size() > size) out.reserve(codec.out_limit_);  // more frames follow
  out.append(as_text(header, frame_header_size));
  if (!stream->answer.owed.take(size, out)) {
    out.resize(before);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // nghttp2 resets the stream with INTERNAL_ERROR
  }
  stream->sent += size;
  codec.content_written_ += size;
  codec.owed_ -= size;
  codec.note_owed(*stream);
  return out.size() < codec.out_limit_ ? 0 : NGHTTP2_ERR_PAUSE;
}

int Callbacks::on_frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  ServerCodec& codec = codec_of(user);
  switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS: {
      if (!ends_stream(frame->hd)) return 0;
      auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
      if (!stream) return 0;
      stream->answer_sent = true;
      if (!stream->is_open_tunnel()) codec.give_up_rest(*stream);
      return 0;
    }
    case NGHTTP2_RST_STREAM: {  // by nghttp2, for something that no other callback has told of
      Stream* stream = codec.streams_.find(id_of(*frame));
      codec.own_resets_.add(id_of(*frame));
      const bool is_ours = !stream || stream->is_given_up || frame->rst_stream.error_code == NGHTTP2_NO_ERROR;
      if (is_ours || std::exchange(stream->is_blamed, true)) return 0;
      if (!codec.blame()) codec.fail(ErrorCode::enhance_your_calm);
      return 0;
    }
    default:
      return 0;
  }
}

}  // namespace http::h2
