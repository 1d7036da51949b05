// worker::Connection: one client. Reads requests one after the other, hands each to an exchange, and sends what
// exchanges write. Owned by worker::Server.
//
//   reading side   head ──► body ──► complete ──(answered)──► head …
//                            └─(answered early)─► discarding ─► head …
//   any ──► closing (send the rest, then linger so that the client can read it) ──► closed
//
// Sockets are watched edge-triggered: `readable_` remembers that there may be bytes to read, so pausing costs nothing.
// While it is lent to a WSGI thread, only that thread touches it; the loop only notes events (`missed_`).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "net/address.h"
#include "net/loop.h"
#include "worker/access.h"
#include "worker/exchange.h"
#include "worker/output.h"
#include "worker/peer.h"

namespace worker {

class Server;

class Connection final : public net::Pollable, public net::Deferred {
 public:
  Connection(Server& server, net::Accepted accepted, std::shared_ptr<const Peer> local);
  ~Connection();

  // --- for the exchange
  // -----------------------------------------------------------------------------------------------
  const http::RequestHead& head() const { return codec_.head(); }
  // The head was taken over; its memory may be reused.
  void head_used();
  const Peer& client() const { return client_; }
  const std::shared_ptr<const Peer>& local() const { return local_; }
  // Whether forwarded headers of this client count.
  bool is_trusted() const { return trusted_; }
  // The client that X-Forwarded-For names, of a trusted peer; empty: none. A view of the head.
  std::string_view forwarded_client() const;
  // Somebody wants the request body: sends 100 Continue if the client waits for it.
  void want_body();
  // The exchange takes body again after Appetite::full.
  void resume_body();

  http::h1::ServerCodec& codec() { return codec_; }
  Output& output() { return output_; }
  int socket() const { return socket_.get(); }
  bool is_congested() const { return output_.pending() >= high_water; }
  // Before the response's start: says `Connection: close` where no other request can follow.
  void prepare_response();
  // The output has grown: send it at the end of the turn; or now.
  void send_later();
  void send_now(std::string_view bytes = {});
  // The response's last byte is in the output. The exchange is over; the next request may begin.
  void finish_response();
  // The response cannot be completed: closes without a proper end, so that the client notices.
  void abort_response();
  // A whole small response of our own, such as a 500.
  void respond(int status, std::string_view text);

  // --- for a thread that runs the request
  // -----------------------------------------------------------------------------
  void lend() { lent_ = true; }
  // Back on the loop's thread; gives the events missed meanwhile, for on_ready once the response is settled.
  std::uint32_t take_back();
  // Sends what the socket takes, from any thread that has borrowed the connection; false when the client is gone.
  bool send_borrowed(std::string_view bytes = {});

  // --- for the server
  // -------------------------------------------------------------------------------------------------
  void start();
  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;
  void on_time(net::Clock::time_point now);
  net::Clock::time_point deadline() const { return std::min(read_deadline_, write_deadline_); }
  // Between requests, with nothing to send.
  bool is_idle() const;
  void close();

  std::size_t position = 0;  // in the server's list

  static constexpr std::size_t high_water = 64 * 1024;
  static constexpr std::size_t low_water = 16 * 1024;

 private:
  enum class Reading : std::uint8_t { head, body, complete, discarding, lingering, closed };

  void advance();
  bool wants_input() const;
  bool read_once();
  void parse();
  bool may_parse() const;
  void handle(const http::Event& event);
  void begin_exchange();
  void end_request();
  void fail(int status, std::string_view reason);
  void on_end_of_input();
  void peer_gone();
  void flush();
  void after_flush(Sent sent);
  void begin_closing();
  void linger();
  void next_request();
  void set_read_deadline(net::nanoseconds delay);
  void lose_exchange();
  void log_response(bool aborted);
  void log_refusal(int status, std::size_t bytes_out);

  Server& server_;
  base::Fd socket_;
  Peer client_;
  std::shared_ptr<const Peer> local_;
  http::h1::ServerCodec codec_;
  http::InputBuffer input_;
  std::unique_ptr<char[]> head_memory_;  // what the head's views point into, when it had to be kept aside
  Output output_;
  std::unique_ptr<AccessRecord> record_;  // of the request in progress, while an access log is kept
  Exchange* exchange_ = nullptr;
  net::Clock::time_point read_deadline_ = net::Clock::time_point::max();
  net::Clock::time_point write_deadline_ = net::Clock::time_point::max();
  std::uint64_t discarded_ = 0;
  std::uint32_t missed_ = 0;
  Reading reading_ = Reading::head;
  bool trusted_ = false;
  bool lent_ = false;
  bool readable_ = false;  // there may be bytes in the socket
  bool hung_up_ = false;   // the client's FIN was seen: read to the end
  bool input_ended_ = false;
  bool head_in_use_ = false;
  bool body_full_ = false;  // the exchange does not take body now
  bool awaits_continue_ = false;
  bool was_congested_ = false;
  bool close_after_send_ = false;
  bool parsing_ = false;
  bool head_begun_ = false;  // some bytes of a head are there
};

}  // namespace worker
