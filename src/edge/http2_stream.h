// edge::Http2Stream: one request on an HTTP/2 connection and the answer to it.
//
//   asked ──► (exchange) ──► finished ──► over        once all of the answer went to the client
//     └───────────┴─────────────┴── reset, aborted ──► over
//
// Of a body, what the exchange does not take yet waits here, within the stream's window. Owned by the Http2Client,
// which buries it when it is over.
#pragma once

#include <memory>
#include <string>

#include "edge/exchange.h"
#include "edge/stream.h"
#include "http/h2/server_codec.h"
#include "net/loop.h"

namespace edge {

class Http2Client;

class Http2Stream final : public Mortal, Stream {
 public:
  // `has_share`: one of the ClientSet's, to be given back.
  Http2Stream(Http2Client& client, http::StreamId id, bool has_share);

  // --- what the client does
  void begin(bool is_admitted);
  void on_body(std::string_view bytes);
  void on_request_end();
  void refuse(const http::Problem& problem);
  // Nothing more can be said: it has reset the stream, or is gone.
  void lose();

  void on_sweep(net::Clock::time_point now);
  // Looks at how far the answer has come, after the codec has written.
  void settle();

  std::size_t position = 0;  // the client's

 private:
  // --- Stream
  void set_body_limit(std::uint64_t bytes) override;
  bool body_ended() const override { return body_ended_; }
  void continue_reading() override;
  void send_continue() override;
  void inform(const AnswerHead& head) override;
  base::Result<void> pass_head(const AnswerHead& head) override;
  bool head_is_finished() const override;
  base::Result<void> pass_body(std::string_view bytes) override;
  void pass_trailers(std::span<const http::Header> fields) override;
  base::Result<void> end() override;
  void pass_file(base::Fd file, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> open_tunnel(const AnswerHead& head) override;
  bool is_congested() const override;
  void want_room() override;
  void finish() override;
  void abort() override;
  PrivateUpstreams& private_upstreams() override;
  void begin_own_answer() override;

  http::h2::ServerCodec& codec() const;
  void end_exchange();
  void leave();
  bool takes_body() const { return exchange_ && !awaits_tunnel_ && waiting_.empty() && exchange_->wants_body(); }
  bool body_is_too_slow(net::Clock::time_point now);
  bool is_stalled(net::Clock::time_point now);

  Http2Client& client_;
  const http::StreamId id_;
  std::unique_ptr<Exchange> exchange_;
  std::string waiting_;  // of the body
  net::Clock::time_point last_read_, last_progress_;
  std::chrono::milliseconds body_wanted_for_{0};
  std::uint64_t body_limit_ = UINT64_MAX;
  std::uint64_t sent_ = 0, sent_by_all_ = 0;  // of the answers' bodies, when that was looked at last
  const bool has_share_;
  bool has_body_ = false;
  bool request_ended_ = false, body_ended_ = false;  // the latter: the exchange knows
  bool awaits_tunnel_ = false;                       // a WebSocket was asked for: what comes is not this request's
  bool is_tunnel_ = false, room_wanted_ = false, finished_ = false, over_ = false;
};

}  // namespace edge
