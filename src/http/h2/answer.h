// http::h2::Answer: what the owner says on one stream: the head's fields, the body that is still owed, the trailers.
//
// It refuses and drops what http::h1::ResponseWriter does, and says `server` and `date` as that one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "http/h2/field_store.h"
#include "http/h2/owed_body.h"
#include "http/message.h"

namespace http::h2 {

class Answer {
 public:
  void begin(Method method);
  void restart() { begin(method_); }

  base::Result<void> start(int status);
  base::Result<void> field(const Header& header);
  base::Result<void> finish_head(std::optional<std::uint64_t> length, std::string_view server_name);
  // Whether so many bytes more may be said now; false for a body that is not to be sent (HEAD, 204, 304).
  base::Result<bool> count(std::uint64_t bytes);
  base::Result<void> trailer(const Header& header);
  base::Result<void> end();

  int status() const { return status_; }
  std::uint64_t body_bytes() const { return said_; }
  bool head_is_finished() const { return state_ == State::body || state_ == State::ended; }
  bool is_ended() const { return state_ == State::ended; }
  const FieldStore& fields() const { return fields_; }
  std::string_view status_text() const { return {digits_, 3}; }
  const FieldStore& trailers() const { return trailers_; }

  OwedBody owed;

 private:
  enum class State : std::uint8_t { begun, fields, body, ended };

  base::Result<void> note_length(std::string_view value);
  void add_own_fields(std::string_view server_name);

  FieldStore fields_, trailers_;
  std::optional<std::uint64_t> length_;  // declared
  std::uint64_t said_ = 0;
  int status_ = 0;
  char digits_[3] = {};
  Method method_ = Method::other;
  State state_ = State::begun;
  bool has_date_ = false, has_server_ = false, is_bodiless_ = false;
};

// A name that is a token and a value without control characters.
base::Result<void> check_field(const Header& header);
// Fields that HTTP/2 has no place for (RFC 9113 section 8.2.2).
bool is_connection_specific(HeaderId id);
// A value as HTTP/2 wants it: no white space around it (RFC 9113 section 8.2.1).
std::string_view trimmed(std::string_view value);

}  // namespace http::h2
