#include "websocket/reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/memory.h"

namespace websocket {
namespace {

constexpr std::size_t spare_memory = 4096;  // kept between gathered messages

std::uint64_t big_endian(const char* at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; i++) number = number << 8 | static_cast<unsigned char>(at[i]);
  return number;
}

bool is_known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

}  // namespace

Reader::Reader(Role role, std::size_t message_limit, std::optional<DeflateStream> deflate)
    : role_(role), limit_(message_limit) {
  if (deflate) decompressor_.emplace(*deflate);
}

Event Reader::next(std::string_view input) {
  if (over_) return {.consumed = input.size()};
  if (std::exchange(delivered_, false)) base::give_back(message_, spare_memory);
  std::size_t used = 0;
  for (;;) {
    if (!in_frame_) {
      Frame frame;
      Parsed parsed = parse_header(input.substr(used), frame);
      if (parsed == Parsed::partial) return {.consumed = used};
      if (parsed == Parsed::wrong) return failed(input.size());
      std::string_view rest = input.substr(used + frame.header);
      bool whole = rest.size() >= frame.length;
      if (is_control(frame.opcode)) {
        if (!whole) return {.consumed = used};
        Event event = read_control(frame, rest.substr(0, frame.length));
        event.consumed += used;
        return event;
      }
      bool one_frame = frame.fin && frame.opcode != Opcode::continuation && !frame.compressed;
      if (one_frame && whole && frame.length <= limit_) {
        bool text = frame.opcode == Opcode::text;
        return {.kind = text ? Event::Kind::text : Event::Kind::binary,
                .consumed = used + frame.header + frame.length,
                .payload = rest.substr(0, frame.length),
                .key = frame.key,
                .checked = !text};
      }
      if (!begin_frame(frame)) return failed(input.size());
      used += frame.header;
    }
    std::string_view piece = input.substr(used, std::min<std::uint64_t>(frame_.length - taken_, input.size() - used));
    if (!add_piece(piece)) return failed(input.size());
    used += piece.size();
    taken_ += piece.size();
    if (taken_ < frame_.length) return {.consumed = used};
    in_frame_ = false;
    if (!frame_.fin) continue;
    Event event = end_message();
    event.consumed = used;
    return event;
  }
}

// --- headers --------------------------------------------------------------------------------------------------------

Reader::Parsed Reader::parse_header(std::string_view input, Frame& frame) {
  if (input.size() < 2) return Parsed::partial;
  auto first = static_cast<std::uint8_t>(input[0]), second = static_cast<std::uint8_t>(input[1]);
  std::uint8_t length = second & length_bits;
  std::size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;
  bool masked = second & mask_bit;
  frame.header = static_cast<std::uint8_t>(2 + extended + (masked ? 4 : 0));
  frame.fin = first & fin_bit;
  frame.compressed = first & rsv1_bit;
  // What can be told from two bytes is told at once, whether the rest comes or not.
  if (!is_known(first & opcode_bits)) {
    fail(close::protocol_error, "a frame of an unknown kind");
    return Parsed::wrong;
  }
  frame.opcode = static_cast<Opcode>(first & opcode_bits);
  if (masked != (role_ == Role::server)) {
    fail(close::protocol_error, masked ? "a masked frame from the server" : "a frame that is not masked");
    return Parsed::wrong;
  }
  frame.length = length;
  if (!is_in_order(frame, first & other_rsv_bits)) return Parsed::wrong;
  if (input.size() < frame.header) return Parsed::partial;
  if (extended > 0) {
    frame.length = big_endian(input.data() + 2, extended);
    bool shortest = frame.length > (extended == 2 ? most_control_bytes : 0xffff);
    if (!shortest || frame.length >> 63) {
      fail(close::protocol_error, "a frame's length is not well formed");
      return Parsed::wrong;
    }
  }
  if (masked) std::memcpy(&frame.key, input.data() + 2 + extended, sizeof frame.key);
  return Parsed::whole;
}

// RFC 6455 sections 5.2, 5.4 and 5.5. `frame.length` is what its seven bits say.
bool Reader::is_in_order(const Frame& frame, std::uint8_t reserved) {
  if (reserved) return fail(close::protocol_error, "a reserved bit is set");
  bool begins_message = frame.opcode == Opcode::text || frame.opcode == Opcode::binary;
  if (frame.compressed && !(decompressor_ && begins_message)) {
    return fail(close::protocol_error, "a frame is marked as compressed where none may be");
  }
  if (is_control(frame.opcode)) {
    if (!frame.fin) return fail(close::protocol_error, "a control frame in fragments");
    if (frame.length > most_control_bytes) return fail(close::protocol_error, "a control frame is too long");
    return true;
  }
  if (begins_message && in_message_) return fail(close::protocol_error, "a message begins inside another");
  if (!begins_message && !in_message_) return fail(close::protocol_error, "a continuation of no message");
  return true;
}

// --- control frames -------------------------------------------------------------------------------------------------

Event Reader::read_control(const Frame& frame, std::string_view payload) {
  copy_masked(control_, payload.data(), payload.size(), frame.key);
  std::string_view plain(control_, payload.size());
  if (frame.opcode == Opcode::close) return read_close(frame, plain);
  return {.kind = frame.opcode == Opcode::ping ? Event::Kind::ping : Event::Kind::pong,
          .consumed = frame.header + frame.length,
          .payload = plain};
}

Event Reader::read_close(const Frame& frame, std::string_view payload) {
  const std::size_t consumed = frame.header + frame.length;
  Event event{.kind = Event::Kind::close, .consumed = consumed, .code = close::no_code};
  if (!payload.empty()) {
    auto code = payload.size() >= 2 ? static_cast<CloseCode>(big_endian(payload.data(), 2)) : CloseCode{0};
    if (!may_be_sent(code)) {
      fail(close::protocol_error, "a Close frame with an invalid code");
      return failed(consumed);
    }
    event.code = code;
    event.payload = payload.substr(2);
    if (!is_utf8(event.payload)) {
      fail(close::invalid_data, "the reason of a Close frame is not UTF-8");
      return failed(consumed);
    }
  }
  over_ = true;
  return event;
}

// --- messages that are gathered -------------------------------------------------------------------------------------

bool Reader::begin_frame(const Frame& frame) {
  if (frame.opcode != Opcode::continuation) {
    in_message_ = true;
    is_text_ = frame.opcode == Opcode::text;
    is_compressed_ = frame.compressed;
    utf8_.reset();
  }
  frame_ = frame;
  taken_ = 0;
  in_frame_ = true;
  // Of a compressed message it shows while it is expanded.
  if (!is_compressed_ && frame.length > limit_ - message_.size()) return fail(close::too_big, "the message is too big");
  return true;
}

bool Reader::add_piece(std::string_view piece) {
  if (is_compressed_) return add_compressed(piece);
  const std::size_t before = message_.size();
  message_.resize_and_overwrite(before + piece.size(), [&](char* text, std::size_t) {
    copy_masked(text + before, piece.data(), piece.size(), turn(frame_.key, taken_));
    return before + piece.size();
  });
  return check_text(before);
}

bool Reader::add_compressed(std::string_view piece) {
  std::array<char, 4096> plain;
  for (std::size_t at = 0; at < piece.size();) {
    std::size_t size = std::min(plain.size(), piece.size() - at);
    copy_masked(plain.data(), piece.data() + at, size, turn(frame_.key, taken_ + at));
    const std::size_t before = message_.size();
    auto outcome = decompressor_->add({plain.data(), size}, message_, limit_);
    if (!check_text(before) || !settle(outcome)) return false;  // what came first is said first
    at += size;
  }
  return true;
}

bool Reader::check_text(std::size_t from) {
  if (!is_text_ || utf8_.add(std::string_view(message_).substr(from))) return true;
  return fail(close::invalid_data, "a text message is not UTF-8");
}

bool Reader::settle(Decompressor::Outcome outcome) {
  switch (outcome) {
    case Decompressor::Outcome::fine:
      return true;
    case Decompressor::Outcome::too_large:
      return fail(close::too_big, "the message is too big");
    case Decompressor::Outcome::corrupt:
      return fail(close::invalid_data, "a compressed message cannot be decompressed");
  }
  return false;
}

Event Reader::end_message() {
  if (is_compressed_) {
    const std::size_t before = message_.size();
    auto outcome = decompressor_->finish(message_, limit_);
    if (!check_text(before) || !settle(outcome)) return failed(0);
  }
  if (is_text_ && !utf8_.is_complete()) {
    fail(close::invalid_data, "a text message ends inside a character");
    return failed(0);
  }
  in_message_ = false;
  delivered_ = true;
  return {.kind = is_text_ ? Event::Kind::text : Event::Kind::binary, .payload = message_};
}

bool Reader::fail(CloseCode code, std::string_view reason) {
  code_ = code;
  reason_ = reason;
  over_ = true;
  return false;
}

Event Reader::failed(std::size_t consumed) {
  return {.kind = Event::Kind::failed, .consumed = consumed, .payload = reason_, .code = code_};
}

}  // namespace websocket
