// Requests: whole and in pieces they read the same, and one that is passed on reads back as the same request.
#include "conversation.h"
#include "http/h1/request_parser.h"
#include "http/h1/request_writer.h"

namespace {

using http::OutgoingRequest;
using http::RequestHead;
using http::h1::RequestParser;

http::Limits limits_for(std::string_view record) {
  http::Limits limits{.head_bytes = 512, .target_bytes = 128, .headers = 8, .body_bytes = 64};
  if (record.starts_with("_")) limits.underscores = http::Underscores::keep;
  if (record.starts_with("!")) limits.underscores = http::Underscores::reject;
  return limits;
}

std::string describe(const RequestHead& head) {
  return fmt::format("{} {} {} {}?{} {} {}\n", head.method_name, head.host, head.path, head.has_query, head.query,
                     static_cast<int>(head.framing), head.content_length) +
         fuzz::describe_fields(head.headers);
}

std::string read(std::string_view input, std::size_t piece, const http::Limits& limits) {
  RequestParser parser(limits);
  return fuzz::converse(
      parser, input, piece, [&] { return describe(parser.head()); },
      [&] { return fmt::format("failed {} {}", parser.problem().status, parser.problem().reason); });
}

void check_that_it_passes_on(const RequestHead& head) {
  OutgoingRequest request = OutgoingRequest::of(head);
  std::string passed_on;
  auto written = http::h1::RequestWriter().head(request, passed_on);
  fuzz::require(written.has_value(), "a request that was read can be written");
  RequestParser parser;
  http::Event event = parser.next(passed_on);
  fuzz::require(event.kind == http::Event::Kind::head, "a request that was written can be read");
  fuzz::require(event.consumed == passed_on.size(), "a head that was written is one head");
  const RequestHead& again = parser.head();
  fuzz::require(again.method_name == head.method_name && again.path == head.path && again.query == head.query &&
                    again.has_query == head.has_query && again.host == head.host && again.framing == head.framing &&
                    again.content_length == head.content_length,
                "a request that was passed on is the same request");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    http::Limits limits = limits_for(record);
    if (record.starts_with("_") || record.starts_with("!")) record.remove_prefix(1);
    std::string whole = read(record, SIZE_MAX / 2, limits);
    if (record.size() > 1024) return;  // byte by byte it takes time that other inputs use better
    fuzz::require(whole == read(record, 1, limits), "a request in single bytes reads the same");
    fuzz::require(whole == read(record, 7, limits), "a request in pieces reads the same");
    RequestParser parser(limits);
    if (parser.next(record).kind == http::Event::Kind::head) check_that_it_passes_on(parser.head());
  });
  return 0;
}
