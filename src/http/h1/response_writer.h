// http::h1::ResponseWriter: writes one response after the other and decides their framing.
//
// Framing (RFC 9112 section 6): no body for HEAD, 1xx, 204 and 304; Content-Length when the size is known; chunks on
// HTTP/1.1; otherwise the end of the connection. What an application may not say is refused or dropped, see
// ServerCodec.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace http::h1 {

class ResponseWriter {
 public:
  // `server_name`: the Server field unless the application sends one; empty for none.
  explicit ResponseWriter(std::string_view server_name = "serai");

  // The request that the next response answers.
  void begin(const RequestHead& request) { begin(request.method, request.minor_version, request.keep_alive); }
  void begin(Method method, std::uint8_t minor_version, bool keep_alive);

  // `reason`: of the application; the usual one where it is empty or has control characters.
  base::Result<void> start(int status, std::string& out, std::string_view reason = {});
  base::Result<void> field(std::string_view name, std::string_view value, std::string& out) {
    return field(Header{name, value, find_header_id(name)}, out);
  }
  base::Result<void> field(const Header& header, std::string& out);
  base::Result<void> finish_head(std::optional<std::uint64_t> length, std::string& out);
  base::Result<void> body(std::string_view bytes, std::string& out);
  base::Result<void> end(std::string& out);
  base::Result<bool> begin_bytes(std::uint64_t size, std::string& out);
  void end_bytes(std::string& out);
  // A field behind the body, between its last byte and `end`. What says how the message is to be read is dropped, and
  // so is any field where the framing has no place for it: only chunks do (RFC 9112 section 7.1.2).
  base::Result<void> trailer(const Header& header);
  void write_continue(std::string& out);
  // 100 to 199 but 101, before `finish_head`. Clients that speak HTTP/1.0 know none (RFC 9110 section 15.2).
  base::Result<void> inform(int status, std::span<const Header> fields, std::string& out);
  // 101 (RFC 9110 section 7.8): what follows on this connection is the other protocol's. When it is refused, nothing
  // was written, and another response may be started.
  base::Result<void> switch_protocols(std::string_view protocol, std::span<const Header> fields, std::string& out);

  void announce_close() { keep_alive_ = false; }
  bool keep_alive() const { return keep_alive_; }
  bool head_is_finished() const { return state_ == State::body || state_ == State::ended; }
  bool is_ended() const { return state_ == State::ended; }
  int status() const { return status_; }
  std::uint64_t body_bytes() const { return sent_; }  // content, without framing

 private:
  enum class State : std::uint8_t { begun, fields, body, ended };

  static bool is_ours(HeaderId id);
  base::Result<void> check(const Header& header);
  base::Result<void> take_over(const Header& header, std::string& out);
  base::Result<void> note_length(std::string_view value);
  void choose_framing(std::optional<std::uint64_t> length);
  void append_framing(std::string& out) const;
  std::unexpected<base::Error> refuse(std::string message);

  std::string server_line_;
  std::string trailers_;
  State state_ = State::ended;
  Method method_ = Method::get;
  std::uint8_t minor_version_ = 1;
  bool keep_alive_ = true;
  bool has_date_ = false, has_server_ = false;
  Framing framing_ = Framing::none;
  int status_ = 0;
  std::optional<std::uint64_t> length_;  // declared
  std::uint64_t sent_ = 0;
};

}  // namespace http::h1
