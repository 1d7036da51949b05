// http::h1::ServerCodec, http::h1::ClientCodec: the HTTP/1 side of http/codec.h. Both are `final`, so an owner that
// holds them by their own type pays for no virtual calls.
#pragma once

#include "http/codec.h"
#include "http/h1/request_parser.h"
#include "http/h1/request_writer.h"
#include "http/h1/response_parser.h"
#include "http/h1/response_writer.h"

namespace http::h1 {

class ServerCodec final : public http::ServerCodec {
 public:
  // `server_name`: see ResponseWriter.
  explicit ServerCodec(const Limits& limits = {}, std::string_view server_name = "serai")
      : parser_(limits), writer_(server_name) {}

  Event next(std::string_view input) override {
    Event event = parser_.next(input);
    if (event.kind == Event::Kind::head) writer_.begin(parser_.head());
    return event;
  }
  const RequestHead& head(StreamId = 0) const override { return parser_.head(); }
  const Problem& problem() const override { return parser_.problem(); }
  void set_body_limit(StreamId, std::uint64_t bytes) override { parser_.set_body_limit(bytes); }
  bool in_message() const { return parser_.in_message(); }

  base::Result<void> start(StreamId, int status, std::string& out) override { return writer_.start(status, out); }
  base::Result<void> field(StreamId, std::string_view name, std::string_view value, std::string& out) override {
    return writer_.field(name, value, out);
  }
  // With the application's own reason phrase, unless it is empty or has control characters.
  base::Result<void> start(int status, std::string_view reason, std::string& out) {
    return writer_.start(status, out, reason);
  }
  // The same for a field that was parsed: its name is known already.
  base::Result<void> field(const Header& header, std::string& out) { return writer_.field(header, out); }
  base::Result<void> finish_head(StreamId, std::optional<std::uint64_t> length, std::string& out) override {
    return writer_.finish_head(length, out);
  }
  base::Result<void> body(StreamId, std::string_view bytes, std::string& out) override {
    return writer_.body(bytes, out);
  }
  base::Result<void> end(StreamId, std::string& out) override { return writer_.end(out); }
  base::Result<bool> begin_bytes(StreamId, std::uint64_t size, std::string& out) override {
    return writer_.begin_bytes(size, out);
  }
  void end_bytes(StreamId, std::string& out) override { writer_.end_bytes(out); }
  void write_continue(StreamId, std::string& out) override { writer_.write_continue(out); }
  base::Result<void> trailer(const Header& header) { return writer_.trailer(header); }
  base::Result<void> inform(int status, std::span<const Header> fields, std::string& out) {
    return writer_.inform(status, fields, out);
  }
  base::Result<void> switch_protocols(std::string_view protocol, std::span<const Header> fields, std::string& out) {
    return writer_.switch_protocols(protocol, fields, out);
  }
  void announce_close() override { writer_.announce_close(); }
  bool keep_alive() const override { return writer_.keep_alive(); }
  const ResponseWriter& response() const { return writer_; }
  // Forgets what was started of the answer to this request, as long as nothing of it was sent.
  void restart_answer() { writer_.begin(parser_.head()); }
  // For a Problem, or before any head: begins an answer to a request that could not be read; closes afterwards.
  void begin_error_answer() { writer_.begin(Method::other, 1, false); }

 private:
  RequestParser parser_;
  ResponseWriter writer_;
};

class ClientCodec final : public http::ClientCodec {
 public:
  explicit ClientCodec(const Limits& limits = {}) : parser_(limits) {}

  base::Result<StreamId> send_head(const OutgoingRequest& request, std::string& out) override;
  base::Result<void> send_body(StreamId, std::string_view bytes, std::string& out) override {
    return writer_.body(bytes, out);
  }
  base::Result<void> send_end(StreamId, std::string& out) override { return writer_.end(out); }
  Event next(std::string_view input) override { return parser_.next(input); }
  Event end_of_input() override { return parser_.end_of_input(); }
  const ResponseHead& head(StreamId = 0) const override { return parser_.head(); }
  const Problem& problem() const override { return parser_.problem(); }
  const std::vector<Header>& trailers() const { return parser_.trailers(); }
  bool reusable() const override { return parser_.is_idle() && writer_.is_ended(); }

 private:
  RequestWriter writer_;
  ResponseParser parser_;
};

}  // namespace http::h1
