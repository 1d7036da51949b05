// http::h2::ServerCodec: the server's side of one HTTP/2 connection (RFC 9113), without I/O: bytes in, events out;
// answers in, bytes out. It stands over nghttp2 and looks like http/codec.h as far as HTTP/2 allows.
//
// Reading is pulled as there: the owner gives the bytes it has and asks for the next event until it gets need_input,
// which says how many bytes were used up; until then the bytes stay where they are. Writing makes events too, so ask
// again, with whatever bytes there are (none is fine), after each write. Events of a stream come in this order:
//
//     head  body*  end          `refused` or `reset` may come instead of any of them; `drained` any time after a body()
//
// A stream belongs to its owner from head (or refused) until `release`, also when the peer has reset it meanwhile: so
// long it counts as open, whatever the peer says, and an app can be given no more than `Options::streams` to do.
//
//     owner:  head ─► start field* finish_head (body* end) ─► release         reset ─► release
//
// Flow control: bytes of a body event are the owner's to buffer; the peer may send more once `consumed` says that the
// app has taken them. What is answered waits in the codec until the peer's windows and the owner's output take it:
// `owed` says how much that is, `drained` comes when it has fallen below the low-water mark.
//
// One thread. Calls from inside of nothing: the codec calls nobody back but BodySource.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/codec.h"
#include "http/h2/body_source.h"
#include "http/h2/flood.h"
#include "http/h2/frame_scan.h"
#include "http/h2/own_resets.h"
#include "http/h2/stream_table.h"
#include "http/message.h"

struct nghttp2_session;

namespace http::h2 {

struct Callbacks;

// RFC 9113 section 7.
enum class ErrorCode : std::uint32_t {
  no_error,
  protocol_error,
  internal_error,
  flow_control_error,
  settings_timeout,
  stream_closed,
  frame_size_error,
  refused_stream,
  cancel,
  compression_error,
  connect_error,
  enhance_your_calm,
  inadequate_security,
  http_1_1_required,
};

struct Options {
  Limits limits;                            // of each request; head_bytes counts as SETTINGS_MAX_HEADER_LIST_SIZE does
  FloodLimits flood;                        // see flood.h
  std::string server_name = "serai";        // the Server field unless the app sends one; empty for none
  std::uint32_t streams = 100;              // open at once, those that the owner still works on among them
  std::uint32_t stream_window = 64 * 1024;  // bytes of a body that may be on their way or unconsumed
  std::uint32_t connection_window = 1 << 20;  // the same for all streams together
  std::uint32_t low_water = 16 * 1024;        // bytes owed, for `drained`
  bool websockets = true;                     // take extended CONNECT (RFC 8441)
  std::chrono::steady_clock::time_point (*clock)() = &std::chrono::steady_clock::now;  // asked at suspicious frames
};

struct Event {
  enum class Kind : std::uint8_t {
    need_input,  // nothing more to tell: give more bytes
    head,        // head(stream) is whole
    body,        // `body` is the next piece; views point into the bytes given
    end,         // the request is over; trailers(stream) are there
    refused,     // problem(stream) says which status to answer with and why; no further events but reset and drained
    reset,       // the stream is over, `code` says why: the peer gave it up or broke the protocol on it
    drained,     // what is owed to the stream has fallen below the low-water mark
    closed,      // nothing more can be read: write what there is and close. Streams end without further events
  };
  Kind kind = Kind::need_input;
  StreamId stream = 0;
  ErrorCode code = ErrorCode::no_error;
  void* user = nullptr;  // what `attach` said
  std::size_t consumed = 0;
  std::string_view body;
};

// What the first bytes of a connection without ALPN mean: "prior knowledge" of RFC 9113 section 3.3.
enum class Preface : std::uint8_t { h2, not_h2, undecided };
Preface look_for_preface(std::string_view input);

class ServerCodec {
 public:
  // The options must outlive the codec and may serve many. The first write sends our settings.
  explicit ServerCodec(const Options& options);
  ~ServerCodec();
  ServerCodec(const ServerCodec&) = delete;
  ServerCodec& operator=(const ServerCodec&) = delete;

  // --- reading
  Event next(std::string_view input);
  // Of a stream that is the owner's; views live until its release. Different from HTTP/1: major_version is 2; a `host`
  // field made from :authority comes first; cookie fields are joined to one (RFC 9113 section 8.2.3); a WebSocket
  // (RFC 8441) has Method::connect and `upgrade` "websocket", and its body is the tunnel.
  const RequestHead& head(StreamId stream) const;
  // "http" or "https", as the client says.
  std::string_view scheme(StreamId stream) const;
  std::span<const Header> trailers(StreamId stream) const;
  const Problem& problem(StreamId stream) const;
  void set_body_limit(StreamId stream, std::uint64_t bytes);
  // The app has taken so many bytes of the body: the peer may send as many more.
  void consumed(StreamId stream, std::size_t bytes);
  // A pointer of the owner's that each later event of the stream brings along.
  void attach(StreamId stream, void* user);

  // --- answering. As in http::ServerCodec: a refusal before finish_head lets the owner begin anew with
  // restart_answer; after it, the stream is best reset. On a stream that the peer has reset they do nothing.
  base::Result<void> start(StreamId stream, int status);
  base::Result<void> field(StreamId stream, std::string_view name, std::string_view value) {
    return field(stream, Header{name, value, find_header_id(name)});
  }
  base::Result<void> field(StreamId stream, const Header& header);
  base::Result<void> finish_head(StreamId stream, std::optional<std::uint64_t> length);
  void restart_answer(StreamId stream);
  // Bytes are copied once here, and once into the output.
  base::Result<void> body(StreamId stream, std::string_view bytes);
  // `keeper` keeps the bytes alive until they are in the output or the stream is over: large ones are copied only
  // there. Without a keeper they must live forever, as literals do, or until copy_rest.
  base::Result<void> body(StreamId stream, std::string_view bytes, std::shared_ptr<const void> keeper);
  // After a write: what it left of the last bytes, if they were given without a keeper. They are copied, since their
  // owner will not keep them; or get a keeper, which many are worth.
  std::uint64_t unkept(StreamId stream) const;
  void copy_rest(StreamId stream);
  void keep_rest(StreamId stream, std::shared_ptr<const void> keeper);
  base::Result<void> body(StreamId stream, std::unique_ptr<BodySource> source, std::uint64_t size);
  // Fields behind the body, between the last of it and end.
  base::Result<void> trailer(StreamId stream, std::string_view name, std::string_view value);
  // A request body that is not over by then is given up (RST_STREAM with NO_ERROR, RFC 9113 section 8.1). A tunnel may
  // end in one direction only: its peer may still end the other, but not send anything more after the release.
  base::Result<void> end(StreamId stream);
  // 100 or 103 (RFC 8297), before finish_head.
  base::Result<void> inform(StreamId stream, int status, std::span<const Header> headers = {});
  // Gives the stream up, whatever was said or is owed. It still needs its release.
  void reset(StreamId stream, ErrorCode code);
  // The owner is done with the stream; what is owed is still sent. Resets one whose answer has not ended.
  void release(StreamId stream);
  // RFC 9218: 0 (first) to 7; overrides what the client says from now on.
  void set_priority(StreamId stream, unsigned urgency, bool incremental);

  // --- of an answer
  // Bytes said but not in the output yet.
  std::uint64_t owed(StreamId stream) const;
  int status(StreamId stream) const;
  std::uint64_t body_bytes(StreamId stream) const;  // content said so far
  std::uint64_t sent_bytes(StreamId stream) const;  // of these, what is in the output, also when the rest never will be
  bool head_is_finished(StreamId stream) const;
  // The peer's window for the stream lets something through; whether the connection's does is another matter.
  bool has_window(StreamId stream) const;
  // The peer has reset the stream, or the owner has.
  bool is_over(StreamId stream) const;

  // --- writing
  bool wants_write() const;
  // Appends frames to `out` until it has `room` bytes more or there is nothing to send now.
  void write(std::string& out, std::size_t room = 64 * 1024);
  // Grows whenever a byte of content goes to the output: the owner's sign that a slow reader still reads.
  std::uint64_t content_written() const { return content_written_; }
  std::uint64_t owed() const { return owed_; }  // of all streams

  // --- the connection
  void ping();
  // Says that the connection will end (GOAWAY, then the final one after a round trip); streams in progress go on.
  void shut_down();
  // Ends at once: the final GOAWAY; streams are over. Write, then close.
  void terminate(ErrorCode code);
  // Neither reads nor writes any more: close.
  bool is_finished() const;
  // Streams that are the owner's or still have something to send.
  std::size_t open_streams() const { return streams_.size(); }
  bool is_idle() const { return open_streams() == 0; }
  // The preface or a request head has begun but is not whole: the header timeout applies.
  bool in_head() const { return !preface_seen_ || head_stream_ != 0; }
  // Gives memory back that is kept for further streams: when the connection has been idle for a while.
  void give_back();

 private:
  friend struct Callbacks;  // what nghttp2 tells: callbacks.cc
  struct SessionDeleter {
    void operator()(nghttp2_session* session) const;
  };

  void feed(std::string_view input);
  bool feed_frame(std::string_view part);
  ErrorCode check_place(const FrameHeader& frame) const;
  std::optional<Event> take_event();
  void tell(Event::Kind kind, const Stream& stream, ErrorCode code = ErrorCode::no_error, std::string_view body = {});
  void fail(ErrorCode code);
  // Each returns false once the peer has gone too far.
  bool blame(std::uint32_t points = 1);
  bool refuse(Stream& stream, const Problem& problem);

  Stream& known(StreamId stream) const;
  void make_ready(const Stream& stream);
  void submit(Stream& stream);
  void resume(Stream& stream);
  void note_owed(Stream& stream);
  void submit_ready();
  void give_up(Stream& stream, ErrorCode code);
  void give_up_rest(const Stream& stream);
  void forget_body(Stream& stream);
  void forget_owed(Stream& stream);
  void choose_priority(const Stream& stream);
  void close_if_done(Stream& stream);
  void finish_shutdown();

  const Options& options_;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  Flood flood_;
  FrameScan scan_;
  OwnResets own_resets_;
  StreamTable streams_;
  std::vector<Event> events_;
  std::size_t next_event_ = 0;
  std::size_t fed_ = 0;          // bytes of the input that nghttp2 has seen
  std::vector<StreamId> ready_;  // answers to be submitted
  std::string* out_ = nullptr;   // while writing
  std::size_t out_limit_ = 0;
  std::uint64_t content_written_ = 0;
  std::uint64_t owed_ = 0;
  StreamId head_stream_ = 0;  // the one whose head is being read
  StreamId last_stream_ = 0;
  std::uint32_t continuations_ = 0;          // of the head being read
  ErrorCode failure_ = ErrorCode::no_error;  // found in a callback
  bool preface_seen_ = false;
  bool peer_has_priorities_ = false;
  bool failed_ = false;
  bool write_failed_ = false;
  bool shutting_down_ = false;
  bool final_goaway_ = false;
};

}  // namespace http::h2
