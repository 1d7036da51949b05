// front::Filter: stands between the protocol and an exchange, as a stream to the exchange and as an exchange to the
// protocol. It gives the request its id (--request-id) and compresses the response (--compress).
//
//   head ──(finish_head)──► undecided ──► gathering ──► coded        a body of known, moderate size is gathered, so
//                              │              └──(end)──────┐        that the head has its length; others go on as
//                              ├──► coded ─────────────────►│ over   they come, flushed wherever the exchange sends
//                              └──► plain ─────────────────►│
//
// It decides with the first bytes: files are sent as they are. Owned by the front until its exchange or its stream is
// over. As a stream it may be lent to a thread, see worker::Stream.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/compressor.h"
#include "http/message.h"
#include "http/response_coding.h"
#include "worker/exchange.h"
#include "worker/places.h"
#include "worker/stream.h"

namespace worker::front {

class Front;

class Filter final : public Stream, public Exchange {
 public:
  // `request_id` empty: none is given.
  Filter(Front& front, Stream& inner, std::string request_id);
  ~Filter();
  // What it passes requests to; comes first of all.
  void set_exchange(Exchange& exchange) { exchange_ = &exchange; }

  std::size_t position = no_position;  // among those that the front keeps

  // --- Exchange
  Appetite on_body(std::string_view bytes) override { return exchange_->on_body(bytes); }
  void on_request_end() override { exchange_->on_request_end(); }
  void on_client_finished() override { exchange_->on_client_finished(); }
  void on_drained() override { exchange_->on_drained(); }
  void on_drain() override { exchange_->on_drain(); }
  void on_lost() override;

  // --- Stream
  void head_used() override { inner_.head_used(); }
  void want_body() override { inner_.want_body(); }
  void resume_body() override { inner_.resume_body(); }
  void name_request(std::string_view id) override { inner_.name_request(id); }
  base::Result<void> start(int status, std::string_view reason) override;
  base::Result<void> field(std::string_view name, std::string_view value) override;
  base::Result<void> finish_head(std::optional<std::uint64_t> length) override;
  bool head_is_finished() const override { return state_ != State::head; }
  base::Result<void> body(std::string_view bytes) override;
  base::Result<bool> begin_bytes(std::uint64_t size) override;
  void end_bytes() override;
  void append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) override;
  base::Result<void> trailer(std::string_view name, std::string_view value) override;
  base::Result<void> end() override;
  base::Result<void> inform(int status, std::span<const http::Header> fields) override {
    return inner_.inform(status, fields);
  }
  std::uint64_t pending() const override { return inner_.pending() + coded_.size(); }
  void spool_beyond(std::size_t memory_limit) override { inner_.spool_beyond(memory_limit); }
  bool is_congested() const override { return inner_.is_congested(); }
  void send_later() override;
  void send_now(std::string_view bytes, const Keeper* keeper) override;
  void finish_response() override;
  void abort_response() override;
  void respond(int status, std::string_view text) override;
  base::Result<void> open_tunnel(std::string_view protocol, std::span<const http::Header> fields) override;
  std::string& tunnel_output() override { return inner_.tunnel_output(); }
  void lend() override { inner_.lend(); }
  void take_back() override { inner_.take_back(); }
  bool send_borrowed(std::string_view bytes, const Keeper* keeper) override;
  Waited wait_borrowed(net::nanoseconds most) override { return inner_.wait_borrowed(most); }

 private:
  enum class State : std::uint8_t { head, undecided, gathering, coded, plain, over };
  using Then = http::Compressor::Then;

  void show_id();
  bool gives_id(std::string_view name) const;
  base::Result<void> write_head(http::Coding coding, std::optional<std::uint64_t> length);
  base::Result<void> choose_coding();
  base::Result<void> go_plain();
  base::Result<void> decide();
  base::Result<void> begin_compressing();
  base::Result<void> code(std::string_view bytes, Then then);
  base::Result<void> pass_coded();
  bool code_file(const base::Fd& file, std::uint64_t offset, std::uint64_t length);
  base::Result<void> end_body();
  base::Result<void> say(int status, std::string_view text);
  // The exchange sends: what it has written so far must get out, unless the end is about to come with it.
  void flush();
  base::Result<void> add(std::string_view bytes);
  bool fits(std::uint64_t size) const { return !length_ || size <= *length_ - taken_; }
  void release_compressor();

  Front& front_;
  Stream& inner_;
  Exchange* exchange_ = nullptr;
  std::string request_id_;
  http::RequestHead head_with_id_;
  std::optional<http::ResponseCoding> coding_;
  http::Coding chosen_ = http::Coding::identity;
  std::unique_ptr<http::Compressor> compressor_;
  std::size_t reserved_ = 0;                   // of the front's memory for compressors
  std::string coded_;                          // not with `inner_` yet
  std::optional<std::uint64_t> given_length_;  // by the exchange, with finish_head
  std::optional<std::uint64_t> length_;        // that, or what Content-Length says
  std::uint64_t taken_ = 0;                    // of the body before it was compressed
  State state_ = State::head;
  bool id_is_given_ = false;      // by the application
  bool bytes_are_begun_ = false;  // with `inner_`
  bool unflushed_ = false;        // the compressor holds something back
  bool failed_ = false;           // the body cannot become whole
};

}  // namespace worker::front
