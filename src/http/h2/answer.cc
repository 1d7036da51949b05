#include "http/h2/answer.h"

#include "http/date.h"
#include "http/h1/append.h"
#include "http/h1/field_parser.h"
#include "http/h1/scan.h"

namespace http::h2 {

using h1::quoted;

base::Result<void> check_field(const Header& header) {
  if (header.id == HeaderId::other && !h1::is_token(header.name)) [[unlikely]] {
    return base::invalid("the response header name {} is not a token", quoted(header.name));
  }
  if (h1::has_control(header.value)) [[unlikely]] {
    return base::invalid("the value of the response header {} has a line end or another control character: {}",
                         header.name, quoted(header.value));
  }
  return {};
}

bool is_connection_specific(HeaderId id) {
  switch (id) {
    case HeaderId::connection:
    case HeaderId::keep_alive:
    case HeaderId::proxy_connection:
    case HeaderId::te:
    case HeaderId::transfer_encoding:
    case HeaderId::upgrade:
      return true;
    default:
      return false;
  }
}

std::string_view trimmed(std::string_view value) {
  const std::size_t first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

void Answer::begin(Method method) {
  fields_.clear();
  trailers_.clear();
  owed.clear();
  length_.reset();
  said_ = 0;
  status_ = 0;
  method_ = method;
  state_ = State::begun;
  has_date_ = has_server_ = is_bodiless_ = false;
}

base::Result<void> Answer::start(int status) {
  if (state_ != State::begun) return base::invalid("a response was started twice or without a request");
  if (status < 200 || status > 999) return base::invalid("{} is not the status of a final response", status);
  status_ = status;
  digits_[0] = static_cast<char>('0' + status / 100);
  digits_[1] = static_cast<char>('0' + status / 10 % 10);
  digits_[2] = static_cast<char>('0' + status % 10);
  state_ = State::fields;
  return {};
}

base::Result<void> Answer::field(const Header& header) {
  if (state_ != State::fields) return base::invalid("a response header outside of the head");
  if (auto good = check_field(header); !good) return good;
  if (is_connection_specific(header.id)) return {};  // hop-by-hop: not the application's
  if (header.id == HeaderId::content_length) return note_length(header.value);
  has_date_ |= header.id == HeaderId::date;
  has_server_ |= header.id == HeaderId::server;
  fields_.add(header.id, header.name, trimmed(header.value));
  return {};
}

base::Result<void> Answer::note_length(std::string_view value) {
  std::uint64_t length = 0;
  if (!h1::parse_decimal(value, length)) return base::invalid("the Content-Length {} is not a number", quoted(value));
  if (length_ && *length_ != length) {
    return base::invalid("two different Content-Length headers, {} and {}", *length_, length);
  }
  length_ = length;
  return {};
}

base::Result<void> Answer::finish_head(std::optional<std::uint64_t> length, std::string_view server_name) {
  if (state_ != State::fields) return base::invalid("the head of a response was finished twice or never started");
  is_bodiless_ = method_ == Method::head || status_forbids_body(status_);
  if (length && length_ && *length != *length_ && !is_bodiless_) {
    return base::invalid("the Content-Length says {} bytes, the body has {}", *length_, *length);
  }
  state_ = State::body;
  // An empty body in answer to HEAD says nothing about the length that GET would have.
  if (!length_ && (!is_bodiless_ || (method_ == Method::head && length.value_or(0) > 0))) length_ = length;
  // RFC 9110 section 8.6: neither with 204 nor with a tunnel.
  if (status_ == 204 || (method_ == Method::connect && status_ < 300)) length_.reset();
  add_own_fields(server_name);
  return {};
}

void Answer::add_own_fields(std::string_view server_name) {
  if (length_) fields_.add(HeaderId::content_length, {}, h1::Digits(*length_).view());
  if (!has_server_ && !server_name.empty()) fields_.add(HeaderId::server, {}, server_name);
  if (!has_date_) fields_.add(HeaderId::date, {}, current_date());
}

base::Result<bool> Answer::count(std::uint64_t bytes) {
  if (state_ != State::body || !trailers_.is_empty()) {
    return base::invalid("body bytes before the head of the response or after its end");
  }
  if (is_bodiless_ || bytes == 0) return false;
  if (length_ && bytes > *length_ - said_) {
    return base::invalid("the body is longer than the Content-Length of {} bytes", *length_);
  }
  said_ += bytes;
  return true;
}

base::Result<void> Answer::trailer(const Header& header) {
  if (state_ != State::body) return base::invalid("a trailer field before the head of the response or after its end");
  if (auto good = check_field(header); !good) return good;
  // RFC 9110 section 6.5.1: nothing that says how to read the message.
  if (is_connection_specific(header.id) || header.id == HeaderId::content_length) return {};
  if (!is_bodiless_) trailers_.add(header.id, header.name, trimmed(header.value));
  return {};
}

base::Result<void> Answer::end() {
  if (state_ != State::body) return base::invalid("a response was ended before its head or twice");
  state_ = State::ended;
  if (length_ && !is_bodiless_ && said_ < *length_) {
    return base::invalid("the body ended after {} of the {} bytes that Content-Length says", said_, *length_);
  }
  return {};
}

}  // namespace http::h2
