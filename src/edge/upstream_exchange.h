// edge::UpstreamExchange: one request answered by an app.
//
//   written ──► connecting ──► exchanging ──► answered
//      ▲  │          │
//      │  └► held ◄──┘    on hold, not reachable, or broken off before the app read the request
//      └──────┘           at the next routes, or after a while
//
//                              └──101──► tunnel ──► over     both sides have ended, or one for long, or both are silent
//
// The request waits in its upstream connection's buffer, so whatever happens before an app reads it is not lost. Bodies
// stream both ways, each side read only as fast as the other takes it.
#pragma once

#include <memory>
#include <string>

#include "edge/exchange.h"
#include "edge/hold_queue.h"
#include "edge/stream.h"
#include "edge/upstream_pool.h"

namespace edge {

enum class Upgrade : std::uint8_t { none, websocket };

class UpstreamExchange final : public Exchange, UpstreamConnection::Receiver, Held {
 public:
  UpstreamExchange(Stream& client, std::string app) : client_(client), app_(std::move(app)) {}

  // `upgrade`: what the head asks for, rightly.
  void begin(const App& app, const http::RequestHead& head, Upgrade upgrade);

  bool wants_body() const override;
  void on_body(std::string_view bytes) override;
  void on_body_end() override;
  void on_drained() override;
  void on_cut() override;
  void on_sweep(net::Clock::time_point now) override;

 private:
  void on_upstream_open() override;
  void on_interim(const http::ResponseHead& head) override;
  void on_response_head(const http::ResponseHead& head) override;
  void on_response_body(std::string_view bytes) override;
  void on_response_trailers(std::span<const http::Header> fields) override;
  void on_response_end() override;
  void on_upstream_failed(UpstreamConnection::Failure failure) override;
  void on_upstream_writable() override;
  void on_released() override;
  void on_hold_expired(Why why) override;

  void open_tunnel(const http::ResponseHead& head);
  void end_tunnel();
  void sweep_tunnel(net::Clock::time_point now);
  void choose_place(const App& app);
  bool is_shared() const { return pool_->upstream().pooling == Pooling::shared; }
  bool take_idle(const App& app);
  void try_app(const App& app);
  void hold(const App& app, Why why);
  void fail(Trouble trouble, std::string_view reason);
  void note_failure(std::string_view reason);
  AppRuntime& runtime() { return *client_.record().runtime(); }
  net::Loop& loop() { return client_.context().loop; }

  Stream& client_;
  std::string app_;
  std::shared_ptr<UpstreamPool> pool_;  // of the upstream in use
  std::unique_ptr<UpstreamConnection> upstream_;
  std::chrono::seconds request_timeout_{0}, tunnel_idle_{0};
  net::Clock::time_point hold_until_;                        // set when it is held first
  net::Clock::time_point connecting_since_, waiting_since_;  // the latter is of a tunnel's last byte, too
  std::string websocket_key_;                                // of a WebSocket that came over HTTP/2
  int quick_retries_ = 0;
  bool was_held_ = false, expect_continue_ = false, answering_ = false;
  bool wants_trailers_ = false;
  bool is_tunnel_ = false, upstream_ended_ = false;
};

}  // namespace edge
