// h2::Stream: one request and its response on an HTTP/2 connection. What is said goes to the connection's codec, which
// sends it as the client's windows allow. Owned by h2::Connection, which uses it again for later requests.
//
// Lent to a thread it works as well, under the connection's lock; when the client resets it meanwhile, the thread finds
// out at its next send. What the client is too slow for waits in the codec, and beyond `spool_beyond` on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "http/h2/server_codec.h"
#include "worker/account.h"
#include "worker/exchange.h"
#include "worker/pace.h"
#include "worker/spool.h"
#include "worker/stream.h"

namespace worker::h2 {

class Connection;

class Stream final : public worker::Stream {
 public:
  explicit Stream(Connection& connection);

  // --- for the connection; loop thread
  // A new request, used from the codec's event on.
  void begin(http::StreamId id);
  void begin_exchange();
  void on_body(std::string_view bytes);
  void on_request_end();
  void on_drained();
  void on_drain();
  // The request cannot be read any further: answers so where it still can.
  void refuse(const http::Problem& problem);
  // The client has reset the stream or is gone.
  void lose();
  http::StreamId id() const { return id_; }
  net::Clock::time_point body_deadline() const { return body_deadline_; }
  std::size_t position = 0;  // in the connection's list

  // --- worker::Stream
  void head_used() override {}  // the codec keeps it until the stream is released
  void name_request(std::string_view id) override { account_.name_request(id); }
  void want_body() override;
  void resume_body() override;
  base::Result<void> start(int status, std::string_view reason) override;
  base::Result<void> field(std::string_view name, std::string_view value) override;
  base::Result<void> finish_head(std::optional<std::uint64_t> length) override;
  bool head_is_finished() const override;
  base::Result<void> body(std::string_view bytes) override;
  base::Result<bool> begin_bytes(std::uint64_t size) override;
  void end_bytes() override {}
  void append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> trailer(std::string_view name, std::string_view value) override;
  base::Result<void> end() override;
  base::Result<void> inform(int status, std::span<const http::Header> fields) override;
  std::uint64_t pending() const override;
  void spool_beyond(std::size_t memory_limit) override { memory_limit_ = memory_limit; }
  bool is_congested() const override;
  void send_later() override;
  void send_now(std::string_view bytes, const Keeper* keeper) override;
  void finish_response() override;
  void abort_response() override;
  void respond(int status, std::string_view text) override;
  base::Result<void> open_tunnel(std::string_view protocol, std::span<const http::Header> fields) override;
  std::string& tunnel_output() override { return tunnel_output_; }
  void lend() override;
  void take_back() override;
  bool send_borrowed(std::string_view bytes, const Keeper* keeper = nullptr) override;
  Waited wait_borrowed(net::nanoseconds most) override;

 private:
  std::unique_lock<std::recursive_mutex> lock() const;
  http::h2::ServerCodec& codec() const;
  void say(int status, std::string_view text);
  void leave(Completion completion);
  void begin_body_time();
  void set_body_deadline();
  bool fits_memory(std::size_t more) const;
  base::Result<void> add_to_spool(std::string_view bytes);
  base::Result<void> pass_gathered();
  void pass_tunnel_output();

  Connection& connection_;
  http::StreamId id_ = 0;
  Exchange* exchange_ = nullptr;
  Account account_;
  std::uint64_t unconsumed_ = 0;  // of the body: the exchange was full when it got them
  Pace pace_;                     // of the request's body
  net::Clock::time_point body_deadline_ = net::Clock::time_point::max();
  std::size_t memory_limit_ = SIZE_MAX;
  Spool spool_;
  std::string gathered_;  // small pieces on their way to the spool
  std::string tunnel_output_;
  bool body_full_ = false;  // the exchange does not take body now
  bool awaits_continue_ = false;
  bool request_ended_ = false;
  bool is_tunnel_ = false;  // or shall be one
  bool tunnel_is_open_ = false;
  bool lent_ = false;
  bool lost_ = false;  // while it was lent
};

}  // namespace worker::h2
