// http::ServerCodec, http::ClientCodec: turn bytes into message events and back, without I/O.
//
// Reading is pulled: the owner of the connection gives the bytes it has and asks for the next event. To pause (a
// pipelined request must wait; a body meets backpressure), simply do not ask. Events of a message come in this order:
//
//     head  body*  end         failed may come instead of any of them; need_input between any two
//
// Every event, need_input too, says how many bytes it used up: the owner drops them from the front of its input before
// it asks again, with more bytes behind the rest. The views of a head or body event point into the bytes just given and
// are valid until those are moved or overwritten.
//
// A codec belongs to one connection and one thread. HTTP/2 will number its streams; HTTP/1 has stream 0 only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace http {

using StreamId = std::uint32_t;

enum class Underscores : std::uint8_t { drop, keep, reject };  // header names with "_": CGI would confuse them with "-"

// Bounds for what a peer may send. Defaults are those of the edge and of `serai serve`.
struct Limits {
  std::uint32_t head_bytes = 32 * 1024;       // start line and fields; beyond: 431
  std::uint32_t target_bytes = 8 * 1024;      // beyond: 414
  std::uint32_t headers = 100;                // count; beyond: 431
  std::uint64_t body_bytes = 32 << 20;        // without framing; beyond: 413
  std::uint32_t chunk_extension_bytes = 256;  // per chunk; beyond: 400
  std::uint32_t trailer_bytes = 8 * 1024;     // beyond: 431
  Underscores underscores = Underscores::drop;
};

struct Event {
  enum class Kind : std::uint8_t {
    need_input,  // give more bytes
    head,        // head() is whole
    interim,     // client side: head() is a 1xx answer; the real head follows
    body,        // `body` is the next piece
    end,         // the message is over; asking again begins the next one
    closed,      // the last message of this connection is over: further bytes mean nothing
    failed,      // problem() says why; nothing more can be read from this connection
  };
  Kind kind = Kind::need_input;
  StreamId stream = 0;
  std::size_t consumed = 0;
  std::string_view body;
};

// Why reading failed: the status to answer with (server side) and a sentence for the log and the answer's text.
struct Problem {
  int status = 0;
  std::string_view reason;  // static text
};

class ServerCodec {
 public:
  virtual ~ServerCodec() = default;

  virtual Event next(std::string_view input) = 0;
  virtual const RequestHead& head(StreamId stream) const = 0;
  virtual const Problem& problem() const = 0;
  // For this message's body from now on; an owner that learns the limit from the head sets it before it asks on.
  virtual void set_body_limit(StreamId stream, std::uint64_t bytes) = 0;

  // The answer, appended to `out`: start, any number of fields, finish_head, bytes, end. A refusal (a name that is no
  // token; a control character in a value; more or fewer bytes than declared) leaves `out` as it was before the call;
  // after finish_head it also makes keep_alive() false. Before that, the owner may cut `out` back and answer otherwise.
  // Connection, Keep-Alive, Transfer-Encoding, Upgrade and other hop-by-hop fields are the codec's: they are taken as
  // wishes (`Connection: close`) or dropped.
  virtual base::Result<void> start(StreamId stream, int status, std::string& out) = 0;
  virtual base::Result<void> field(StreamId stream, std::string_view name, std::string_view value,
                                   std::string& out) = 0;
  // `length`: size of the whole body when it is known; a Content-Length field says the same.
  virtual base::Result<void> finish_head(StreamId stream, std::optional<std::uint64_t> length, std::string& out) = 0;
  virtual base::Result<void> body(StreamId stream, std::string_view bytes, std::string& out) = 0;
  virtual base::Result<void> end(StreamId stream, std::string& out) = 0;
  // For bodies that are sent without copying (writev, sendfile): what stands before and after `size` bytes. Returns
  // false when these bytes must not be sent (an answer to HEAD, 204, 304).
  virtual base::Result<bool> begin_bytes(StreamId stream, std::uint64_t size, std::string& out) = 0;
  virtual void end_bytes(StreamId stream, std::string& out) = 0;
  // 100 Continue, for a head with expect_continue, once somebody wants the body.
  virtual void write_continue(StreamId stream, std::string& out) = 0;
  // An answer that is the connection's last one says so; ask before start.
  virtual void announce_close() = 0;
  // Whether another request may follow the answer being written; settled by finish_head, spoilt by refusals.
  virtual bool keep_alive() const = 0;
};

class ClientCodec {
 public:
  virtual ~ClientCodec() = default;

  // Appends a request head; on HTTP/1 one request at a time. Refuses what would not be read back as the same fields.
  virtual base::Result<StreamId> send_head(const OutgoingRequest& request, std::string& out) = 0;
  virtual base::Result<void> send_body(StreamId stream, std::string_view bytes, std::string& out) = 0;
  virtual base::Result<void> send_end(StreamId stream, std::string& out) = 0;

  virtual Event next(std::string_view input) = 0;
  // The peer closed: `end` for a body that ends so, `failed` for anything cut off, `closed` between messages.
  virtual Event end_of_input() = 0;
  virtual const ResponseHead& head(StreamId stream) const = 0;
  virtual const Problem& problem() const = 0;
  // Whether the connection can take another request now.
  virtual bool reusable() const = 0;
};

}  // namespace http
