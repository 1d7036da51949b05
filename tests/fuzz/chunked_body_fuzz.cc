// Bodies: pieces do not matter, trailers are kept as they came and forgotten by the next body, and a body that is
// written in chunks reads back as it was.
#include "conversation.h"
#include "http/h1/body_reader.h"
#include "http/h1/request_writer.h"

namespace {

using http::Event;
using http::Framing;
using http::h1::BodyReader;

constexpr http::Limits limits{.body_bytes = 256, .chunk_extension_bytes = 8, .trailer_bytes = 32};

// What a head said of its body.
struct Kind {
  Framing framing;
  std::uint64_t length = 0;
};

// Reads one body; after its end nothing more is asked for.
class OneBody {
 public:
  explicit OneBody(Kind kind) : kind_(kind), reader_(limits) {
    reader_.keep_trailers();
    reader_.begin(kind.framing, kind.length);
  }
  Event next(std::string_view input) {
    if (ended_) return {.kind = Event::Kind::closed};
    Event event = reader_.next(input);
    ended_ = event.kind == Event::Kind::end;
    return event;
  }
  std::string failure() const {
    return fmt::format("failed {} {}", reader_.problem().status, reader_.problem().reason);
  }
  // Of this body. The reader then begins another one, which has none yet.
  std::string take_trailers() {
    std::string lines = ended_ ? std::string(reader_.trailer_lines()) : "";
    fuzz::require(lines.empty() || lines.ends_with("\r\n"), "trailers are whole lines");
    reader_.begin(kind_.framing, kind_.length);
    fuzz::require(reader_.trailer_lines().empty(), "trailers belong to one body");
    return lines;
  }

 private:
  Kind kind_;
  BodyReader reader_;
  bool ended_ = false;
};

std::string read(Kind kind, std::string_view input, std::size_t piece) {
  OneBody body(kind);
  std::string text = fuzz::converse(
      body, input, piece, [] { return std::string("no head in a body"); }, [&] { return body.failure(); });
  return text + "\n" + body.take_trailers();
}

void check_that_it_reads_back(std::string_view content) {
  http::h1::RequestWriter writer;
  std::string head, framed;
  (void)writer.head({.method = "PUT", .path = "/", .host = "a", .framing = Framing::chunked}, head);
  for (std::size_t at = 0; at < content.size(); at += 9) (void)writer.body(content.substr(at, 9), framed);
  fuzz::require(writer.end(framed).has_value(), "a body that was written ends");
  std::string expected =
      content.size() > limits.body_bytes ? "" : fmt::format("body {}\nend\nbody \nclosed\n\r\n", content);
  if (!expected.empty())
    fuzz::require(read({Framing::chunked}, framed + "x", 5) == expected, "what was written reads back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    for (Kind kind : {Kind{Framing::chunked}, Kind{Framing::length, 16}, Kind{Framing::length, limits.body_bytes + 1},
                      Kind{Framing::until_close}, Kind{Framing::none}}) {
      std::string whole = read(kind, record, SIZE_MAX / 2);
      // How far a body that is too long gets depends on the pieces when the connection's end is its end.
      if (kind.framing == Framing::until_close && record.size() > limits.body_bytes) continue;
      fuzz::require(whole == read(kind, record, 1), "a body in single bytes reads the same");
      fuzz::require(whole == read(kind, record, 3), "a body in pieces reads the same");
    }
    check_that_it_reads_back(record);
  });
  return 0;
}
