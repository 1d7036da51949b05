// http::h1::ResponseParser: HTTP/1.0 and 1.1 responses from bytes, as strict as RequestParser.
//
// `expect` says which request the next response answers: the framing depends on it (RFC 9112 section 6.3).
#pragma once

#include <string>
#include <string_view>

#include "http/codec.h"
#include "http/h1/body_reader.h"
#include "http/h1/field_parser.h"
#include "http/h1/line_reader.h"
#include "http/message.h"

namespace http::h1 {

class ResponseParser {
 public:
  explicit ResponseParser(const Limits& limits = {}) : limits_(limits), fields_(limits), body_(limits) {
    body_.keep_trailers();
  }

  // Before the response is read; `method` is the request's, and so is `upgrade`, the protocol that it asked to go on
  // with, if any. A 101 that agrees is a head like a final one, but the last event: what follows is that protocol's.
  void expect(Method method, std::string_view upgrade = {});
  // See http::ClientCodec. Bytes while no response is expected are a failure: they answer nothing.
  // Limits::body_bytes bounds responses too; a proxy raises it.
  Event next(std::string_view input);
  Event end_of_input();
  const ResponseHead& head() const { return head_; }
  const Problem& problem() const { return problem_; }
  // After `end`, until the next response: fields behind the body. Views of memory of our own.
  const std::vector<Header>& trailers() const { return trailers_; }
  void set_body_limit(std::uint64_t bytes) { body_.set_limit(bytes); }
  bool is_idle() const { return state_ == State::idle; }

 private:
  enum class State : std::uint8_t { idle, start_line, fields, body, closed, failed };

  void begin_head();
  Event parse_head(std::string_view input);
  Event head_event(std::size_t consumed);
  Event read_body(std::string_view input);
  bool settle_trailers();
  bool check_size(std::size_t bytes);
  void move_views(std::ptrdiff_t distance);
  bool parse_start_line(std::string_view line);
  bool settle_head();
  bool settle_upgrade(const FieldParser::Summary& seen);
  bool settle_framing(const FieldParser::Summary& seen);
  bool fail(std::string_view reason);
  Event failed();

  Limits limits_;
  State state_ = State::idle;
  Method method_ = Method::get;
  std::string upgrade_;
  unsigned interim_answers_ = 0;
  ResponseHead head_;
  std::vector<Header> trailers_;
  LineReader lines_;
  FieldParser fields_;
  BodyReader body_;
  Problem problem_;
};

}  // namespace http::h1
