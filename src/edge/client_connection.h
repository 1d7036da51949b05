// edge::ClientConnection: a client that speaks HTTP/1: its bytes, its requests one after the other, its deadlines. It
// is the stream of each of them.
//
//   waiting ──byte──► head ──► exchange ──► waiting …                      keep-alive, pipelining
//      │                │          │ └─101─► exchange as a tunnel
//      └────────────────┴──────────┴──► lingering ──► closed               last answer, errors, timeouts
//
// Reading is edge-triggered and stops while nobody wants the bytes. What is written goes out together at the end of
// the loop's turn. While it waits it holds no buffers.
#pragma once

#include <memory>
#include <string>

#include "edge/client_output.h"
#include "edge/client_set.h"
#include "edge/exchange.h"
#include "edge/stream.h"
#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "net/loop.h"
#include "net/transport.h"

namespace edge {

class ClientConnection final : net::Pollable, net::Deferred, public Client, Stream {
 public:
  ClientConnection(Context& context, ClientSet& set, net::Transport transport, Peer peer);
  ~ClientConnection() override;

  // --- Client
  void open(std::string_view received) override;
  void on_sweep(net::Clock::time_point now) override;
  void close() override;

 private:
  enum class State { waiting, head, exchange, lingering, closed };

  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;

  // --- Stream
  void set_body_limit(std::uint64_t bytes) override { codec_.set_body_limit(0, bytes); }
  bool body_ended() const override { return body_ended_; }
  void continue_reading() override;
  void send_continue() override;
  void inform(const AnswerHead& head) override;
  base::Result<void> pass_head(const AnswerHead& head) override;
  bool head_is_finished() const override { return codec_.response().head_is_finished(); }
  base::Result<void> pass_body(std::string_view bytes) override;
  void pass_trailers(std::span<const http::Header> fields) override;
  base::Result<void> end() override;
  void pass_file(base::Fd file, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> open_tunnel(const AnswerHead& head) override;
  bool is_congested() const override { return output_.is_congested(); }
  void want_room() override { output_.want_room(); }
  void finish() override;
  void abort() override;
  PrivateUpstreams& private_upstreams() override { return private_upstreams_; }
  void begin_own_answer() override;

  bool wants_event() const;
  void read();
  void process(std::string_view bytes);
  bool is_for_http2(std::string_view bytes);
  void become_http2();
  void process_tunnel(std::string_view bytes);
  void save_input(std::string_view rest);
  bool handle(const http::Event& event);
  void discard_body(std::size_t bytes);
  void on_head();
  void on_body_end();
  void on_problem(const http::Problem& problem);
  void wrote() { context_.loop.defer(*this); }
  void write(std::string_view bytes);  // `wrote` is the caller's
  bool flush(ClientOutput::More more = ClientOutput::More::no);
  void send_file();
  void end_exchange();
  void end_record();
  void begin_waiting();
  bool client_left();
  bool has_more_input();
  void on_client_end();
  void give_up();
  void settle();
  void begin_lingering();
  void discard();
  void sweep_exchange(net::Clock::time_point now);

  // What is left of an answer's file.
  struct FilePart {
    base::Fd file;
    std::uint64_t offset = 0, length = 0;
  };

  Context& context_;
  ClientSet& set_;
  net::Transport transport_;
  Peer peer_;
  State state_ = State::waiting;
  http::h1::ServerCodec codec_;
  http::InputBuffer input_;  // what nobody wanted yet
  ClientOutput output_;
  FilePart file_;
  std::unique_ptr<Exchange> exchange_;  // null while state_ is exchange: the rest of a body is read and dropped
  PrivateUpstreams private_upstreams_;
  net::Clock::time_point since_;  // the state began
  net::Clock::time_point last_read_;
  std::chrono::milliseconds body_wanted_for_{0};  // how long we waited for the body in all
  std::size_t discarded_ = 0;
  bool first_request_ = true;
  bool has_body_ = false, body_ended_ = true;  // the current request
  bool is_tunnel_ = false;                     // its bytes are another protocol's
  bool end_when_sent_ = false;                 // of a tunnel: our direction is over
  bool readable_ = false, half_closed_ = false;
  bool processing_ = false;
  bool last_answer_ = false;  // close once it is flushed
};

}  // namespace edge
