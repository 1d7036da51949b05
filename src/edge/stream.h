// edge::Stream: one request of a client and the answer to it, as an exchange sees them, whatever the protocol. A client
// that speaks HTTP/1 is one stream after the other (client_connection.h), one that speaks HTTP/2 has many at a time
// (http2_stream.h).
//
//   answer    inform* ─ pass_head ─ pass_body* ─ pass_trailers? ─ end ─ finish    of an app
//             pass_head ─ pass_file                      of a file
//             open_tunnel ─ pass_body* ─ end ─ finish    another protocol's bytes, both ways (RFC 9110 section 7.8)
//             answer                                     of our own, as long as no head was passed
//   any time  abort
//
// finish, abort, answer and the end of a file bury the exchange. What is written waits until the end of the loop's
// turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "edge/context.h"
#include "edge/error_page.h"
#include "edge/forward_headers.h"
#include "edge/private_upstreams.h"
#include "edge/request_record.h"
#include "http/message.h"

namespace edge {

// The head of an answer. Views must outlive the call only.
struct AnswerHead {
  int status = 0;
  std::span<const http::Header> fields;  // hop-by-hop ones among them are left out
  bool nominates = false;                // as in http::ResponseHead
  std::optional<std::uint64_t> length;   // of the body, when it is known
};

// Of a head that has no body: all but the hop-by-hop ones and a length.
std::vector<http::Header> fields_to_pass(const AnswerHead& head);

class Stream {
 public:
  Context& context() const { return context_; }
  const Peer& peer() const { return peer_; }
  RequestRecord& record() { return record_; }

  // --- the request
  virtual void set_body_limit(std::uint64_t bytes) = 0;
  // All of it was told to the exchange.
  virtual bool body_ended() const = 0;
  // The exchange takes body bytes again; or for the first time, so a client that waits for 100 Continue gets it.
  virtual void continue_reading() = 0;
  virtual void send_continue() = 0;

  // --- the answer. A refusal means that it is nothing a client could read: abort, or answer otherwise.
  // An informational one, such as 103 (RFC 8297), before the head; what cannot be passed on is left out.
  virtual void inform(const AnswerHead& head) = 0;
  virtual base::Result<void> pass_head(const AnswerHead& head) = 0;
  virtual bool head_is_finished() const = 0;
  virtual base::Result<void> pass_body(std::string_view bytes) = 0;
  // Left out where the answer has no place for them.
  virtual void pass_trailers(std::span<const http::Header> fields) = 0;
  virtual base::Result<void> end() = 0;
  // The whole body, sent as fast as the client takes it; then the answer is over.
  virtual void pass_file(base::Fd file, std::uint64_t offset, std::uint64_t length) = 0;
  // Answers that the connection goes on with a WebSocket, with these fields. From now on Exchange::on_body is told the
  // client's bytes and on_body_end its end, and pass_body sends as they are; `end` closes our direction only.
  virtual base::Result<void> open_tunnel(const AnswerHead& head) = 0;

  // More waits for the client than should be added to. Exchange::on_drained tells the end of it, once asked for.
  virtual bool is_congested() const = 0;
  virtual void want_room() = 0;

  // The answer is over; the next request may come.
  virtual void finish() = 0;
  // The answer cannot be ended properly: the client must notice.
  virtual void abort() = 0;
  // A whole answer of our own. `status` and `reason` are for Trouble::bad_request.
  void answer(Trouble trouble, int status = 400, std::string_view reason = {});

  // The connections towards an app's own server that carry this client's requests only.
  virtual PrivateUpstreams& private_upstreams() = 0;

 protected:
  // `peer` must outlive it.
  Stream(Context& context, const Peer& peer) : context_(context), peer_(peer) {}
  ~Stream() = default;
  // An answer of our own comes instead of the exchange's, which is to be cut, perhaps before the body has been read.
  virtual void begin_own_answer() = 0;

 private:
  Context& context_;
  const Peer& peer_;
  RequestRecord record_;
};

}  // namespace edge
