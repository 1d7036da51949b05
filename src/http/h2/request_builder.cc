#include "http/h2/request_builder.h"

#include "http/h1/field_parser.h"
#include "http/h1/scan.h"

namespace http::h2 {
namespace {

constexpr std::size_t longest_method = 32;
constexpr std::uint64_t field_overhead = 32;  // RFC 9113 section 6.5.2

}  // namespace

void RequestBuilder::begin() {
  store_.clear();
  trailer_store_.clear();
  method_ = path_ = scheme_text_ = authority_ = protocol_ = {};
  size_ = 0;
  count_ = cookies_ = 0;
  in_trailers_ = false;
  trailers_.clear();
  base::give_back(cookie_, 1024);
  scheme_ = {};
  problem_ = {};
  head_.headers.clear();
  head_ = RequestHead{.headers = std::move(head_.headers), .major_version = 2, .minor_version = 0};
}

void RequestBuilder::add(std::string_view name, std::string_view value, const Limits& limits) {
  size_ += name.size() + value.size() + field_overhead;
  if (problem_.status != 0) return;
  if (size_ > (in_trailers_ ? limits.trailer_bytes : limits.head_bytes)) {
    fail(431, in_trailers_ ? "the trailer fields are too large" : "the request head is too large");
    return;
  }
  if (name.starts_with(':')) return add_pseudo(name, value, limits);
  const HeaderId id = find_header_id(name);
  const bool is_crumb = id == HeaderId::cookie && ++cookies_ > 1;  // clients split one cookie field into many
  if (!is_crumb && ++count_ > limits.headers) {
    fail(431, "too many header fields");
    return;
  }
  if (id == HeaderId::other && name.find('_') != std::string_view::npos) {
    if (limits.underscores == Underscores::reject) fail(400, "a header name has an underscore");
    if (limits.underscores != Underscores::keep) return;
  }
  (in_trailers_ ? trailer_store_ : store_).add(id, name, value);
}

void RequestBuilder::add_pseudo(std::string_view name, std::string_view value, const Limits& limits) {
  switch (name[1]) {
    case 'm':
      method_ = store_.keep(value);
      return;
    case 'p':
      if (name == ":protocol") {
        protocol_ = store_.keep(value);
      } else if (value.size() > limits.target_bytes) {
        fail(414, "the request target is too long");
      } else {
        path_ = store_.keep(value);
      }
      return;
    case 's':
      scheme_text_ = store_.keep(value);
      return;
    case 'a':
      authority_ = store_.keep(value);
      return;
  }
}

bool RequestBuilder::settle(bool has_body, const Limits& limits) {
  if (problem_.status != 0) return false;
  return settle_method() && settle_target() && settle_host() && settle_fields() && settle_body(has_body, limits);
}

bool RequestBuilder::settle_method() {
  head_.method_name = store_.text(method_);
  if (head_.method_name.size() > longest_method) return fail(501, "the method is not implemented");
  head_.method = find_method(head_.method_name);
  head_.upgrade = store_.text(protocol_);
  if (head_.method == Method::connect && head_.upgrade.empty()) return fail(501, "CONNECT is not implemented");
  // RFC 8441 section 5.1; RFC 9220 section 3 has 501 for protocols that are not known.
  return head_.upgrade.empty() || head_.upgrade == "websocket" || fail(501, "a protocol but websocket");
}

bool RequestBuilder::settle_target() {
  scheme_ = store_.text(scheme_text_);
  if (!matches(scheme_, "http") && !matches(scheme_, "https")) return fail(400, "the scheme is neither http nor https");
  const std::string_view target = head_.target = store_.text(path_);
  const char* end = target.data() + target.size();
  if (h1::find_target_end(target.data(), end) != end) return fail(400, "the path has characters that no path has");
  const bool is_asterisk = target == "*" && head_.method == Method::options;
  if (!target.starts_with('/') && !is_asterisk) return fail(400, "the path does not begin with a slash");
  const std::size_t mark = target.find('?');
  head_.has_query = mark != std::string_view::npos;
  head_.path = target.substr(0, mark);
  head_.query = head_.has_query ? target.substr(mark + 1) : std::string_view{};
  return true;
}

// RFC 9113 section 8.3.1: :authority stands for Host, which must not say otherwise.
bool RequestBuilder::settle_host() {
  head_.host = store_.text(authority_);
  for (const FieldStore::Field& field : store_.fields()) {
    if (field.id != HeaderId::host) continue;
    const std::string_view host = store_.text(field.value);
    if (!head_.host.empty() && !equal_ignoring_case(head_.host, host)) {
      return fail(400, "Host and :authority are different");
    }
    if (head_.host.empty()) head_.host = host;
  }
  return h1::is_authority(head_.host) || fail(400, "the host is not valid");
}

// The fields in order, Host first, all cookies in the place of the first.
bool RequestBuilder::settle_fields() {
  head_.headers.push_back({header_name(HeaderId::host), head_.host, HeaderId::host});
  std::size_t cookie_at = 0;
  for (const FieldStore::Field& field : store_.fields()) {
    const std::string_view value = store_.text(field.value);
    switch (field.id) {
      case HeaderId::host:
        continue;
      case HeaderId::cookie:
        if (cookie_at != 0) {
          cookie_.append("; ").append(value);
          continue;
        }
        cookie_at = head_.headers.size();
        if (cookies_ > 1) cookie_.assign(value);
        break;
      case HeaderId::expect:
        if (!matches(value, "100-continue")) return fail(417, "an expectation other than 100-continue");
        head_.expect_continue = true;
        break;
      case HeaderId::content_length:
        if (!h1::parse_decimal(value, head_.content_length)) return fail(400, "the Content-Length is no number");
        head_.framing = Framing::length;
        break;
      default:
        break;
    }
    head_.headers.push_back(store_.header(field));
  }
  if (cookies_ > 1) head_.headers[cookie_at].value = cookie_;
  return true;
}

bool RequestBuilder::settle_body(bool has_body, const Limits& limits) {
  if (head_.content_length > limits.body_bytes) return fail(413, "the body is larger than allowed");
  if (has_body && head_.framing == Framing::none) head_.framing = Framing::chunked;
  head_.expect_continue = head_.expect_continue && has_body;
  return true;
}

bool RequestBuilder::settle_trailers() {
  if (problem_.status != 0) return false;
  for (const FieldStore::Field& field : trailer_store_.fields()) trailers_.push_back(trailer_store_.header(field));
  return true;
}

bool RequestBuilder::fail(int status, std::string_view reason) {
  problem_ = {status, reason};
  return false;
}

}  // namespace http::h2
