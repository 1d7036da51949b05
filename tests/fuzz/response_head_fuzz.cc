// Responses: whole and in pieces they read the same, whatever request they answer.
#include "conversation.h"
#include "http/h1/response_parser.h"

namespace {

using http::Method;
using http::ResponseHead;
using http::h1::ResponseParser;

constexpr http::Limits limits{.head_bytes = 512, .headers = 8, .body_bytes = 1024};

std::string describe(const ResponseHead& head) {
  return fmt::format("{} {} {} {} {}\n", head.status, head.reason, head.keep_alive, static_cast<int>(head.framing),
                     head.content_length) +
         fuzz::describe_fields(head.headers);
}

// What the response answers.
struct Request {
  Method method;
  std::string_view upgrade = {};
};

std::string read(const Request& request, std::string_view input, std::size_t piece) {
  ResponseParser parser(limits);
  parser.expect(request.method, request.upgrade);
  std::string text = fuzz::converse(
      parser, input, piece, [&] { return describe(parser.head()); },
      [&] { return fmt::format("failed {}", parser.problem().reason); });
  http::Event last = parser.end_of_input();
  return text + fmt::format(" at the end {} {}\n", static_cast<int>(last.kind), parser.problem().reason) +
         fuzz::describe_fields(parser.trailers());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    for (const Request& request : {Request{Method::get}, Request{Method::head}, Request{Method::get, "websocket"}}) {
      std::string whole = read(request, record, SIZE_MAX / 2);
      if (record.size() > limits.body_bytes) continue;  // a body until the end fails earlier in one piece
      fuzz::require(whole == read(request, record, 1), "a response in single bytes reads the same");
      fuzz::require(whole == read(request, record, 11), "a response in pieces reads the same");
    }
    ResponseParser unexpected(limits);
    (void)unexpected.next(record);
  });
  return 0;
}
