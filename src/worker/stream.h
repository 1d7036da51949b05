// worker::Stream: one request and its response on the wire, as an exchange sees them, whatever the protocol. An HTTP/1
// connection is one stream after the other (h1/connection.h); an HTTP/2 connection has many at once (h2/stream.h).
//
//   response   start ─ field* ─ finish_head ─ (body | begin_bytes, bytes, end_bytes)* ─ trailer* ─ end
//              ─ finish_response
//              until finish_head nothing is sent but what `inform` says, and `start` begins anew
//   any time   abort_response; before finish_head also respond; open_tunnel instead of it all
//
// What is written waits until send_later, send_now or finish_response. All calls are for the loop's thread; those
// marked so also for the one thread that a stream is lent to. After finish_response, abort_response and respond the
// exchange must not touch its stream again, nor after Exchange::on_lost, which send_now, too, may lead to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "http/message.h"
#include "net/loop.h"
#include "worker/keeper.h"
#include "worker/peer.h"

namespace tls {
struct Facts;
}

namespace worker {

// Both ends of a connection, for as long as it lasts.
struct Ends {
  Peer client;
  std::shared_ptr<const Peer> local;  // shared by the connections of a listener
  const TrustedPeers& trusted_peers;
  bool is_trusted = false;                          // the client's forwarded headers count
  std::shared_ptr<const tls::Facts> tls = nullptr;  // what was agreed; null: the connection is plain
};

enum class Protocol : std::uint8_t { http1, http2 };

// What came of a thread's wait for a client that is slow to read.
enum class Waited : std::uint8_t { some_taken, too_long, client_gone };

class Stream {
 public:
  // --- the request ---------------------------------------------------------------------------------------------------
  // Readable until head_used, also on the thread that the stream is lent to.
  const http::RequestHead& head() const { return *head_; }
  // The head was taken over; its memory may be reused.
  virtual void head_used() = 0;
  const Ends& ends() const { return ends_; }
  const Peer& client() const { return ends_.client; }
  const std::shared_ptr<const Peer>& local() const { return ends_.local; }
  bool is_trusted() const { return ends_.is_trusted; }
  bool is_encrypted() const { return ends_.tls != nullptr; }
  Protocol protocol() const { return protocol_; }
  // The client that X-Forwarded-For names, of a trusted peer; empty: none. A view of the head.
  std::string_view forwarded_client() const;
  // What the access log calls this request from now on, instead of what its client says.
  virtual void name_request(std::string_view id) = 0;
  // Somebody wants the request body: sends 100 Continue if the client waits for it.
  virtual void want_body() = 0;
  // The exchange takes body again after Appetite::full.
  virtual void resume_body() = 0;

  // --- the response; also on the thread that the stream is lent to ---------------------------------------------------
  // Refusals of start, field, finish_head, body and end are as http::ServerCodec describes them.
  // `reason`: HTTP/1 only; the usual phrase where it is empty. Forgets an earlier start of which nothing was sent.
  virtual base::Result<void> start(int status, std::string_view reason = {}) = 0;
  virtual base::Result<void> field(std::string_view name, std::string_view value) = 0;
  // `length`: size of the whole body when it is known; a Content-Length field says the same.
  virtual base::Result<void> finish_head(std::optional<std::uint64_t> length) = 0;
  virtual bool head_is_finished() const = 0;
  virtual base::Result<void> body(std::string_view bytes) = 0;
  // For `size` bytes of body that are not copied but given to send_now, send_borrowed or append_file between the two
  // calls. False: this response has no body (HEAD, 204, 304), and they must not be sent.
  virtual base::Result<bool> begin_bytes(std::uint64_t size) = 0;
  virtual void end_bytes() = 0;
  virtual void append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) = 0;
  // A field behind the body, after its last byte. Dropped where the response has no place for it: HTTP/1 without
  // chunks.
  virtual base::Result<void> trailer(std::string_view name, std::string_view value) = 0;
  // The body is complete.
  virtual base::Result<void> end() = 0;
  // An informational response such as 103 (RFC 8297), before finish_head; nothing to a client that speaks HTTP/1.0.
  virtual base::Result<void> inform(int status, std::span<const http::Header> fields) = 0;
  // Bytes of the response that the client has not taken yet.
  virtual std::uint64_t pending() const = 0;
  // More of them than `memory_limit` go to an unlinked temporary file instead of memory.
  virtual void spool_beyond(std::size_t memory_limit) = 0;

  // More is waiting than should be added to; Exchange::on_drained tells when that is over.
  virtual bool is_congested() const = 0;
  // Sends what was written with the other answers of this turn; or at once, followed by `bytes`.
  virtual void send_later() = 0;
  // What the client does not take of `bytes` is copied, or kept by the keeper.
  virtual void send_now(std::string_view bytes = {}, const Keeper* keeper = nullptr) = 0;

  // --- how an exchange ends ------------------------------------------------------------------------------------------
  // `end` was called. The next request may begin.
  virtual void finish_response() = 0;
  // The response cannot be completed: breaks it off so that the client notices.
  virtual void abort_response() = 0;
  // A whole small response of our own, such as a 500. Nothing was sent before.
  virtual void respond(int status, std::string_view text) = 0;

  // --- tunnels: Upgrade of HTTP/1 (RFC 9110 section 7.8), extended CONNECT of HTTP/2 (RFC 8441) ----------------------
  // Answers 101 or 200 with these fields (checked as `field` does). After the exchange's first resume_body, on_body
  // gets what the client sends; on_client_finished tells its end. What is appended to `tunnel_output` is sent by
  // send_later and send_now. finish_response closes in order. On HTTP/2 a client may send before it has our answer.
  virtual base::Result<void> open_tunnel(std::string_view protocol, std::span<const http::Header> fields) = 0;
  // Valid until the next call of any member.
  virtual std::string& tunnel_output() = 0;

  // --- for a thread that runs the request ----------------------------------------------------------------------------
  // Until take_back, which the loop's thread calls, only that thread touches the stream; the exchange hears nothing.
  virtual void lend() = 0;
  virtual void take_back() = 0;
  // Sends as much of what was written, followed by `bytes`, as can be sent now; false when the client is gone.
  virtual bool send_borrowed(std::string_view bytes = {}, const Keeper* keeper = nullptr) = 0;
  // Waits until the client takes more, for `most` at the longest, then sends.
  virtual Waited wait_borrowed(net::nanoseconds most) = 0;

 protected:
  // `ends` must outlive the stream, and so must what `set_head` is given; the latter comes first of all.
  Stream(const Ends& ends, Protocol protocol) : ends_(ends), protocol_(protocol) {}
  ~Stream() = default;  // the connection owns its streams
  void set_head(const http::RequestHead& head) { head_ = &head; }

 private:
  const http::RequestHead* head_ = nullptr;
  const Ends& ends_;
  Protocol protocol_;
};

}  // namespace worker
