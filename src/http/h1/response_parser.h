// http::h1::ResponseParser: HTTP/1.0 and 1.1 responses from bytes, as strict as RequestParser.
//
// `expect` says which request the next response answers: the framing depends on it (RFC 9112 section 6.3).
#pragma once

#include <string_view>

#include "http/codec.h"
#include "http/h1/body_reader.h"
#include "http/h1/field_parser.h"
#include "http/message.h"

namespace http::h1 {

class ResponseParser {
 public:
  explicit ResponseParser(const Limits& limits = {}) : limits_(limits), fields_(limits), body_(limits) {}

  // Before the response is read; `method` is the request's.
  void expect(Method method);
  // See http::ClientCodec. Bytes while no response is expected are a failure: they belong to nobody.
  Event next(std::string_view input);
  Event end_of_input();
  const ResponseHead& head() const { return head_; }
  const Problem& problem() const { return problem_; }
  void set_body_limit(std::uint64_t bytes) { body_.set_limit(bytes); }
  bool is_idle() const { return state_ == State::idle; }

 private:
  enum class State : std::uint8_t { idle, start_line, fields, body, closed, failed };

  Event parse_head(std::string_view input);
  Event read_body(std::string_view input);
  bool parse_start_line(std::string_view line);
  bool settle_head();
  bool settle_framing(const FieldParser::Summary& seen);
  bool fail(std::string_view reason);
  Event failed();

  Limits limits_;
  State state_ = State::idle;
  Method method_ = Method::get;
  std::size_t at_ = 0;
  std::size_t scanned_ = 0;
  const char* base_ = nullptr;
  ResponseHead head_;
  FieldParser fields_;
  BodyReader body_;
  Problem problem_;
};

}  // namespace http::h1
