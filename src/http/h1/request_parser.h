// http::h1::RequestParser: HTTP/1.0 and 1.1 requests from bytes, strictly by RFC 9112 and RFC 9110.
//
//             ┌────────────── end ◄───────────────┐
//   blank ─► start line ─► fields ─► head ─► body │ ─► closed (after a message that must be the last)
//
// Nothing is tolerated that two servers might read differently: bare CR or LF, folded lines, white space before a
// colon, repeated or conflicting framing, signs in numbers. A whole head in one piece is parsed without allocating once
// the header vector has grown; a head that comes in pieces is not scanned again from its beginning.
#pragma once

#include <string>
#include <string_view>

#include "http/codec.h"
#include "http/h1/body_reader.h"
#include "http/h1/field_parser.h"
#include "http/h1/line_reader.h"
#include "http/message.h"

namespace http::h1 {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits = {}) : limits_(limits), fields_(limits), body_(limits) {}

  // See http::ServerCodec::next.
  Event next(std::string_view input);
  const RequestHead& head() const { return head_; }
  const Problem& problem() const { return problem_; }
  void set_body_limit(std::uint64_t bytes) { body_.set_limit(bytes); }
  // Whether a message has been begun but not ended: what a closed connection cuts off.
  bool in_message() const { return state_ != State::blank && state_ != State::closed; }

 private:
  enum class State : std::uint8_t { blank, start_line, fields, body, closed, failed };

  Event begin_head(std::string_view input);
  Event parse_head(std::string_view input);
  Event read_body(std::string_view input);
  bool check_size(std::size_t bytes);
  void move_views(std::ptrdiff_t distance);
  bool parse_start_line(std::string_view line);
  bool parse_version(std::string_view version);
  bool settle_head();
  bool settle_target();
  void split_target(std::string_view target);
  bool settle_host(const FieldParser::Summary& seen);
  bool settle_framing(const FieldParser::Summary& seen);
  bool settle_connection(const FieldParser::Summary& seen);
  bool fail(int status, std::string_view reason);
  Event failed();

  Limits limits_;
  State state_ = State::blank;
  std::size_t blank_ = 0;       // bytes of empty lines before this head
  std::string_view authority_;  // of an absolute-form target
  std::string checked_host_;    // the last one found valid
  RequestHead head_;
  LineReader lines_;
  FieldParser fields_;
  BodyReader body_;
  Problem problem_;
};

}  // namespace http::h1
