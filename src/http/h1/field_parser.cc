#include "http/h1/field_parser.h"

#include "http/h1/line_reader.h"
#include "http/h1/scan.h"

namespace http::h1 {
namespace {

// Optional white space around a value (RFC 9110 section 5.6.3).
std::string_view trim(const char* begin, const char* end) {
  auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (begin < end && is_space(*begin)) ++begin;
  while (begin < end && is_space(end[-1])) --end;
  return {begin, static_cast<std::size_t>(end - begin)};
}

// "Once" and "more than once" are all that matters, and a count must not wrap.
void count_up(std::uint8_t& count) {
  if (count < 2) ++count;
}

}  // namespace

bool FieldParser::add(std::string_view line, std::vector<Header>& into) {
  const char* end = line.data() + line.size();
  const char* colon = find_colon(line.data(), end);
  std::string_view name(line.data(), static_cast<std::size_t>(colon - line.data()));
  HeaderId id = find_header_id(name);
  unsigned seen = id == HeaderId::other ? token_classes(name) : unsigned{token_char};  // known names are tokens
  // RFC 9112 section 5.1 and 5.2: no white space before the colon, no folded line.
  if (colon == end || seen == not_token) return fail(400, "a header line has no valid name");
  if (++count_ > limits_.headers) return fail(431, "too many header fields");
  if (seen & token_underscore) {
    if (limits_.underscores == Underscores::reject) return fail(400, "a header name has an underscore");
    if (limits_.underscores == Underscores::drop) return true;
  }
  note(into.emplace_back(Header{name, trim(colon + 1, end), id}));
  return true;
}

void FieldParser::note(const Header& field) {
  switch (field.id) {
    case HeaderId::content_length:
      summary_.content_length = field.value;
      return count_up(summary_.content_lengths);
    case HeaderId::transfer_encoding:
      summary_.transfer_encoding = field.value;
      return count_up(summary_.transfer_encodings);
    case HeaderId::host:
      summary_.host = field.value;
      return count_up(summary_.hosts);
    case HeaderId::connection:
      return note_connection(field.value);
    case HeaderId::upgrade:
      summary_.upgrade = field.value;
      return;
    case HeaderId::expect:
      (matches(field.value, "100-continue") ? summary_.expects_continue : summary_.expects_other) = true;
      return;
    default:
      return;
  }
}

void FieldParser::note_connection(std::string_view value) {
  if (matches(value, "keep-alive")) {  // what nearly every client says that says anything
    summary_.keep_alive = true;
    return;
  }
  for_each_token(value, [this](std::string_view option) {
    if (matches(option, "close")) {
      summary_.close = true;
    } else if (matches(option, "keep-alive")) {
      summary_.keep_alive = true;
    } else if (matches(option, "upgrade")) {
      summary_.asks_upgrade = true;
    } else if (summary_.nominations < 255) {
      ++summary_.nominations;
    }
  });
}

void FieldParser::move(std::ptrdiff_t distance, std::vector<Header>& headers) {
  for (Header& header : headers) {
    move_view(header.name, distance);
    move_view(header.value, distance);
  }
  for (std::string_view* view :
       {&summary_.content_length, &summary_.transfer_encoding, &summary_.host, &summary_.upgrade}) {
    if (view->data()) move_view(*view, distance);
  }
}

bool FieldParser::fail(int status, std::string_view reason) {
  problem_ = {status, reason};
  return false;
}

bool parse_decimal(std::string_view text, std::uint64_t& value) {
  if (text.empty()) return false;
  std::uint64_t result = 0;
  for (char c : text) {
    if (!is_digit(c)) return false;
    if (__builtin_mul_overflow(result, 10u, &result)) return false;
    if (__builtin_add_overflow(result, static_cast<unsigned>(c - '0'), &result)) return false;
  }
  value = result;
  return true;
}

}  // namespace http::h1
