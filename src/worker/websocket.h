// worker::WebSocket: one WebSocket in a stream's tunnel, whatever the protocol below: frames, the messages that wait
// for the application, keep-alive and closing. Knows no Python. Loop thread.
//
//   opening ──(open)──► open ──(close)──► closing ──(the client's Close, or its time is over)──► over
//                         └──(the client's Close, a broken rule, no answer to a Ping)──────────► over
//       any of them ──(the client is gone)─────────────────────────────────────────────────────► over
//
// What came before the end can be read after it. The client is read only as fast as its messages are taken, and as it
// takes the answers to its Pings.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.h"
#include "websocket/handshake.h"
#include "websocket/reader.h"
#include "websocket/writer.h"
#include "worker/exchange.h"
#include "worker/pace.h"
#include "worker/stream.h"

namespace worker {

class Server;

class WebSocket {
 public:
  // Told that a message has come, that sending goes on or that all is over, unless a call of its own led to it.
  class Listener {
   public:
    virtual void on_websocket_news() = 0;

   protected:
    ~Listener() = default;
  };
  struct Message {
    std::string_view payload;
    bool is_text = false, is_ascii = false;
  };
  // As ASGI's websocket.disconnect tells of it: what the client's Close said, else what ours did, else 1006.
  struct Ending {
    websocket::CloseCode code = websocket::close::abnormal;
    std::string reason;  // UTF-8
  };

  // Both must outlive all calls.
  WebSocket(Server& server, Listener& listener);
  ~WebSocket();

  // --- the opening handshake -----------------------------------------------------------------------------------------
  // `opening` was read from the stream's head. The stream is used until `finish_if_over`, `abandon` or `on_lost`.
  void begin(Stream& stream, const websocket::Opening& opening);
  // Accepts. `fields` go with those of the handshake; no subprotocol where it is empty.
  base::Result<void> open(std::string_view subprotocol, std::span<const http::Header> fields);
  // The request is answered in another way, by others.
  void abandon();

  // --- what worker::Exchange hears -----------------------------------------------------------------------------------
  Appetite on_body(std::string_view bytes);
  void on_client_finished();
  void on_drained();
  void on_drain();
  void on_lost();

  // --- messages ------------------------------------------------------------------------------------------------------
  bool has_message() const { return first_ < waiting_.size(); }
  // Valid until `take`, or until more comes.
  Message front() const;
  void take();
  bool is_open() const { return state_ == State::open; }
  // While it is open. Text must be UTF-8.
  void send(websocket::Opcode kind, std::string_view payload);
  bool is_congested() const { return stream_ && stream_->is_congested(); }
  // Begins the closing handshake, if it is open. `code` must be one that may be sent. What waits is forgotten.
  void close(websocket::CloseCode code, std::string_view reason);
  // Set once nothing more can be sent.
  const std::optional<Ending>& ending() const { return ending_; }
  // Once both sides are done: lets the stream go, for the transport to close. True when there is none any more.
  bool finish_if_over();

 private:
  enum class State : std::uint8_t { opening, open, closing, over };
  // What the handshake will say, until then.
  struct Handshake {
    std::string accept;  // HTTP/1.1 only
    std::string extensions;
    std::optional<websocket::DeflateAgreement> deflate;
  };
  // A message whose payload stands in `backlog_`, in order.
  struct Waiting {
    std::size_t size;
    bool is_text, is_ascii;
  };

  void accept_deflate(const http::RequestHead& head);
  bool takes_input() const;
  std::size_t read(std::string_view bytes);
  void read_rest();
  void listen_again();
  void forget_backlog(std::size_t spare);
  void drop_taken();
  void handle(const websocket::Event& event);
  void keep(const websocket::Event& event);
  void answer_ping(std::string_view payload);
  void begin_closing(websocket::CloseCode code, std::string_view reason);
  void write_close(websocket::CloseCode code, std::string_view reason);
  void fail(websocket::CloseCode code, std::string_view reason);
  void end(websocket::CloseCode code, std::string_view reason);
  void watch_message();
  void on_message_time();
  void on_time();
  void keep_alive(net::Clock::time_point now);
  void set_alarm(net::Clock::time_point when);

  Server& server_;
  Listener& listener_;
  Stream* stream_ = nullptr;
  std::unique_ptr<Handshake> handshake_;
  std::optional<websocket::Reader> reader_;
  std::optional<websocket::Writer> writer_;
  std::string rest_;              // came, but not read yet
  std::string backlog_;           // payloads that wait, from `taken_` on
  std::vector<Waiting> waiting_;  // from `first_` on
  std::size_t taken_ = 0, first_ = 0;
  std::optional<Ending> ending_;
  net::Timer alarm_;
  net::Timer message_timer_;  // while a message has begun but not ended
  Pace pace_;                 // of it
  net::Clock::time_point alarm_at_, heard_, pinged_;
  State state_ = State::opening;
  bool opened_ = false;  // the handshake was completed
  bool paused_ = false;  // the stream was told that we take nothing now
  bool reading_ = false;
  bool awaits_pong_ = false;  // since `pinged_`
  bool has_sent_ = false;     // since the alarm last rang
  bool draining_ = false;
};

}  // namespace worker
