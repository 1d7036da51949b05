#include "http/h1/body_reader.h"

#include <algorithm>

#include "base/memory.h"
#include "http/h1/scan.h"

namespace http::h1 {
namespace {

constexpr std::uint32_t most_size_digits = 16;

int hex_value(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  unsigned char lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

void BodyReader::begin(Framing framing, std::uint64_t length) {
  framing_ = framing;
  limit_ = limits_.body_bytes;
  received_ = 0;
  left_ = framing == Framing::length ? length : 0;
  extra_ = 0;
  chunk_ = Chunk::size_first;
  if (!trailer_lines_.empty()) base::give_back(trailer_lines_, 0);
}

Event BodyReader::next(std::string_view input) {
  switch (framing_) {
    case Framing::none:
      return {.kind = Event::Kind::end};
    case Framing::length:
      return next_of_length(input);
    case Framing::chunked:
      return next_of_chunks(input);
    case Framing::until_close:
      break;
  }
  if (input.empty()) return {.kind = Event::Kind::need_input};
  if (!fits(input.size())) return failed();
  return take(input, 0, input.size());
}

Event BodyReader::next_of_length(std::string_view input) {
  if (left_ == 0) return {.kind = Event::Kind::end};
  if (!fits(left_)) return failed();
  if (input.empty()) return {.kind = Event::Kind::need_input};
  return take(input, 0, left_);
}

Event BodyReader::next_of_chunks(std::string_view input) {
  for (std::size_t at = 0; at < input.size();) {
    if (chunk_ == Chunk::data) return take(input, at, left_);
    if (!step(input[at++])) return failed();
    if (chunk_ == Chunk::done) return {.kind = Event::Kind::end, .consumed = at};
  }
  return {.kind = Event::Kind::need_input, .consumed = input.size()};
}

// A piece of content that begins at `from`; at most `available` bytes from there are this body's.
Event BodyReader::take(std::string_view input, std::size_t from, std::uint64_t available) {
  std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(available, input.size() - from));
  received_ += size;
  if (framing_ != Framing::until_close) left_ -= size;
  if (framing_ == Framing::chunked && left_ == 0) chunk_ = Chunk::data_cr;
  return {.kind = Event::Kind::body, .consumed = from + size, .body = input.substr(from, size)};
}

// One byte of chunk framing (RFC 9112 section 7.1).
bool BodyReader::step(char byte) {
  switch (chunk_) {
    case Chunk::size_first:
      left_ = 0, extra_ = 0;
      chunk_ = Chunk::size;
      return add_digit(byte);
    case Chunk::size:
      if (byte == ';') return extra_ = 0, chunk_ = Chunk::extension, true;
      if (byte == '\r') return chunk_ = Chunk::size_lf, true;
      if (byte == ' ' || byte == '\t') return extra_ = 1, chunk_ = Chunk::size_space, true;
      return add_digit(byte);
    case Chunk::size_space:  // "bad" white space is allowed before an extension only
      if (byte == ';') return chunk_ = Chunk::extension, true;
      if (byte != ' ' && byte != '\t') return fail(400, "a chunk size is not a hexadecimal number");
      return ++extra_ <= limits_.chunk_extension_bytes || fail(400, "a chunk extension is too long");
    case Chunk::extension:
      if (byte == '\r') return chunk_ = Chunk::size_lf, true;
      if (is_control(byte)) return fail(400, "a chunk extension has a control character");
      return ++extra_ <= limits_.chunk_extension_bytes || fail(400, "a chunk extension is too long");
    case Chunk::size_lf:
      if (byte != '\n') return fail(400, "a chunk size line does not end with CR LF");
      return begin_chunk();
    case Chunk::data_cr:
      chunk_ = Chunk::data_lf;
      return byte == '\r' || fail(400, "a chunk is longer than its size");
    case Chunk::data_lf:
      chunk_ = Chunk::size_first;
      return byte == '\n' || fail(400, "a chunk does not end with CR LF");
    default:
      return step_trailer(byte);
  }
}

bool BodyReader::add_digit(char byte) {
  int digit = hex_value(static_cast<unsigned char>(byte));
  if (digit < 0) return fail(400, "a chunk size is not a hexadecimal number");
  if (++extra_ > most_size_digits) return fail(400, "a chunk size has too many digits");
  left_ = left_ << 4 | static_cast<unsigned>(digit);
  return true;
}

bool BodyReader::begin_chunk() {
  extra_ = 0;
  chunk_ = left_ == 0 ? Chunk::trailer_first : Chunk::data;
  return fits(left_);
}

// Trailers are checked like header lines.
bool BodyReader::step_trailer(char byte) {
  if (++extra_ > limits_.trailer_bytes) return fail(431, "the trailers are too long");
  if (keeps_trailers_) trailer_lines_ += byte;
  switch (chunk_) {
    case Chunk::trailer_first:
      if (byte == '\r') return chunk_ = Chunk::last_lf, true;
      chunk_ = Chunk::trailer_name;
      return is_token_char(byte) || fail(400, "a trailer has no valid name");
    case Chunk::trailer_name:
      if (byte == ':') return chunk_ = Chunk::trailer_value, true;
      return is_token_char(byte) || fail(400, "a trailer has no valid name");
    case Chunk::trailer_value:
      if (byte == '\r') return chunk_ = Chunk::trailer_lf, true;
      return !is_control(byte) || fail(400, "a trailer has a control character");
    case Chunk::trailer_lf:
      chunk_ = Chunk::trailer_first;
      return byte == '\n' || fail(400, "a trailer does not end with CR LF");
    default:
      chunk_ = Chunk::done;
      return byte == '\n' || fail(400, "the trailers do not end with CR LF");
  }
}

bool BodyReader::fits(std::uint64_t more) {
  return (received_ <= limit_ && more <= limit_ - received_) || fail(413, "the body is larger than allowed");
}

bool BodyReader::fail(int status, std::string_view reason) {
  problem_ = {status, reason};
  return false;
}

Event BodyReader::failed() { return {.kind = Event::Kind::failed}; }

}  // namespace http::h1
