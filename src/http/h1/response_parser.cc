#include "http/h1/response_parser.h"

#include "http/h1/scan.h"

namespace http::h1 {
namespace {

constexpr unsigned most_interim_answers = 16;
constexpr std::size_t shortest_status_line = 12;  // "HTTP/1.1 200"

}  // namespace

void ResponseParser::expect(Method method, std::string_view upgrade) {
  method_ = method;
  upgrade_ = upgrade;
  interim_answers_ = 0;
  if (state_ == State::idle) begin_head();
}

void ResponseParser::begin_head() {
  trailers_.clear();
  lines_.begin();
  state_ = State::start_line;
}

Event ResponseParser::next(std::string_view input) {
  switch (state_) {
    case State::idle:
      if (input.empty()) return {.kind = Event::Kind::need_input};
      return fail("bytes that answer no request"), failed();
    case State::start_line:
    case State::fields:
      return parse_head(input);
    case State::body:
      return read_body(input);
    case State::closed:
      return {.kind = Event::Kind::closed};
    case State::failed:
      break;
  }
  return failed();
}

Event ResponseParser::end_of_input() {
  if (state_ == State::idle || state_ == State::closed) {
    state_ = State::closed;
    return {.kind = Event::Kind::closed};
  }
  if (state_ == State::body) {
    Event event = read_body({});
    if (event.kind != Event::Kind::need_input) return event;
    if (body_.ends_with_connection()) {
      state_ = State::closed;
      return {.kind = Event::Kind::end};
    }
  }
  if (state_ != State::failed) fail("the connection closed before the answer was whole");
  return failed();
}

Event ResponseParser::parse_head(std::string_view input) {
  auto distance = lines_.note_base(input.data());
  if (state_ == State::fields && distance) move_views(distance);
  for (std::string_view line;;) {
    switch (lines_.next(input, line)) {
      case LineReader::Found::more:
        return check_size(lines_.looked_at()) ? Event{.kind = Event::Kind::need_input} : failed();
      case LineReader::Found::bad:
        if (!check_size(lines_.looked_at())) return failed();
        return fail("a bare CR or LF, or another control character, in the head"), failed();
      case LineReader::Found::line:
        break;
    }
    if (!check_size(lines_.consumed())) return failed();
    if (state_ == State::start_line) {
      if (!parse_start_line(line)) return failed();
      fields_.begin();
      head_.headers.clear();
      state_ = State::fields;
    } else if (!line.empty()) {
      if (!fields_.add(line, head_.headers)) return fail(fields_.problem().reason), failed();
    } else {
      break;
    }
  }
  return settle_head() ? head_event(lines_.consumed()) : failed();
}

Event ResponseParser::head_event(std::size_t consumed) {
  if (head_.status >= 200 || head_.status == 101) {
    state_ = head_.status == 101 ? State::closed : State::body;
    return {.kind = Event::Kind::head, .consumed = consumed};
  }
  begin_head();
  return {.kind = Event::Kind::interim, .consumed = consumed};
}

bool ResponseParser::check_size(std::size_t bytes) {
  return bytes <= limits_.head_bytes || fail("the head of the answer is too large");
}

void ResponseParser::move_views(std::ptrdiff_t distance) {
  move_view(head_.reason, distance);
  fields_.move(distance, head_.headers);
}

// HTTP-version SP status-code [SP reason-phrase] (RFC 9112 section 4; the last space is often left out).
bool ResponseParser::parse_start_line(std::string_view line) {
  bool is_shaped = line.size() >= shortest_status_line && line.starts_with("HTTP/1.") &&
                   (line[7] == '0' || line[7] == '1') && line[8] == ' ' && is_digit(line[9]) && is_digit(line[10]) &&
                   is_digit(line[11]) && (line.size() == shortest_status_line || line[12] == ' ');
  if (!is_shaped) return fail("the answer does not begin with an HTTP/1 status line");
  head_.minor_version = static_cast<std::uint8_t>(line[7] - '0');
  head_.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (head_.status < 100) return fail("the status is below 100");
  head_.reason = line.substr(std::min(line.size(), shortest_status_line + 1));
  return true;
}

bool ResponseParser::settle_head() {
  const FieldParser::Summary& seen = fields_.summary();
  if (head_.status == 101 && !settle_upgrade(seen)) return false;
  if (head_.status < 200 && ++interim_answers_ > most_interim_answers) return fail("too many interim answers");
  if (seen.nominations > most_nominations) return fail("too many Connection options");
  head_.keep_alive = !seen.close && (head_.minor_version == 1 || seen.keep_alive);
  head_.nominates = seen.nominations > 0;
  return settle_framing(seen);
}

// RFC 9110 section 15.2.2.
bool ResponseParser::settle_upgrade(const FieldParser::Summary& seen) {
  if (upgrade_.empty()) return fail("the answer switches protocols, which was not asked for");
  if (head_.minor_version == 0 || !seen.asks_upgrade || !equal_ignoring_case(seen.upgrade, upgrade_)) {
    return fail("the answer switches to a protocol that was not asked for");
  }
  return true;
}

// RFC 9112 section 6.3, without its licence to repair.
bool ResponseParser::settle_framing(const FieldParser::Summary& seen) {
  head_.content_length = 0;
  head_.declares_length = seen.content_lengths > 0;
  if (seen.content_lengths > 1) return fail("more than one Content-Length");
  if (seen.transfer_encodings > 1) return fail("more than one Transfer-Encoding");
  if (seen.content_lengths && seen.transfer_encodings) return fail("both Content-Length and Transfer-Encoding");
  if (seen.content_lengths && !parse_decimal(seen.content_length, head_.content_length)) {
    return fail("the Content-Length is no number");
  }
  if (seen.transfer_encodings) {
    if (head_.minor_version == 0) return fail("Transfer-Encoding on HTTP/1.0");
    if (!matches(seen.transfer_encoding, "chunked")) return fail("a Transfer-Encoding but chunked");
  }
  if (method_ == Method::head || status_forbids_body(head_.status)) {
    head_.framing = Framing::none;
  } else if (seen.transfer_encodings) {
    head_.framing = Framing::chunked;
  } else {
    head_.framing = seen.content_lengths ? Framing::length : Framing::until_close;
  }
  // A 204 that announces a body (RFC 9110 section 8.6 forbids it) may well be followed by one.
  bool is_doubtful = head_.status == 204 && (seen.transfer_encodings || head_.content_length > 0);
  if (head_.framing == Framing::until_close || is_doubtful) head_.keep_alive = false;
  body_.begin(head_.framing, head_.content_length);
  return true;
}

Event ResponseParser::read_body(std::string_view input) {
  Event event = body_.next(input);
  if (event.kind == Event::Kind::end) {
    if (!body_.trailer_lines().empty() && !settle_trailers()) return failed();
    state_ = head_.keep_alive ? State::idle : State::closed;
  }
  if (event.kind == Event::Kind::failed) {
    fail(body_.problem().reason);
    return failed();
  }
  return event;
}

// RFC 9110 section 6.5. What they may say is for whoever passes them on.
bool ResponseParser::settle_trailers() {
  LineReader lines;
  lines.begin();
  fields_.begin();
  for (std::string_view line; lines.next(body_.trailer_lines(), line) == LineReader::Found::line && !line.empty();) {
    if (!fields_.add(line, trailers_)) return fail(fields_.problem().reason);
  }
  return true;
}

bool ResponseParser::fail(std::string_view reason) {
  problem_ = {502, reason};
  return false;
}

Event ResponseParser::failed() {
  state_ = State::failed;
  return {.kind = Event::Kind::failed};
}

}  // namespace http::h1
