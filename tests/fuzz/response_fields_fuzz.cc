// What an application says in a response never becomes more than one response with the fields it gave.
//
// A record: method, version and options ("H0" is HEAD on HTTP/1.0, "G1" GET on 1.1; see Setting), then heads and the
// body. A head is a status, which a reason may follow, "name: value" lines and an empty line. Those of 100 to 199 come
// before the final one, and 101 is final itself. Where there are trailers, their lines and an empty line follow.
#include <charconv>
#include <vector>

#include "http/h1/response_parser.h"
#include "http/h1/response_writer.h"
#include "support.h"

namespace {

using http::Event;
using http::Header;
using http::Method;
using http::h1::ResponseParser;
using http::h1::ResponseWriter;

constexpr std::string_view protocol = "websocket";
constexpr int most_interim_answers = 8;  // the parser takes 16

struct Setting {
  explicit Setting(std::string_view line)
      : method(line.starts_with('H') ? Method::head : Method::get),
        minor_version(line.contains('0') ? 0 : 1),
        keep_alive(!line.contains('c')),
        names_server(line.contains('s')),
        knows_length(line.contains('k')),
        has_trailers(line.contains('t')) {}

  Method method;
  std::uint8_t minor_version;
  bool keep_alive, names_server, knows_length, has_trailers;
};

struct Head {
  int status = 0;
  std::string_view reason;
  std::vector<Header> fields;
};

std::vector<Header> take_fields(std::string_view& record) {
  std::vector<Header> fields;
  for (std::string_view line; !(line = fuzz::take_line(record)).empty();) {
    std::size_t colon = std::min(line.find(": "), line.size());
    std::string_view name = line.substr(0, colon);
    fields.push_back({name, line.substr(std::min(colon + 2, line.size())), http::find_header_id(name)});
  }
  return fields;
}

Head take_head(std::string_view& record) {
  Head head;
  std::string_view line = fuzz::take_line(record);
  const char* end = std::from_chars(line.data(), line.data() + line.size(), head.status).ptr;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  head.reason = line.substr(std::min<std::size_t>(line.size(), 1));
  head.fields = take_fields(record);
  return head;
}

// Interim answers up to a head that is no such.
Head inform(ResponseWriter& writer, std::string_view& record, std::string& out) {
  Head head = take_head(record);
  for (int answers = 0; head.status >= 100 && head.status < 200 && head.status != 101; ++answers) {
    const std::size_t before = out.size();
    bool good = answers < most_interim_answers && writer.inform(head.status, head.fields, out);
    fuzz::require(good || out.size() == before, "what is refused is not sent");
    head = take_head(record);
  }
  return head;
}

bool write_head(ResponseWriter& writer, const Head& head, std::optional<std::uint64_t> length, std::string& out) {
  if (head.status == 101) {
    const std::size_t before = out.size();
    if (writer.switch_protocols(protocol, head.fields, out)) return true;
    fuzz::require(out.size() == before, "what is refused is not sent");
    fuzz::require(writer.start(502, out).has_value(), "another answer may come instead");
    return false;
  }
  if (!writer.start(head.status, out, head.reason)) return false;
  for (const Header& field : head.fields) (void)writer.field(field, out);
  return writer.finish_head(length, out).has_value();
}

// In another order than HTTP's every call is refused.
void check_that_nothing_may_be_said(ResponseWriter& writer, bool is_begun) {
  std::string out;
  const Header field{"a", "b", http::HeaderId::other};
  fuzz::require(!writer.field(field, out) && !writer.finish_head({}, out) && !writer.body("x", out) &&
                    !writer.trailer(field) && !writer.end(out) && !writer.inform(101, {}, out),
                "what has no place is refused");
  if (!is_begun)
    fuzz::require(!writer.start(200, out) && !writer.switch_protocols(protocol, {}, out), "an answer needs a request");
  fuzz::require(out.empty(), "what is refused is not sent");
}

void read_back(const Setting& setting, const Head& head, const std::string& written, std::string_view content) {
  ResponseParser parser({.head_bytes = 1 << 20, .headers = 1 << 16, .trailer_bytes = 1 << 20});
  parser.expect(setting.method, protocol);
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
  fuzz::require(parser.head().status == head.status, "the status reads back");
  bool has_body = setting.method != Method::head && !http::status_forbids_body(head.status);
  fuzz::require(body == (has_body ? content : ""), "a body that was written reads back");
}

void respond(ResponseWriter& writer, const Setting& setting, std::string_view record) {
  std::string out;
  writer.begin(setting.method, setting.minor_version, setting.keep_alive);
  check_that_nothing_may_be_said(writer, true);
  Head head = inform(writer, record, out);
  std::vector<Header> trailers = setting.has_trailers ? take_fields(record) : std::vector<Header>();
  auto length = setting.knows_length ? std::optional<std::uint64_t>(record.size()) : std::nullopt;
  if (!write_head(writer, head, length, out)) return;
  const std::size_t half = record.size() / 2;
  bool good = writer.body(record.substr(0, half), out) && writer.body(record.substr(half), out);
  for (const Header& trailer : trailers) (void)writer.trailer(trailer);
  good = writer.end(out) && good;
  bool keeps_alive = writer.keep_alive();
  check_that_nothing_may_be_said(writer, false);
  fuzz::require(!writer.inform(103, {}, out), "the final answer is the last one");
  if (!good) return fuzz::require(!keeps_alive, "after a broken response the connection closes");
  read_back(setting, head, out, record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    const Setting setting(fuzz::take_line(record));
    ResponseWriter writer(setting.names_server ? "serai" : "");
    check_that_nothing_may_be_said(writer, false);
    respond(writer, setting, record);
    respond(writer, setting, record);  // whatever became of the first
  });
  return 0;
}
