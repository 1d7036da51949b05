// What an application says in a response never becomes more than one response with the fields it gave.
// A record: method and version ("H0" is HEAD on HTTP/1.0, "G1" GET on 1.1), status, then "name: value" lines, an empty
// line, then the body.
#include <charconv>

#include "http/h1/response_parser.h"
#include "http/h1/response_writer.h"
#include "support.h"

namespace {

using http::Event;
using http::Method;
using http::h1::ResponseParser;
using http::h1::ResponseWriter;

void read_back(Method method, const std::string& written, std::string_view content, bool has_body) {
  ResponseParser parser({.head_bytes = 1 << 20, .headers = 1 << 16});
  parser.expect(method);
  std::string_view rest = written;
  std::string body;
  for (;;) {
    Event event = rest.empty() ? parser.end_of_input() : parser.next(rest);
    if (event.kind == Event::Kind::need_input) event = parser.end_of_input();
    fuzz::require(event.kind != Event::Kind::failed, "a response that was written can be read");
    rest.remove_prefix(event.consumed);
    body += event.body;
    if (event.kind == Event::Kind::end || event.kind == Event::Kind::closed) break;
  }
  fuzz::require(rest.empty(), "a response that was written is one response");
  fuzz::require(body == (has_body ? content : ""), "a body that was written reads back");
}

int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void respond(std::string_view record) {
  std::string_view first = fuzz::take_line(record);
  Method method = first.starts_with('H') ? Method::head : Method::get;
  ResponseWriter writer(first.ends_with('s') ? "serai" : "");
  std::string out;
  writer.begin(method, first.ends_with('0') ? 0 : 1, !first.ends_with('c'));
  int status = number(fuzz::take_line(record));
  if (!writer.start(status, out)) return;
  for (std::string_view line; !(line = fuzz::take_line(record)).empty();) {
    std::size_t colon = std::min(line.find(": "), line.size());
    (void)writer.field(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())), out);
  }
  bool is_known = first.find('k') != std::string_view::npos;
  if (!writer.finish_head(is_known ? std::optional<std::uint64_t>(record.size()) : std::nullopt, out)) return;
  bool good =
      writer.body(record.substr(0, record.size() / 2), out) && writer.body(record.substr(record.size() / 2), out);
  good = writer.end(out) && good;
  if (!good) return fuzz::require(!writer.keep_alive(), "after a broken response the connection closes");
  read_back(method, out, record, method != Method::head && !http::status_forbids_body(status));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, respond);
  return 0;
}
