#include "http/h1/request_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace http::h1 {
namespace {

using Kind = Event::Kind;

// What a connection's bytes turned into, as text that can be compared: one line per head, body and end.
struct Conversation {
  std::string text;
  int status = 0;  // of the failure, if there was one
  std::string_view reason;
};

std::string describe(const RequestHead& head) {
  std::string text =
      fmt::format("head {} path={} query={}{} host={} 1.{} {}", head.method_name, head.path, head.has_query ? "?" : "",
                  head.query, head.host, head.minor_version, head.keep_alive ? "keep" : "close");
  if (head.framing == Framing::length) text += fmt::format(" length={}", head.content_length);
  if (head.framing == Framing::chunked) text += " chunked";
  if (head.expect_continue) text += " expect";
  if (head.nominates) text += " nominates";
  if (!head.upgrade.empty()) text += fmt::format(" upgrade={}", head.upgrade);
  for (const Header& header : head.headers) text += fmt::format(" [{}: {}]", header.name, header.value);
  return text + "\n";
}

// Feeds the input with the given cuts; each piece is copied to new memory, as a growing buffer does.
class Feeder {
 public:
  explicit Feeder(const Limits& limits = {}) : parser_(limits) {}

  void give(std::string_view piece) {
    auto moved = std::make_unique<std::string>(rest_ ? *rest_ + std::string(piece) : std::string(piece));
    rest_ = std::move(moved);
    while (step()) {
    }
  }
  const Conversation& result() {
    finish_body();
    return result_;
  }

 private:
  bool step() {
    Event event = parser_.next(*rest_);
    EXPECT_LE(event.consumed, rest_->size());
    switch (event.kind) {
      case Kind::need_input:
        rest_->erase(0, event.consumed);
        return false;
      case Kind::head:
        result_.text += describe(parser_.head());
        break;
      case Kind::body:
        EXPECT_FALSE(event.body.empty());
        body_ += event.body;
        break;
      case Kind::end:
        finish_body();
        result_.text += "end\n";
        break;
      case Kind::interim:
        ADD_FAILURE() << "a request parser has no interim heads";
        return false;
      case Kind::closed:
        finish_body();
        if (!result_.text.ends_with("closed\n")) result_.text += "closed\n";
        return false;
      case Kind::failed:
        result_.status = parser_.problem().status;
        result_.reason = parser_.problem().reason;
        return false;
    }
    rest_->erase(0, event.consumed);
    return true;
  }
  void finish_body() {
    if (!body_.empty()) result_.text += "body " + std::exchange(body_, {}) + "\n";
  }

  RequestParser parser_;
  std::unique_ptr<std::string> rest_;
  std::string body_;
  Conversation result_;
};

Conversation read(std::string_view input, const Limits& limits = {}) {
  Feeder feeder(limits);
  feeder.give(input);
  return feeder.result();
}

std::string line(std::string_view start, std::string_view fields = "") {
  return fmt::format("{}\r\nHost: a\r\n{}\r\n", start, fields);
}
std::string get(std::string_view fields) { return line("GET / HTTP/1.1", fields); }
std::string post(std::string_view fields, std::string_view body) {
  return line("POST / HTTP/1.1", fields) + std::string(body);
}
std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

constexpr std::string_view head_of_post = "head POST path=/ query= host=a 1.1 keep";

TEST(RequestParser, ReadsAPlainRequest) {
  auto seen = read("GET /a%20b?c=d&e HTTP/1.1\r\nHost: example.com:8080\r\nX-Y:  z \t\r\nEmpty:\r\n\r\n");
  EXPECT_EQ(seen.text,
            "head GET path=/a%20b query=?c=d&e host=example.com:8080 1.1 keep "
            "[Host: example.com:8080] [X-Y: z] [Empty: ]\nend\n");
  EXPECT_EQ(seen.status, 0);
}

TEST(RequestParser, ReadsALaterMinorVersionAsTheLatest) {
  RequestParser parser;
  std::string input = "GET / HTTP/1.2\r\nHost: a\r\n\r\n";
  ASSERT_EQ(parser.next(input).kind, Kind::head);
  EXPECT_EQ(parser.head().minor_version, 1);
  EXPECT_TRUE(parser.head().keep_alive);
}

TEST(RequestParser, GivesKnownHeadersTheirIds) {
  RequestParser parser;
  std::string input = get("cOnTeNt-TyPe: a/b\r\nContent-Typo: x\r\nUser-Agent: y\r\n");
  ASSERT_EQ(parser.next(input).kind, Kind::head);
  EXPECT_EQ(parser.head().find(HeaderId::content_type)->value, "a/b");
  EXPECT_EQ(parser.head().find(HeaderId::user_agent)->value, "y");
  EXPECT_EQ(parser.head().find("content-typo")->id, HeaderId::other);
  EXPECT_EQ(parser.head().find(HeaderId::cookie), nullptr);
}

TEST(RequestParser, ReadsBodiesOfEachFraming) {
  EXPECT_EQ(read(post("Content-Length: 5\r\n", "hello")).text,
            fmt::format("{} length=5 [Host: a] [Content-Length: 5]\nbody hello\nend\n", head_of_post));
  EXPECT_EQ(read(post("Content-Length: 0\r\n", "")).text,
            fmt::format("{} length=0 [Host: a] [Content-Length: 0]\nend\n", head_of_post));
  EXPECT_EQ(read(chunked("3\r\nabc\r\nA \t; x=\"y\"\r\n0123456789\r\n0\r\nTrailer: ignored\r\n\r\n")).text,
            fmt::format("{} chunked [Host: a] [Transfer-Encoding: chunked]\nbody abc0123456789\nend\n", head_of_post));
}

TEST(RequestParser, ReadsPipelinedRequestsOnlyWhenAsked) {
  RequestParser parser;
  std::string input = get("") + post("Content-Length: 2\r\n", "hi") + get("Connection: close\r\n") + "left";
  std::string_view rest = input;
  auto next = [&] {
    Event event = parser.next(rest);
    rest.remove_prefix(event.consumed);
    return event.kind;
  };
  EXPECT_EQ(next(), Kind::head);
  EXPECT_TRUE(parser.in_message());
  EXPECT_EQ(next(), Kind::end);
  EXPECT_FALSE(parser.in_message());
  EXPECT_TRUE(rest.starts_with("POST"));  // untouched until somebody asks
  EXPECT_EQ(next(), Kind::head);
  EXPECT_EQ(next(), Kind::body);
  EXPECT_EQ(next(), Kind::end);
  EXPECT_EQ(next(), Kind::head);
  EXPECT_EQ(next(), Kind::end);
  EXPECT_EQ(next(), Kind::closed);
  EXPECT_EQ(rest, "left");
}

TEST(RequestParser, SkipsAFewEmptyLinesBeforeARequest) {
  EXPECT_TRUE(read("\r\n\r\n" + get("")).text.starts_with("head GET"));
  EXPECT_EQ(read("\r\n\r\n\r\n\r\n\r\n" + get("")).status, 400);
  EXPECT_EQ(read("\n" + get("")).status, 400);
  EXPECT_EQ(read("\r" + get("")).status, 400);
}

TEST(RequestParser, FollowsTheKeepAliveRulesOfBothVersions) {
  auto keeps = [](std::string_view start, std::string_view connection) {
    return read(fmt::format("{}\r\nHost: a\r\n{}\r\n", start, connection)).text.find(" keep [") != std::string::npos;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1", ""));
  EXPECT_FALSE(keeps("GET / HTTP/1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1", "Connection: x, close\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0", ""));
  EXPECT_TRUE(keeps("GET / HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestParser, TakesTheFormsOfATarget) {
  auto first = [](std::string_view start) {
    std::string text = read(line(start)).text;
    return text.substr(0, text.find(" 1.1"));
  };
  EXPECT_EQ(first("OPTIONS * HTTP/1.1"), "head OPTIONS path=* query= host=a");
  EXPECT_EQ(first("GET http://b.example/x?y HTTP/1.1"), "head GET path=/x query=?y host=b.example");
  EXPECT_EQ(first("GET HTTPS://b:1 HTTP/1.1"), "head GET path=/ query= host=b:1");
  EXPECT_EQ(first("GET http://b?q HTTP/1.1"), "head GET path=/ query=?q host=b");
  EXPECT_EQ(first("OPTIONS http://b HTTP/1.1"), "head OPTIONS path=* query= host=b");
  EXPECT_EQ(first("GET //b/x HTTP/1.1"), "head GET path=//b/x query= host=a");
  EXPECT_EQ(first("BREW /pot?? HTTP/1.1"), "head BREW path=/pot query=?? host=a");
  EXPECT_EQ(read(line("CONNECT a:1 HTTP/1.1")).status, 501);
}

TEST(RequestParser, AnAbsoluteTargetReplacesTheHostField) {
  EXPECT_TRUE(read(line("GET http://b/ HTTP/1.1")).text.ends_with("[Host: b]\nend\n"));
}

TEST(RequestParser, NoticesExpectationsAndUpgrades) {
  EXPECT_NE(read(post("Content-Length: 1\r\nExpect: 100-Continue\r\n", "")).text.find(" expect"), std::string::npos);
  EXPECT_EQ(read(post("Content-Length: 0\r\nExpect: 100-continue\r\n", "")).text.find(" expect"), std::string::npos);
  EXPECT_EQ(read(post("Content-Length: 1\r\nExpect: something\r\n", "")).status, 417);
  EXPECT_EQ(read(post("Content-Length: 1\r\nExpect: 100-continue\r\nExpect: x\r\n", "")).status, 417);
  EXPECT_EQ(read("GET / HTTP/1.0\r\nExpect: something\r\n\r\n").status, 0);
  EXPECT_NE(read(get("Connection: Upgrade\r\nUpgrade: websocket\r\n")).text.find("upgrade=websocket"),
            std::string::npos);
  EXPECT_EQ(read(get("Upgrade: websocket\r\n")).text.find("upgrade="), std::string::npos);
  EXPECT_NE(read(get("Connection: X-Secret\r\n")).text.find(" nominates"), std::string::npos);
}

struct Refused {
  std::string_view what;
  std::string input;
  int status;
};
void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.what; }

std::vector<Refused> refused_inputs() {
  using namespace std::string_literals;
  std::string many;
  for (int i = 0; i < 101; ++i) many += "A: b\r\n";
  std::string options;
  for (int i = 0; i < 33; ++i) options += "a,";
  return {
      // Two framings, or one said twice: the classic ways to smuggle.
      {"CL and TE", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), 400},
      {"two different CL", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), 400},
      {"the same CL twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400},
      {"a list of CL", post("Content-Length: 3, 3\r\n", "abc"), 400},
      {"two TE", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"two TE, one identity", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", ""), 400},
      {"TE on 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", ""), 501},
      {"TE chunked, gzip", post("Transfer-Encoding: chunked, gzip\r\n", ""), 501},
      {"TE chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", ""), 501},
      {"TE chunked,", post("Transfer-Encoding: chunked,\r\n", ""), 501},
      {"TE ,chunked", post("Transfer-Encoding: ,chunked\r\n", ""), 501},
      {"TE identity", post("Transfer-Encoding: identity\r\n", ""), 501},
      {"TE xchunked", post("Transfer-Encoding: xchunked\r\n", ""), 501},
      {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", ""), 501},
      {"TE with parameter", post("Transfer-Encoding: chunked;q=1\r\n", ""), 501},
      {"TE empty", post("Transfer-Encoding:\r\n", ""), 501},
      {"TE after a vertical tab", post("Transfer-Encoding: \vchunked\r\n", ""), 400},
      {"space before the colon of TE", post("Transfer-Encoding : chunked\r\n", ""), 400},
      {"tab before the colon", post("Transfer-Encoding\t: chunked\r\n", ""), 400},
      {"folded TE", post("Transfer-Encoding:\r\n chunked\r\n", ""), 400},
      {"folded line", get("A: b\r\n\tc\r\n"), 400},
      {"first field folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"NUL in the name of TE", post("Transfer-Encoding\0: chunked\r\n"s, ""), 400},
      // Numbers that some read otherwise.
      {"CL plus", post("Content-Length: +3\r\n", "abc"), 400},
      {"CL minus", post("Content-Length: -3\r\n", "abc"), 400},
      {"CL hex", post("Content-Length: 0x3\r\n", "abc"), 400},
      {"CL underscore", post("Content-Length: 1_0\r\n", "abc"), 400},
      {"CL with a space inside", post("Content-Length: 1 0\r\n", "abc"), 400},
      {"CL with a fraction", post("Content-Length: 3.0\r\n", "abc"), 400},
      {"CL empty", post("Content-Length:\r\n", "abc"), 400},
      {"CL of 2^64", post("Content-Length: 18446744073709551616\r\n", "abc"), 400},
      {"CL of 2^64 + 3", post("Content-Length: 18446744073709551619\r\n", "abc"), 400},
      {"CL in other digits", post("Content-Length: \xd9\xa3\r\n", "abc"), 400},
      {"CL over the limit", post("Content-Length: 33554433\r\n", "abc"), 413},
      // Line ends.
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
      {"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"bare CR in a value", get("A: b\rc\r\n"), 400},
      {"CR CR LF", get("A: b\r\r\n"), 400},
      {"bare CR in a name", get("A\r: b\r\n"), 400},
      {"bare CR in the target", line("GET /\r HTTP/1.1"), 400},
      {"NUL in a value", get("A: b\0c\r\n"s), 400},
      {"DEL in a value", get("A: b\x7f\r\n"), 400},
      {"escape in a value", get("A: \x1b[0m\r\n"), 400},
      // Names.
      {"no colon", get("Header\r\n"), 400},
      {"empty name", get(": x\r\n"), 400},
      {"space in a name", get("A B: c\r\n"), 400},
      {"quote in a name", get("A\"B: c\r\n"), 400},
      {"high byte in a name", get("\xc3\xa9: c\r\n"), 400},
      {"parenthesis in a name", get("A(b): c\r\n"), 400},
      {"101 headers", get(many), 431},
      {"33 Connection options", get("Connection: " + options + "\r\n"), 400},
      // The request line.
      {"no version", line("GET /"), 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"two spaces before the target", line("GET  / HTTP/1.1"), 400},
      {"two spaces before the version", line("GET /  HTTP/1.1"), 400},
      {"space after the version", line("GET / HTTP/1.1 "), 400},
      {"tab between", line("GET\t/ HTTP/1.1"), 400},
      {"tab before the version", line("GET /\tHTTP/1.1"), 400},
      {"space in the target", line("GET /a b HTTP/1.1"), 400},
      {"space before the method", line(" GET / HTTP/1.1"), 400},
      {"lower-case http", line("GET / http/1.1"), 400},
      {"HTTP/1.10", line("GET / HTTP/1.10"), 400},
      {"HTTP/01.1", line("GET / HTTP/01.1"), 400},
      {"HTTP/1,1", line("GET / HTTP/1,1"), 400},
      {"HTTP/x.1", line("GET / HTTP/x.1"), 400},
      {"HTTP/1.x", line("GET / HTTP/1.x"), 400},
      {"HTTP/2.0", line("GET / HTTP/2.0"), 505},
      {"HTTP/0.9 named", line("GET / HTTP/0.9"), 505},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"no method", line("/ HTTP/1.1"), 400},
      {"method only", line("GET"), 400},
      {"method with a slash", line("G/T / HTTP/1.1"), 400},
      {"method in high bytes", line("G\xc3\x89T / HTTP/1.1"), 400},
      {"method too long", line(std::string(33, 'M') + " / HTTP/1.1"), 501},
      {"fragment", line("GET /a#b HTTP/1.1"), 400},
      {"high byte in the target", line("GET /\xc3\xa9 HTTP/1.1"), 400},
      {"DEL in the target", line("GET /\x7f HTTP/1.1"), 400},
      {"relative target", line("GET a/b HTTP/1.1"), 400},
      {"query as target", line("GET ?a HTTP/1.1"), 400},
      {"authority as target", line("GET a:80 HTTP/1.1"), 400},
      {"star for GET", line("GET * HTTP/1.1"), 400},
      {"other scheme", line("GET ftp://a/ HTTP/1.1"), 400},
      {"absolute target without a host", line("GET http:///x HTTP/1.1"), 400},
      {"absolute target with a user", line("GET http://u@a/x HTTP/1.1"), 400},
      {"TLS hello", "\x16\x03\x01\x02\x00\x01"s, 400},
      // Host.
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"no Host with an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", get("Host: b\r\n"), 400},
      {"the same Host twice", get("Host: a\r\n"), 400},
      {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
      {"Host with a port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
      {"Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400},
      {"Host of a port only", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
      {"Host with half a bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
      {"Host with words after a bracket", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
      {"Host with a name in brackets", "GET / HTTP/1.1\r\nHost: [name]\r\n\r\n", 400},
      {"Host percent-encoded", "GET / HTTP/1.1\r\nHost: a%2fb\r\n\r\n", 400},
      {"Host of 256 letters", "GET / HTTP/1.1\r\nHost: " + std::string(256, 'a') + "\r\n\r\n", 400},
      {"bad Host on 1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", 400},
      // Chunks.
      {"chunk size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size with plus", chunked("+3\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size with minus", chunked("-3\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size with underscore", chunked("1_0\r\n0123456789abcdef\r\n0\r\n\r\n"), 400},
      {"chunk size with leading space", chunked(" 3\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size with trailing space", chunked("3 \r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size empty", chunked("\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size only an extension", chunked(";x\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size not hexadecimal", chunked("g\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size of 17 digits", chunked("00000000000000003\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size that overflows", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk size over the limit", chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"), 413},
      {"bare LF after the chunk size", chunked("3\nabc\r\n0\r\n\r\n"), 400},
      {"bare CR after the chunk size", chunked("3\rabc\r\n0\r\n\r\n"), 400},
      {"white space in a chunk size", chunked("1 0;x\r\nabc\r\n0\r\n\r\n"), 400},
      {"too much white space behind a chunk size", chunked("3" + std::string(257, ' ') + ";x\r\nabc\r\n0\r\n\r\n"),
       400},
      {"bare LF in a chunk extension", chunked("3;x\nabc\r\n0\r\n\r\n"), 400},
      {"bare CR in a chunk extension", chunked("3;x\rabc\r\n0\r\n\r\n"), 400},
      {"NUL in a chunk extension", chunked("3;\0\r\nabc\r\n0\r\n\r\n"s), 400},
      {"chunk extension too long", chunked("3;" + std::string(257, 'x') + "\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk longer than its size", chunked("3\r\nabcd\r\n0\r\n\r\n"), 400},
      {"bare LF after a chunk", chunked("3\r\nabc\n0\r\n\r\n"), 400},
      {"CR and no LF after a chunk", chunked("3\r\nabc\r0\r\n\r\n"), 400},
      {"bare LF after the last chunk", chunked("0\n\r\n"), 400},
      {"bare LF as the last line", chunked("0\r\n\n"), 400},
      {"CR and no LF as the last line", chunked("0\r\n\rX"), 400},
      {"trailer without a name", chunked("0\r\n: x\r\n\r\n"), 400},
      {"trailer with a space in its name", chunked("0\r\nA b: x\r\n\r\n"), 400},
      {"trailer folded", chunked("0\r\nA: x\r\n y\r\n\r\n"), 400},
      {"trailer with a bare LF", chunked("0\r\nA: x\n\r\n"), 400},
      {"trailer with a bare CR", chunked("0\r\nA: x\ry\r\n\r\n"), 400},
      {"trailers too long", chunked("0\r\nA: " + std::string(8200, 'x') + "\r\n\r\n"), 431},
      // Sizes.
      {"target too long", line("GET /" + std::string(8192, 'a') + " HTTP/1.1"), 414},
      {"target too long and never ending", "GET /" + std::string(8300, 'a'), 414},
      {"head too large", get("A: " + std::string(32768, 'a') + "\r\n"), 431},
      {"field too large and never ending", "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(33000, 'a'), 431},
  };
}

class Refusals : public ::testing::TestWithParam<Refused> {};

TEST_P(Refusals, AnswerWithTheStatusThatFits) {
  auto seen = read(GetParam().input);
  EXPECT_EQ(seen.status, GetParam().status) << seen.text << seen.reason;
  EXPECT_FALSE(seen.reason.empty());
}

TEST_P(Refusals, AreTheSameWhenEveryByteComesAlone) {
  auto whole = read(GetParam().input);
  Feeder feeder;
  for (char byte : GetParam().input) feeder.give(std::string_view(&byte, 1));
  auto split = feeder.result();
  EXPECT_EQ(split.text, whole.text);
  EXPECT_EQ(split.status, whole.status);
}

INSTANTIATE_TEST_SUITE_P(RequestParser, Refusals, ::testing::ValuesIn(refused_inputs()));

TEST(RequestParser, StaysFailedOnceItHasFailed) {
  RequestParser parser;
  ASSERT_EQ(parser.next("GET / HTTP/1.1\n").kind, Kind::failed);
  EXPECT_EQ(parser.next(get("")).kind, Kind::failed);
  EXPECT_EQ(parser.problem().status, 400);
}

TEST(RequestParser, AFailedHeadShowsNothingOfTheRequestBefore) {
  RequestParser parser;
  std::string first = line("GET /secret?token HTTP/1.1", "Cookie: c\r\n");
  ASSERT_EQ(parser.next(first).kind, Kind::head);
  ASSERT_EQ(parser.next("").kind, Kind::end);
  first.assign(first.size(), 'X');
  ASSERT_EQ(parser.next("GET\n").kind, Kind::failed);
  const RequestHead& head = parser.head();
  EXPECT_TRUE(head.method_name.empty() && head.target.empty() && head.path.empty() && head.query.empty());
  EXPECT_TRUE(head.host.empty() && head.headers.empty());
}

TEST(RequestParser, AcceptsWhatIsUnusualAndUnambiguous) {
  for (std::string input :
       {get("A: \xc3\xa9\r\n"), get("A:b\r\n"), get("A: b\tc\r\n"), get("!#$%&'*+-.^`|~0: x\r\n"),
        line("GET /\"<>\\^`{|}[] HTTP/1.1"), line("GET /%zz%00 HTTP/1.1"),
        std::string("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"), std::string("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
        std::string("GET / HTTP/1.0\r\n\r\n"), post("Content-Length: 003\r\n", "abc"),
        post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"), chunked("0000000000000003\r\nabc\r\n0;x\r\n\r\n")}) {
    auto seen = read(input);
    EXPECT_EQ(seen.status, 0) << input << seen.reason;
    EXPECT_NE(seen.text.find("end\n"), std::string::npos) << input << seen.text;
  }
}

TEST(RequestParser, TreatsUnderscoresInNamesAsToldTo) {
  std::string input = get("X_Forwarded_For: evil\r\nContent_Length: 5\r\nB: c\r\n");
  EXPECT_TRUE(read(input).text.ends_with("keep [Host: a] [B: c]\nend\n"));
  EXPECT_NE(read(input, {.underscores = Underscores::keep}).text.find("[X_Forwarded_For: evil]"), std::string::npos);
  EXPECT_EQ(read(input, {.underscores = Underscores::reject}).status, 400);
}

TEST(RequestParser, DroppedHeadersCountTowardsTheLimit) {
  EXPECT_EQ(read(get("a_b: c\r\nd_e: f\r\n"), {.headers = 2}).status, 431);
}

TEST(RequestParser, BoundsBodiesByWhatIsAllowedWhenTheyAreRead) {
  EXPECT_EQ(read(post("Content-Length: 4\r\n", "abcd"), {.body_bytes = 3}).status, 413);
  auto seen = read(chunked("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"), {.body_bytes = 3});
  EXPECT_EQ(seen.status, 413);
  EXPECT_TRUE(seen.text.ends_with("body ab\n"));
  EXPECT_EQ(read(chunked("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), {.body_bytes = 3}).status, 0);
}

TEST(RequestParser, ALimitLearntFromTheHeadHoldsForThatMessageOnly) {
  RequestParser parser({.body_bytes = 100});
  std::string input = post("Content-Length: 4\r\n", "abcd") + post("Content-Length: 4\r\n", "abcd");
  std::string_view rest = input;
  auto next = [&] {
    Event event = parser.next(rest);
    rest.remove_prefix(event.consumed);
    return event.kind;
  };
  ASSERT_EQ(next(), Kind::head);
  parser.set_body_limit(4);
  ASSERT_EQ(next(), Kind::body);
  ASSERT_EQ(next(), Kind::end);
  ASSERT_EQ(next(), Kind::head);
  parser.set_body_limit(3);
  ASSERT_EQ(next(), Kind::failed);
  EXPECT_EQ(parser.problem().status, 413);
}

std::vector<std::string> good_inputs() {
  return {
      get(""),
      get("Accept: */*\r\nCookie: a=b; c=d\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n") + get("X-Y: z\r\n"),
      "\r\n" + post("Content-Length: 11\r\nExpect: 100-continue\r\n", "hello world") + get("Connection: close\r\n") +
          "rest",
      chunked("5;a=b\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nA: b\r\nC: d\r\n\r\n") + get(""),
      line("GET http://other.example:99/a/b?c HTTP/1.1", "Connection: Upgrade, X-Y\r\nUpgrade: h2c\r\n") + get(""),
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
  };
}

TEST(RequestParser, CutsBetweenAnyTwoBytesChangeNothing) {
  for (const std::string& input : good_inputs()) {
    auto whole = read(input);
    ASSERT_EQ(whole.status, 0) << input;
    for (std::size_t cut = 1; cut < input.size(); ++cut) {
      Feeder feeder;
      feeder.give(std::string_view(input).substr(0, cut));
      feeder.give(std::string_view(input).substr(cut));
      ASSERT_EQ(feeder.result().text, whole.text) << "cut at " << cut;
    }
    Feeder feeder;
    for (char byte : input) feeder.give(std::string_view(&byte, 1));
    EXPECT_EQ(feeder.result().text, whole.text);
  }
}

// Broken inputs, whole and in pieces, must be understood or refused in the same way: what came before the failure, the
// status and the bytes of the body.
TEST(RequestParser, MutatedInputsReadTheSameWholeAndInPieces) {
  std::mt19937 random(20261123);
  auto below = [&](std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random); };
  constexpr std::string_view pieces[] = {"\r",
                                         "\n",
                                         "\r\n",
                                         " ",
                                         ":",
                                         "0",
                                         ";",
                                         "\t",
                                         "chunked",
                                         "Content-Length: 3\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "\xff",
                                         ","};
  auto inputs = good_inputs();
  for (int round = 0; round < 20000; ++round) {
    std::string input = inputs[below(inputs.size())];
    for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
      std::size_t at = below(input.size());
      switch (below(4)) {
        case 0:
          input.erase(at, 1 + below(3));
          break;
        case 1:
          input.insert(at, pieces[below(std::size(pieces))]);
          break;
        case 2:
          input[at] = static_cast<char>(below(256));
          break;
        default:
          input.insert(at, input.substr(below(input.size()), below(20)));
          break;
      }
      if (input.empty()) input = "\r";
    }
    auto whole = read(input);
    Feeder feeder;
    for (std::size_t at = 0; at < input.size();) {
      std::size_t size = 1 + below(20);
      feeder.give(std::string_view(input).substr(at, size));
      at += size;
    }
    auto split = feeder.result();
    ASSERT_EQ(split.text, whole.text) << input;
    ASSERT_EQ(split.status, whole.status) << input;
    ASSERT_EQ(split.reason, whole.reason) << input;
  }
}

}  // namespace
}  // namespace http::h1
