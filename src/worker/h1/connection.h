// h1::Connection: a client that speaks HTTP/1. Reads requests one after the other, hands each to an exchange, and sends
// what exchanges write; it is the stream of each of them in turn. Owned by worker::Server.
//
//   reading side   head ──► body ──► complete ──(answered)──► head …
//                            └─(answered early)─► discarding ─► head …
//                                    complete ──(upgraded)──► tunnel
//   any ──► closing (send the rest, then linger so that the client can read it) ──► closed
//
// Sockets are watched edge-triggered: `readable_` remembers that there may be bytes to read, so pausing costs nothing.
// While it is lent to a WSGI thread, only that thread touches it; the loop only notes events (`missed_`).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "worker/account.h"
#include "worker/client.h"
#include "worker/exchange.h"
#include "worker/output.h"
#include "worker/pace.h"
#include "worker/stream.h"

namespace worker {
class Server;
}

namespace worker::h1 {

class Connection final : public Client, public Stream {
 public:
  Connection(Server& server, net::Transport transport, Ends ends);
  ~Connection();

  // --- Stream
  void head_used() override;
  void name_request(std::string_view id) override { account_.name_request(id); }
  void want_body() override;
  void resume_body() override;
  base::Result<void> start(int status, std::string_view reason) override;
  base::Result<void> field(std::string_view name, std::string_view value) override;
  base::Result<void> finish_head(std::optional<std::uint64_t> length) override;
  bool head_is_finished() const override { return codec_.response().head_is_finished(); }
  base::Result<void> body(std::string_view bytes) override;
  base::Result<bool> begin_bytes(std::uint64_t size) override { return codec_.begin_bytes(0, size, output_.tail()); }
  void end_bytes() override { codec_.end_bytes(0, output_.tail()); }
  void append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> trailer(std::string_view name, std::string_view value) override {
    return codec_.trailer({name, value, http::find_header_id(name)});
  }
  base::Result<void> end() override { return codec_.end(0, output_.tail()); }
  base::Result<void> inform(int status, std::span<const http::Header> fields) override {
    return codec_.inform(status, fields, output_.tail());
  }
  std::uint64_t pending() const override { return output_.pending(); }
  void spool_beyond(std::size_t memory_limit) override { output_.spool_beyond(memory_limit); }
  bool is_congested() const override { return output_.pending() >= high_water; }
  void send_later() override;
  void send_now(std::string_view bytes, const Keeper* keeper = nullptr) override;
  void finish_response() override;
  void abort_response() override;
  void respond(int status, std::string_view text) override;
  base::Result<void> open_tunnel(std::string_view protocol, std::span<const http::Header> fields) override;
  std::string& tunnel_output() override { return output_.tail(); }
  void lend() override { lent_ = true; }
  void take_back() override;
  bool send_borrowed(std::string_view bytes, const Keeper* keeper = nullptr) override;
  Waited wait_borrowed(net::nanoseconds most) override;

  // --- Client
  void open(std::string_view received) override;
  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;
  void on_time(net::Clock::time_point now) override;
  net::Clock::time_point deadline() const override { return std::min(read_deadline_, write_deadline_); }
  bool is_idle() const override;
  void on_drain() override;
  void close() override;

  static constexpr std::size_t high_water = 64 * 1024;
  static constexpr std::size_t low_water = 16 * 1024;

 private:
  enum class Reading : std::uint8_t { head, body, complete, discarding, tunnel, lingering, closed };

  void advance();
  bool wants_input() const;
  bool read_once();
  void parse();
  bool may_parse() const;
  void handle(const http::Event& event);
  void take_body(std::string_view bytes);
  void parse_tunnel();
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
  void begin_body_time();
  void set_body_deadline();
  void lose_exchange();
  void settle_account();
  void close_account();
  bool find_http2();
  void speak_http2();

  Server& server_;
  net::Transport transport_;
  const Ends ends_;
  http::h1::ServerCodec codec_;
  http::InputBuffer input_;
  std::unique_ptr<char[]> head_memory_;  // what the head's views point into, when it had to be kept aside
  std::string head_text_;                // of the response, until finish_head
  Output output_;
  Account account_;
  Exchange* exchange_ = nullptr;
  net::Clock::time_point read_deadline_ = net::Clock::time_point::max();
  net::Clock::time_point write_deadline_ = net::Clock::time_point::max();
  Pace pace_;  // of the request's body
  std::uint64_t discarded_ = 0;
  std::uint32_t missed_ = 0;
  Reading reading_ = Reading::head;
  bool may_be_http2_ = true;  // nothing was read that is no beginning of its preface
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

}  // namespace worker::h1
