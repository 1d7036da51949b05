#include "http/h1/request_parser.h"

#include "http/h1/scan.h"

namespace http::h1 {
namespace {

constexpr std::size_t longest_method = 32;
constexpr std::size_t most_blank_bytes = 8;  // CR LF before a start line (RFC 9112 section 2.2)
constexpr std::string_view version_prefix = " HTTP/";
constexpr std::size_t version_length = 9;  // " HTTP/1.1"

// "http://" or "https://", in any case: its length; 0 when the target begins otherwise.
std::size_t scheme_length(std::string_view target) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

}  // namespace

Event RequestParser::next(std::string_view input) {
  switch (state_) {
    case State::blank:
      return begin_head(input);
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

// Empty lines before a request are skipped, a few of them.
Event RequestParser::begin_head(std::string_view input) {
  std::size_t blank = 0;
  while (blank + 1 < input.size() && input[blank] == '\r' && input[blank + 1] == '\n') blank += 2;
  blank_ += blank;
  if (blank_ > most_blank_bytes) return fail(400, "empty lines before the request"), failed();
  input.remove_prefix(blank);
  if (input.empty() || input == "\r") return {.kind = Event::Kind::need_input, .consumed = blank};
  blank_ = 0;
  lines_.begin();
  fields_.begin();
  head_.headers.clear();
  // Nothing of the request before may be seen, should this one fail: its bytes are gone.
  head_.method = Method::other;
  head_.method_name = head_.target = head_.path = head_.query = head_.host = head_.upgrade = {};
  lines_.note_base(input.data());
  state_ = State::start_line;
  Event event = parse_head(input);
  event.consumed += blank;
  return event;
}

Event RequestParser::parse_head(std::string_view input) {
  if (auto distance = lines_.note_base(input.data())) move_views(distance);
  for (std::string_view line;;) {
    switch (lines_.next(input, line)) {
      case LineReader::Found::more:
        return check_size(lines_.looked_at()) ? Event{.kind = Event::Kind::need_input} : failed();
      case LineReader::Found::bad:
        if (!check_size(lines_.looked_at())) return failed();
        return fail(400, "a bare CR or LF, or another control character, in the head"), failed();
      case LineReader::Found::line:
        break;
    }
    if (!check_size(lines_.consumed())) return failed();
    if (state_ == State::start_line) {
      if (!parse_start_line(line)) return failed();
      state_ = State::fields;
    } else if (!line.empty()) {
      if (!fields_.add(line, head_.headers)) return problem_ = fields_.problem(), failed();
    } else {
      break;
    }
  }
  if (!settle_head()) return failed();
  state_ = State::body;
  return {.kind = Event::Kind::head, .consumed = lines_.consumed()};
}

bool RequestParser::check_size(std::size_t bytes) {
  if (state_ == State::start_line && bytes > limits_.target_bytes + longest_method + version_length + 3) {
    return fail(414, "the request target is too long");
  }
  return bytes <= limits_.head_bytes || fail(431, "the request head is too large");
}

void RequestParser::move_views(std::ptrdiff_t distance) {
  for (std::string_view* view : {&head_.method_name, &head_.target}) {
    if (view->data()) move_view(*view, distance);
  }
  fields_.move(distance, head_.headers);
}

// method SP request-target SP HTTP-version (RFC 9112 section 3), with exactly these spaces.
bool RequestParser::parse_start_line(std::string_view line) {
  const char *begin = line.data(), *end = begin + line.size(), *space = begin;
  while (space < end && is_token_char(*space)) ++space;
  if (space == begin || space == end || *space != ' ') return fail(400, "the request line has no valid method");
  head_.method_name = {begin, static_cast<std::size_t>(space - begin)};
  if (head_.method_name.size() > longest_method) return fail(501, "the method is not implemented");
  head_.method = find_method(head_.method_name);

  const char* target = space + 1;
  const char* target_end = find_target_end(target, end);
  if (target_end == target) return fail(400, "the request line has no target");
  head_.target = {target, static_cast<std::size_t>(target_end - target)};
  if (head_.target.size() > limits_.target_bytes) return fail(414, "the request target is too long");
  return parse_version({target_end, static_cast<std::size_t>(end - target_end)});
}

bool RequestParser::parse_version(std::string_view version) {
  bool is_version = version.size() == version_length && version.starts_with(version_prefix) && is_digit(version[6]) &&
                    version[7] == '.' && is_digit(version[8]);
  if (!is_version) return fail(400, "the request line does not end with a valid target and HTTP version");
  if (version[6] != '1') return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  // RFC 9110 section 2.5: a later minor version is read as the latest that is known.
  head_.minor_version = version[8] == '0' ? 0 : 1;
  return true;
}

// Once all fields are known: everything that depends on more than one of them.
bool RequestParser::settle_head() {
  const FieldParser::Summary& seen = fields_.summary();
  return settle_target() && settle_host(seen) && settle_framing(seen) && settle_connection(seen);
}

// The forms of RFC 9112 section 3.2.
bool RequestParser::settle_target() {
  authority_ = {};
  if (head_.method == Method::connect) return fail(501, "CONNECT is not implemented");
  if (head_.target[0] == '/') return split_target(head_.target), true;
  if (head_.target == "*") {
    split_target(head_.target);
    return head_.method == Method::options || fail(400, "the target * is for OPTIONS only");
  }
  std::size_t scheme = scheme_length(head_.target);
  if (scheme == 0) return fail(400, "the target is neither a path nor an http address");
  std::size_t end = std::min(head_.target.find_first_of("/?", scheme), head_.target.size());
  authority_ = head_.target.substr(scheme, end - scheme);
  if (!is_authority(authority_)) return fail(400, "the target has no valid host");
  split_target(head_.target.substr(end));
  // Section 3.2.4: the last proxy turns an empty path into "*" for OPTIONS; section 3.2.1: into "/" otherwise.
  if (head_.path.empty()) head_.path = head_.method == Method::options && !head_.has_query ? "*" : "/";
  return true;
}

void RequestParser::split_target(std::string_view target) {
  std::size_t mark = target.find('?');
  head_.has_query = mark != std::string_view::npos;
  head_.path = target.substr(0, mark);
  head_.query = head_.has_query ? target.substr(mark + 1) : std::string_view{};
}

bool RequestParser::settle_host(const FieldParser::Summary& seen) {
  // RFC 9112 section 3.2: exactly one on HTTP/1.1.
  if (seen.hosts > 1) return fail(400, "more than one Host");
  if (seen.hosts == 0 && head_.minor_version == 1) return fail(400, "no Host");
  // The requests of a connection name the same host nearly always: it is looked at closely once.
  if (seen.hosts == 1 && (seen.host != checked_host_ || seen.host.empty())) {
    if (!is_authority(seen.host)) return fail(400, "the Host is not valid");
    checked_host_.assign(seen.host);
  }
  head_.host = seen.host;
  if (authority_.empty()) return true;
  // Section 3.2.2: the target's authority wins and replaces what Host says.
  head_.host = authority_;
  for (Header& header : head_.headers) {
    if (header.id == HeaderId::host) header.value = authority_;
  }
  return true;
}

// RFC 9112 section 6: whatever could be read in two ways is refused.
bool RequestParser::settle_framing(const FieldParser::Summary& seen) {
  head_.framing = Framing::none;
  head_.content_length = 0;
  if (seen.transfer_encodings > 0) {
    if (head_.minor_version == 0) return fail(400, "Transfer-Encoding on HTTP/1.0");
    if (seen.content_lengths > 0) return fail(400, "both Content-Length and Transfer-Encoding");
    if (seen.transfer_encodings > 1) return fail(400, "more than one Transfer-Encoding");
    if (!matches(seen.transfer_encoding, "chunked")) return fail(501, "a Transfer-Encoding but chunked");
    head_.framing = Framing::chunked;
  } else if (seen.content_lengths > 0) {
    if (seen.content_lengths > 1) return fail(400, "more than one Content-Length");
    if (!parse_decimal(seen.content_length, head_.content_length)) return fail(400, "the Content-Length is no number");
    if (head_.content_length > limits_.body_bytes) return fail(413, "the body is larger than allowed");
    head_.framing = Framing::length;
  }
  body_.begin(head_.framing, head_.content_length);
  return true;
}

bool RequestParser::settle_connection(const FieldParser::Summary& seen) {
  if (seen.nominations > most_nominations) return fail(400, "too many Connection options");
  bool is_1_1 = head_.minor_version == 1;
  head_.keep_alive = !seen.close && (is_1_1 || seen.keep_alive);  // RFC 9112 section 9.3
  head_.nominates = seen.nominations > 0;
  head_.upgrade = is_1_1 && seen.asks_upgrade ? seen.upgrade : std::string_view{};
  // RFC 9110 section 10.1.1: a 1.0 expectation is ignored; an unknown one may be refused, and is.
  if (is_1_1 && seen.expects_other) return fail(417, "an expectation other than 100-continue");
  head_.expect_continue = is_1_1 && seen.expects_continue && head_.has_body();
  return true;
}

Event RequestParser::read_body(std::string_view input) {
  Event event = body_.next(input);
  if (event.kind == Event::Kind::end) state_ = head_.keep_alive ? State::blank : State::closed;
  if (event.kind == Event::Kind::failed) {
    problem_ = body_.problem();
    return failed();
  }
  return event;
}

bool RequestParser::fail(int status, std::string_view reason) {
  problem_ = {status, reason};
  return false;
}

Event RequestParser::failed() {
  state_ = State::failed;
  return {.kind = Event::Kind::failed};
}

}  // namespace http::h1
