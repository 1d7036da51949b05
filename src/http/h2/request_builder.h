// http::h2::RequestBuilder: the fields of one header block, one by one, become a RequestHead.
//
// nghttp2 has checked what RFC 9113 section 8 says: order and number of pseudo header fields, lower-case token names,
// characters of values, no connection-specific fields, one valid Content-Length. This class adds our limits and what
// HTTP/1 is checked for as well, so that a request means the same wherever it is passed on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/codec.h"
#include "http/h2/field_store.h"
#include "http/message.h"

namespace http::h2 {

class RequestBuilder {
 public:
  void begin();
  void begin_trailers() { in_trailers_ = true, size_ = 0, count_ = 0; }
  // One field; what is beyond a limit is counted, but not kept.
  void add(std::string_view name, std::string_view value, const Limits& limits);
  // The size so far as SETTINGS_MAX_HEADER_LIST_SIZE counts it (RFC 9113 section 6.5.2).
  std::uint64_t size() const { return size_; }
  // All fields are there. False: problem() says what is wrong.
  bool settle(bool has_body, const Limits& limits);
  bool settle_trailers();

  const RequestHead& head() const { return head_; }
  std::string_view scheme() const { return scheme_; }
  const std::vector<Header>& trailers() const { return trailers_; }
  const Problem& problem() const { return problem_; }

 private:
  using Text = FieldStore::Text;

  void add_pseudo(std::string_view name, std::string_view value, const Limits& limits);
  bool settle_method();
  bool settle_target();
  bool settle_host();
  bool settle_fields();
  bool settle_body(bool has_body, const Limits& limits);
  bool fail(int status, std::string_view reason);

  FieldStore store_;
  Text method_, path_, scheme_text_, authority_, protocol_;
  std::uint64_t size_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t cookies_ = 0;
  bool in_trailers_ = false;
  RequestHead head_;
  std::string cookie_;  // joined
  std::string_view scheme_;
  FieldStore trailer_store_;
  std::vector<Header> trailers_;
  Problem problem_;
};

}  // namespace http::h2
