// For tests: a ServerCodec and what it has told, with or without a client on the other side.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/h2/test_client.h"

namespace http::h2::test {

using Kind = Event::Kind;

struct Seen {
  Kind kind;
  StreamId stream;
  std::string body;
  ErrorCode code;
  void* user;
};

class Talk {
 public:
  explicit Talk(Options chosen = {}, const ClientOptions& peer = {}) : options(std::move(chosen)), client(peer) {
    now = {};
  }

  // Bytes to and fro until nobody has any.
  void run() {
    opened_ = true;
    for (;;) {
      const std::string up = client.output();
      read(up);
      const std::string down = write();
      if (up.empty() && down.empty()) return;
      client.input(down);
    }
  }
  // Bytes to the codec; its events are added to `seen`.
  void read(std::string_view bytes) {
    for (;;) {
      Event event = codec.next(bytes);
      if (event.kind != Kind::need_input) {
        const bool was_closed = !seen.empty() && seen.back().kind == Kind::closed;
        if (!was_closed) seen.push_back({event.kind, event.stream, std::string(event.body), event.code, event.user});
        if (event.kind != Kind::closed) continue;
      }
      EXPECT_EQ(event.consumed, bytes.size());
      return;
    }
  }
  std::string write(std::size_t room = 1 << 20) {
    std::string bytes;
    codec.write(bytes, room);
    note_goaway(bytes);
    read({});
    return bytes;
  }
  // What a peer by hand sends after the opening.
  void raw(std::string_view bytes) {
    if (!opened_) read(opening());
    opened_ = true;
    read(bytes);
  }
  // HEADERS by hand; true when the codec took it for a request.
  bool accepts(const Fields& fields, std::uint8_t flags = end_stream) {
    raw(frame(NGHTTP2_HEADERS, flags | end_headers, next_raw_, block(fields)));
    const StreamId id = next_raw_;
    next_raw_ += 2;
    return has(Kind::head, id);
  }
  // The head of an answer without a length.
  void begin_answer(StreamId id, int status = 200) {
    EXPECT_TRUE(codec.start(id, status).has_value());
    EXPECT_TRUE(codec.finish_head(id, {}).has_value());
  }
  bool has(Kind kind, StreamId stream = 0) const {
    for (const Seen& one : seen) {
      if (one.kind == kind && (stream == 0 || one.stream == stream)) return true;
    }
    return false;
  }
  std::string body_of(StreamId stream) const {
    std::string body;
    for (const Seen& one : seen) {
      if (one.kind == Kind::body && one.stream == stream) body += one.body;
    }
    return body;
  }
  void answer(StreamId stream, int status = 200, std::string_view body = {}) {
    EXPECT_TRUE(codec.start(stream, status).has_value());
    EXPECT_TRUE(codec.finish_head(stream, body.size()).has_value());
    EXPECT_TRUE(codec.body(stream, body).has_value());
    EXPECT_TRUE(codec.end(stream).has_value());
    codec.release(stream);
  }

  static inline std::chrono::steady_clock::time_point now;
  Options options;
  ServerCodec codec{with_clock()};
  Client client;
  std::vector<Seen> seen;
  std::vector<ErrorCode> goaways;  // sent by the codec

 private:
  void note_goaway(std::string_view bytes) {
    constexpr std::size_t header_size = 9, code_at = header_size + 4;
    while (bytes.size() >= header_size) {
      const auto byte = [&](std::size_t at) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at]));
      };
      if (byte(3) == NGHTTP2_GOAWAY) goaways.push_back(static_cast<ErrorCode>(byte(code_at + 3)));
      bytes.remove_prefix(header_size + (byte(0) << 16 | byte(1) << 8 | byte(2)));
    }
  }

  const Options& with_clock() {
    options.clock = [] { return now; };
    return options;
  }

  bool opened_ = false;
  StreamId next_raw_ = 1;
};

}  // namespace http::h2::test
