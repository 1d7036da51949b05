// edge::ClientConnection: one client: its bytes, its requests one after the other, its deadlines.
//
//   waiting ──byte──► head ──► exchange ──► waiting …                      keep-alive, pipelining
//      │                │          │
//      └────────────────┴──────────┴──► lingering ──► closed               last answer, errors, timeouts
//
// Reading is edge-triggered and stops while nobody wants the bytes. What is written goes out together at the end of
// the loop's turn. While it waits it holds no buffers.
#pragma once

#include <memory>
#include <string>

#include "edge/client_output.h"
#include "edge/error_page.h"
#include "edge/exchange.h"
#include "edge/request_record.h"
#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "net/loop.h"

namespace edge {

class ClientSet;

class ClientConnection final : net::Pollable, net::Deferred, public Mortal {
 public:
  static base::Result<std::unique_ptr<ClientConnection>> open(Context& context, ClientSet& set, base::Fd socket,
                                                              Peer peer);
  ~ClientConnection() override;

  // For the exchange.
  Context& context() { return context_; }
  http::h1::ServerCodec& codec() { return codec_; }
  const Peer& peer() const { return peer_; }
  RequestRecord& record() { return record_; }
  int socket() const { return socket_.get(); }
  bool body_ended() const { return body_ended_; }
  // The answer's bytes are appended to the output's and announced with `wrote`.
  ClientOutput& output() { return output_; }
  void wrote() { context_.loop.defer(*this); }
  // ClientOutput's, with a broken client noticed.
  void write_through(std::string_view bytes);
  bool flush(ClientOutput::More more = ClientOutput::More::no);
  void continue_reading();
  // A whole answer of our own. Only before the exchange began one.
  void answer(Trouble trouble, int status = 400, std::string_view reason = {});
  // The answer is over; the next request may come.
  void finish();
  // The answer cannot be ended properly: the client must notice, so the connection is closed.
  void abort();
  // A connection towards an app that carries this client's requests only.
  std::unique_ptr<UpstreamConnection> take_private_upstream(const UpstreamPool& pool);
  void keep_private_upstream(std::shared_ptr<UpstreamPool> pool, std::unique_ptr<UpstreamConnection> connection);

  // For the set.
  void on_sweep(net::Clock::time_point now);
  void close();
  std::size_t index = 0;  // in the set

 private:
  enum class State { waiting, head, exchange, lingering, closed };

  ClientConnection(Context& context, ClientSet& set, base::Fd socket, Peer peer);
  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;
  bool wants_event() const;
  void read();
  void process(std::string_view bytes);
  void save_input(std::string_view rest);
  bool handle(const http::Event& event);
  void discard_body(std::size_t bytes);
  void on_head();
  void on_body_end();
  void on_problem(const http::Problem& problem);
  void end_exchange();
  void begin_waiting();
  bool client_left() const;
  void on_client_end();
  void give_up();
  void settle();
  void begin_lingering();
  void discard();
  void sweep_exchange(net::Clock::time_point now);

  Context& context_;
  ClientSet& set_;
  base::Fd socket_;
  Peer peer_;
  State state_ = State::waiting;
  http::h1::ServerCodec codec_;
  http::InputBuffer input_;  // what nobody wanted yet
  ClientOutput output_;
  RequestRecord record_;
  std::unique_ptr<Exchange> exchange_;  // null while state_ is exchange: the rest of a body is read and dropped
  std::unique_ptr<UpstreamConnection> private_upstream_;
  std::shared_ptr<UpstreamPool> private_pool_;
  net::Clock::time_point since_;  // the state began
  net::Clock::time_point last_read_;
  std::chrono::milliseconds body_wanted_for_{0};  // how long we waited for the body in all
  std::size_t discarded_ = 0;
  bool first_request_ = true;
  bool has_body_ = false, body_ended_ = true;  // the current request
  bool readable_ = false, half_closed_ = false;
  bool processing_ = false;
  bool last_answer_ = false;  // close once it is flushed
};

}  // namespace edge
