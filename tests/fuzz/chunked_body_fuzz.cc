// Chunked bodies: pieces do not matter, and a body that is written in chunks reads back as it was.
#include "conversation.h"
#include "http/h1/body_reader.h"
#include "http/h1/request_writer.h"

namespace {

using http::Event;
using http::Framing;
using http::h1::BodyReader;

constexpr http::Limits limits{.body_bytes = 256, .chunk_extension_bytes = 8, .trailer_bytes = 32};

// Reads one body; after its end nothing more is asked for.
class OneBody {
 public:
  explicit OneBody(Framing framing) : reader_(limits) { reader_.begin(framing, 16); }
  Event next(std::string_view input) {
    if (ended_) return {.kind = Event::Kind::closed};
    Event event = reader_.next(input);
    ended_ = event.kind == Event::Kind::end;
    return event;
  }
  std::string failure() const {
    return fmt::format("failed {} {}", reader_.problem().status, reader_.problem().reason);
  }

 private:
  BodyReader reader_;
  bool ended_ = false;
};

std::string read(Framing framing, std::string_view input, std::size_t piece) {
  OneBody body(framing);
  return fuzz::converse(
      body, input, piece, [] { return std::string("no head in a body"); }, [&] { return body.failure(); });
}

void check_that_it_reads_back(std::string_view content) {
  http::h1::RequestWriter writer;
  std::string head, framed;
  (void)writer.head({.method = "PUT", .path = "/", .host = "a", .framing = Framing::chunked}, head);
  for (std::size_t at = 0; at < content.size(); at += 9) (void)writer.body(content.substr(at, 9), framed);
  fuzz::require(writer.end(framed).has_value(), "a body that was written ends");
  std::string expected = content.size() > limits.body_bytes ? "" : fmt::format("body {}\nend\nbody \nclosed", content);
  if (!expected.empty())
    fuzz::require(read(Framing::chunked, framed + "x", 5) == expected, "what was written reads back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    for (Framing framing : {Framing::chunked, Framing::length, Framing::until_close, Framing::none}) {
      std::string whole = read(framing, record, SIZE_MAX / 2);
      // How far a body that is too long gets depends on the pieces when the connection's end is its end.
      if (framing == Framing::until_close && record.size() > limits.body_bytes) continue;
      fuzz::require(whole == read(framing, record, 1), "a body in single bytes reads the same");
      fuzz::require(whole == read(framing, record, 3), "a body in pieces reads the same");
    }
    check_that_it_reads_back(record);
  });
  return 0;
}
