// edge::UpstreamConnection: one connection towards an app and the request on it, if any.
//
//   idle (in a pool) ──start──► written ──connect──► connecting ──► exchanging ──► over: reused or closed
//                                                                     └──101──► tunnel ──► over: closed
//
// A request is written into the connection's buffer before there is a socket, so that it can wait, and can be tried on
// another socket as long as no app has read it. Reading is edge-triggered; answers are pulled from the codec and told
// to the Receiver, who may pause them. What is written goes out at the end of the loop's turn. Behind the head of a 101
// bytes go both ways as they are; each side ends its own direction.
#pragma once

#include <optional>
#include <string>

#include "edge/context.h"
#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "net/endpoint.h"
#include "net/loop.h"

namespace edge {

class UpstreamPool;

class UpstreamConnection final : net::Pollable, net::Deferred, public Mortal {
 public:
  struct Failure {
    std::string reason;
    bool retry;  // no app has read the request: it may be sent again
  };
  // Events of one request. Callbacks may abandon and bury the connection. After on_upstream_failed with `retry` the
  // request is still in the buffer, for another connect.
  class Receiver {
   public:
    virtual void on_upstream_open() = 0;  // connected: bodies may be sent
    virtual void on_interim(const http::ResponseHead& head) = 0;
    virtual void on_response_head(const http::ResponseHead& head) = 0;
    virtual void on_response_body(std::string_view bytes) = 0;
    virtual void on_response_trailers(std::span<const http::Header> fields) = 0;  // if there are any
    virtual void on_response_end() = 0;  // is_reusable() is settled; of a tunnel: the app's direction
    virtual void on_upstream_failed(Failure failure) = 0;
    virtual void on_upstream_writable() = 0;  // congestion is over, or all that is written will be lost

   protected:
    ~Receiver() = default;
  };

  explicit UpstreamConnection(Context& context);
  ~UpstreamConnection() override;

  // Begins a request; nothing is sent before there is a socket. Fails when the request cannot be written.
  base::Result<void> start(const http::OutgoingRequest& request, Receiver& receiver);
  base::Result<void> send_body(std::string_view bytes);
  base::Result<void> send_end();
  // A new socket for the request in the buffer, from its first byte. Never calls the receiver: a refusal is the result.
  base::Result<void> connect(const net::Endpoint& endpoint);
  // Whether on_upstream_open has been, or a reused socket is there.
  bool is_open() const { return socket_.is_open() && !connecting_; }
  // Fails the attempt to connect; its socket is closed, so that the request is not sent by it later.
  void give_up_connecting();
  // The app takes no more of what is sent; what it says may still come.
  bool is_write_broken() const { return write_broken_; }
  bool is_congested() const { return output_.size() - sent_ > kHighWater; }
  std::size_t buffered() const { return output_.size(); }

  // The receiver wants no more of it; the request is cut.
  void abandon();
  void pause() { paused_ = true; }
  void resume();
  // After the end of the answer: the request went out whole, nothing came behind the answer, both sides keep alive.
  bool is_reusable() const { return reusable_; }

  // Between two requests. A pool is told when the app closes the connection; without one, is_quiet tells.
  void rest(UpstreamPool* pool);
  void wake() { pool_ = nullptr; }
  // Looks at the socket once more: nothing has come and nobody has left.
  bool is_quiet() const;
  net::Clock::time_point idle_since() const { return idle_since_; }

 private:
  static constexpr std::size_t kHighWater = 256 << 10;

  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override { flush(); }
  void finish_connecting();
  void leave_pool();
  void flush();
  void end_if_sent();
  void write_failed(int error);
  void watch_writes(bool on);
  void read();
  void read_failed(int error);
  void process(std::string_view bytes);
  bool handle(const http::Event& event, bool is_last);
  void fail(std::string reason, bool retry);
  void close_socket();

  Context& context_;
  UpstreamPool* pool_ = nullptr;  // where it rests
  Receiver* receiver_ = nullptr;  // whose request it carries
  base::Fd socket_;
  http::h1::ClientCodec codec_;
  std::string output_;
  std::size_t sent_ = 0;     // of output_; what was sent is kept while the request may have to go out again
  http::InputBuffer input_;  // what came while paused
  bool is_unix_ = false, reused_ = false, has_body_ = false, safe_ = false;
  bool connecting_ = false, watching_writes_ = false, readable_ = false, ended_by_peer_ = false, paused_ = false;
  bool touched_ = false;       // a byte of the request was accepted by the socket
  bool answered_ = false;      // a byte of the answer came
  bool write_broken_ = false;  // the app reads no more of the body; its answer may still come
  bool reusable_ = false, in_read_ = false;
  bool is_tunnel_ = false;
  bool end_when_sent_ = false;  // of a tunnel: our direction is over
  net::Clock::time_point idle_since_;
};

}  // namespace edge
