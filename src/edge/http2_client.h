// edge::Http2Client: a client that speaks HTTP/2 (RFC 9113): moves bytes between its socket and the codec, and events
// from the codec to its streams, each of which has an exchange of its own.
//
//   serving ──(GOAWAY, broken protocol, end of input, deadline)──► closing (sends the rest) ──► lingering ──► closed
//
// It reads whatever comes, since window updates and resets must get through; how much that can be is bounded by the
// codec's windows and flood limits. Frames are taken from the codec only as fast as the client reads them.
#pragma once

#include <memory>
#include <vector>

#include "edge/client_output.h"
#include "edge/client_set.h"
#include "edge/http2_stream.h"
#include "edge/private_upstreams.h"
#include "net/transport.h"

namespace edge {

class Http2Client final : net::Pollable, net::Deferred, public Client {
 public:
  Http2Client(Context& context, ClientSet& set, net::Transport transport, Peer peer);
  ~Http2Client() override;

  // --- Client
  void open(std::string_view received) override;
  void on_sweep(net::Clock::time_point now) override;
  void close() override;

  // --- for streams
  Context& context() { return context_; }
  const Peer& peer() const { return peer_; }
  http::h2::ServerCodec& codec() { return codec_; }
  PrivateUpstreams& private_upstreams() { return private_upstreams_; }
  // Something is to be sent, or to be looked at, at the end of the turn.
  void wrote() { context_.loop.defer(*this); }
  // Sends now what can be sent. Calls no stream.
  void send();
  // The stream is over: buries it.
  void retire(Http2Stream& stream, bool has_share);

 private:
  enum class State { serving, closing, lingering, closed };

  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;
  void read();
  void process(std::string_view bytes);
  void handle(const http::h2::Event& event);
  Http2Stream& add_stream(http::StreamId id, bool has_share);
  void begin_stream(http::StreamId id);
  void settle_streams();
  void lose_streams();
  void begin_closing();
  void linger();
  void discard(std::size_t bytes);
  void sweep_streams(net::Clock::time_point now);
  void sweep_idle(net::Clock::time_point now);
  bool head_is_late(net::Clock::time_point now);

  Context& context_;
  ClientSet& set_;
  net::Transport transport_;
  Peer peer_;
  http::h2::ServerCodec codec_;
  ClientOutput output_;  // frames
  PrivateUpstreams private_upstreams_;
  std::vector<std::unique_ptr<Http2Stream>> streams_;
  State state_ = State::serving;
  net::Clock::time_point since_;       // the state began, or the last stream ended
  net::Clock::time_point head_since_;  // while in_head_
  std::size_t discarded_ = 0;
  bool in_head_ = false;
  bool first_request_ = true;
  bool readable_ = false, half_closed_ = false;
  bool processing_ = false;
  bool draining_ = false;
  bool is_resting_ = false;  // has given its memory back
};

}  // namespace edge
