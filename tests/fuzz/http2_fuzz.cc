// HTTP/2: whole and in pieces a connection reads the same; what an owner answers reads back as it was said.
//
// A record is the frames behind the preface and SETTINGS, in a notation that mutates well:
// type, flags, length and stream, a byte each, and then the payload.
// One that begins with "!" is the raw bytes of a connection instead.
#include <memory>
#include <string>
#include <string_view>

#include "http/h2/server_codec.h"
#include "support.h"

namespace {

using http::StreamId;
using http::h2::Event;
using http::h2::ServerCodec;
using Kind = Event::Kind;

const http::h2::Options& options() {
  static const http::h2::Options chosen = [] {
    http::h2::Options made;
    made.limits = {.head_bytes = 512, .target_bytes = 64, .headers = 8, .body_bytes = 64, .trailer_bytes = 128};
    made.low_water = 100;
    made.clock = [] { return std::chrono::steady_clock::time_point(); };
    return made;
  }();
  return chosen;
}

std::string opening() { return std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9); }

std::string connection(std::string_view record) {
  if (record.starts_with('!')) return std::string(record.substr(1));
  std::string bytes = opening();
  while (record.size() >= 4) {
    const std::size_t size = std::min<std::size_t>(static_cast<unsigned char>(record[2]), record.size() - 4);
    bytes += std::string(2, '\0') + static_cast<char>(size) + record[0] + record[1] + std::string(3, '\0') + record[3];
    bytes += record.substr(4, size);
    record.remove_prefix(4 + size);
  }
  return bytes;
}

// Plays the owner: what it does depends on the request only, so that it is the same however the bytes come.
class Owner {
 public:
  std::string converse(std::string_view input, std::size_t piece) {
    auto pending = std::make_unique<std::string>();
    for (std::size_t at = 0; at < input.size() && !closed_; at += piece) {
      // New memory every time: views that still point into the old one are found by the address sanitizer.
      pending = std::make_unique<std::string>(input.substr(at, piece));
      take_events(*pending);
    }
    write();
    return text_;
  }

 private:
  void take_events(std::string_view input) {
    for (;;) {
      Event event = codec_.next(input);
      if (event.kind == Kind::need_input || event.kind == Kind::closed) {
        fuzz::require(event.consumed <= input.size(), "a codec consumes no more than it was given");
        closed_ = event.kind == Kind::closed;
        return;
      }
      handle(event);
    }
  }

  void handle(const Event& event) {
    const StreamId id = event.stream;
    std::string& body = bodies_[id & 0xff];
    switch (event.kind) {
      case Kind::head:
        describe(codec_.head(id));
        return;
      case Kind::body:
        fuzz::require(!event.body.empty(), "a body event has bytes");
        body += event.body;
        codec_.consumed(id, event.body.size());
        return;
      case Kind::end:
        text_ += fmt::format("{}: {} end\n", id, std::exchange(body, {}));
        for (const http::Header& field : codec_.trailers(id)) text_ += fmt::format("{}={}\n", field.name, field.value);
        answer(id, 200);
        return;
      case Kind::refused:
        text_ += fmt::format("{}: refused {}\n", id, codec_.problem(id).status);
        answer(id, codec_.problem(id).status);
        return;
      case Kind::reset:
        fuzz::require(codec_.is_over(id), "a stream that was reset is over");
        codec_.release(id);
        return;
      default:
        return;
    }
  }

  void describe(const http::RequestHead& head) {
    text_ += fmt::format("{} {} {} {} {} {}\n", head.method_name, head.host, head.path, head.query, head.upgrade,
                         head.content_length);
    fuzz::require(head.path.starts_with('/') || head.path == "*", "a path begins with a slash");
    fuzz::require(!head.host.empty(), "a request has a host");
    for (const http::Header& field : head.headers) {
      fuzz::require(field.value.find_first_of("\r\n") == std::string_view::npos, "no value has a line end");
      fuzz::require(field.id != http::HeaderId::transfer_encoding && field.id != http::HeaderId::connection,
                    "no request has connection-specific fields");
      text_ += fmt::format("{}={}\n", field.name, field.value);
    }
  }

  void answer(StreamId id, int status) {
    fuzz::require(codec_.start(id, status).has_value(), "an answer can be started");
    (void)codec_.field(id, "x-a", codec_.head(id).path);
    (void)codec_.inform(id, 103);
    (void)codec_.finish_head(id, {});
    (void)codec_.body(id, "an answer of some length");
    if (id % 4 == 1) (void)codec_.trailer(id, "x-end", "1");
    (void)codec_.end(id);
    codec_.release(id);
  }

  void write() {
    std::string out;
    for (int rounds = 0; codec_.wants_write() && rounds < 100; ++rounds) {
      codec_.write(out, 100);
      take_events({});
    }
    fuzz::require(!codec_.wants_write(), "writing comes to an end");
    fuzz::require(codec_.owed() <= 64 * 8, "what is owed is bounded by what was said");
  }

  ServerCodec codec_{options()};
  std::string bodies_[256];
  std::string text_;
  bool closed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    const std::string bytes = connection(record);
    const std::string whole = Owner().converse(bytes, SIZE_MAX / 2);
    if (bytes.size() > 2048) return;  // byte by byte it takes time that other inputs use better
    fuzz::require(whole == Owner().converse(bytes, 1), "a connection in single bytes reads the same");
    fuzz::require(whole == Owner().converse(bytes, 7), "a connection in pieces reads the same");
  });
  return 0;
}
