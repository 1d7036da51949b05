#include "http/h1/response_writer.h"

#include <gtest/gtest.h>

#include <array>

#include "http/h1/response_parser.h"

namespace http::h1 {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

// The date changes and is left out; everything else is compared as it stands.
std::string without_date(std::string text) {
  std::size_t at = text.find("date: ");
  if (at != std::string::npos) text.erase(at, 6 + 29 + 2);
  return text;
}

struct Request {
  Method method = Method::get;
  std::uint8_t minor_version = 1;
  bool keep_alive = true;
};

struct Written {
  std::string text;
  bool keep_alive;
};

Written write(const Request& request, int status, const Fields& fields, std::optional<std::uint64_t> length,
              std::initializer_list<std::string_view> pieces = {}) {
  ResponseWriter writer("");
  std::string out;
  writer.begin(request.method, request.minor_version, request.keep_alive);
  EXPECT_TRUE(writer.start(status, out));
  for (auto [name, value] : fields) EXPECT_TRUE(writer.field(name, value, out));
  EXPECT_TRUE(writer.finish_head(length, out));
  for (auto piece : pieces) EXPECT_TRUE(writer.body(piece, out));
  EXPECT_TRUE(writer.end(out));
  return {without_date(out), writer.keep_alive()};
}

TEST(ResponseWriter, SendsALengthWhenItIsKnown) {
  EXPECT_EQ(write({}, 200, {{"a", "b"}}, 2, {"hi"}).text, "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nhi");
  EXPECT_EQ(write({}, 404, {{"Content-Length", "2"}}, {}, {"h", "i"}).text,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nhi");
  EXPECT_EQ(write({}, 200, {}, 0).text, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

TEST(ResponseWriter, ChunksWhatHasNoLengthAndNeverSendsAnEmptyChunkBeforeTheEnd) {
  EXPECT_EQ(write({}, 200, {}, {}, {"hello world, hello", "", "x"}).text,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n12\r\nhello world, hello\r\n1\r\nx\r\n0\r\n\r\n");
}

TEST(ResponseWriter, EndsWithTheConnectionForAnOldClient) {
  auto streamed = write({.minor_version = 0}, 200, {}, {}, {"x", "y"});
  EXPECT_EQ(streamed.text, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nxy");
  EXPECT_FALSE(streamed.keep_alive);
  EXPECT_EQ(write({.minor_version = 0}, 200, {}, 1, {"x"}).text,
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx");
}

TEST(ResponseWriter, SendsNoBodyWhereNoneMayBe) {
  EXPECT_EQ(write({.method = Method::head}, 200, {}, 5, {"hello"}).text,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(write({.method = Method::head}, 200, {{"content-length", "9"}}, 0).text,
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
  EXPECT_EQ(write({.method = Method::head}, 200, {}, {}, {"hello"}).text, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(write({}, 204, {{"content-length", "5"}}, 5, {"hello"}).text, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(write({}, 304, {{"content-length", "5"}}, 0).text,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(write({}, 304, {}, {}, {"x"}).text, "HTTP/1.1 304 Not Modified\r\n\r\n");
}

TEST(ResponseWriter, SaysCloseWhenTheConnectionWillClose) {
  EXPECT_EQ(write({.keep_alive = false}, 200, {}, 0).text,
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  auto wished = write({}, 200, {{"Connection", "X-Y, Close"}}, 0);
  EXPECT_EQ(wished.text, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_FALSE(wished.keep_alive);
}

TEST(ResponseWriter, KeepsHopByHopFieldsOfTheApplicationToItself) {
  EXPECT_EQ(write({}, 200,
                  {{"Transfer-Encoding", "chunked"},
                   {"Keep-Alive", "timeout=5"},
                   {"Upgrade", "h2c"},
                   {"Trailer", "X"},
                   {"Connection", "keep-alive"},
                   {"X", "y"}},
                  1, {"z"})
                .text,
            "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 1\r\n\r\nz");
}

TEST(ResponseWriter, SendsDateAndServerOnce) {
  ResponseWriter writer("serai");
  std::string out;
  writer.begin(Method::get, 1, true);
  ASSERT_TRUE(writer.start(200, out));
  ASSERT_TRUE(writer.finish_head(0, out));
  EXPECT_TRUE(out.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nserver: serai\r\ndate: ")) << out;
  ASSERT_TRUE(writer.end(out));
  out.clear();
  writer.begin(Method::get, 1, true);
  ASSERT_TRUE(writer.start(200, out));
  ASSERT_TRUE(writer.field("Server", "mine", out));
  ASSERT_TRUE(writer.field("Date", "today", out));
  ASSERT_TRUE(writer.finish_head(0, out));
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nServer: mine\r\nDate: today\r\ncontent-length: 0\r\n\r\n");
}

TEST(ResponseWriter, WritesAnyStatusAndKnowsThePhrase) {
  EXPECT_TRUE(write({}, 503, {}, 0).text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_TRUE(write({}, 299, {}, 0).text.starts_with("HTTP/1.1 299 \r\n"));
}

TEST(ResponseWriter, TakesACleanReasonPhraseOfTheApplication) {
  auto status_line = [](int status, std::string_view reason) {
    ResponseWriter writer;
    std::string out;
    writer.begin(Method::get, 1, true);
    EXPECT_TRUE(writer.start(status, out, reason));
    return out;
  };
  EXPECT_EQ(status_line(404, "No Such Page"), "HTTP/1.1 404 No Such Page\r\n");
  EXPECT_EQ(status_line(200, "All Right"), "HTTP/1.1 200 All Right\r\n");
  EXPECT_EQ(status_line(404, "Split\r\nX: y"), "HTTP/1.1 404 Not Found\r\n");
}

class RefusedFields : public ::testing::Test {
 protected:
  void SetUp() override {
    writer.begin(Method::get, 1, true);
    ASSERT_TRUE(writer.start(200, out));
  }
  void expect_refused(std::string_view name, std::string_view value) {
    std::string before = out;
    EXPECT_FALSE(writer.field(name, value, out)) << name << ": " << value;
    EXPECT_EQ(out, before);
  }
  ResponseWriter writer;
  std::string out;
};

TEST_F(RefusedFields, AreThoseThatWouldSplitTheResponse) {
  using namespace std::string_view_literals;
  expect_refused("a", "b\r\nSet-Cookie: c");
  expect_refused("a", "b\nc");
  expect_refused("a", "b\rc");
  expect_refused("a", "b\0c"sv);
  expect_refused("content-type", "text/html\r\n\r\n<script>");
  expect_refused("a\r\nb", "c");
  expect_refused("a b", "c");
  expect_refused("content\rtype", "c");
  expect_refused("a:", "c");
  expect_refused("", "c");
  expect_refused("content-length", "1\r\n");
  expect_refused("content-length", "-1");
  expect_refused("content-length", "1,1");
  EXPECT_TRUE(writer.field("a", "tab\tand \xff", out));
}

TEST_F(RefusedFields, AreSecondLengthsThatDiffer) {
  ASSERT_TRUE(writer.field("content-length", "3", out));
  EXPECT_TRUE(writer.field("content-length", "3", out));
  EXPECT_FALSE(writer.field("content-length", "4", out));
  EXPECT_FALSE(writer.finish_head(4, out));
  EXPECT_TRUE(writer.keep_alive());
  ASSERT_TRUE(writer.finish_head(3, out));
}

TEST_F(RefusedFields, AreNotTheOnlyMistakesOfAnApplication) {
  std::string scratch;
  EXPECT_FALSE(writer.start(200, scratch));
  EXPECT_FALSE(writer.body("x", scratch));
  EXPECT_FALSE(writer.end(scratch));
  ASSERT_TRUE(writer.finish_head(2, out));
  EXPECT_FALSE(writer.finish_head(2, scratch));
  EXPECT_FALSE(writer.field("a", "b", scratch));
  EXPECT_TRUE(scratch.empty());
}

TEST_F(RefusedFields, StatusesOutOfRangeAreToo) {
  for (int status : {-1, 0, 100, 103, 199, 1000}) {
    ResponseWriter fresh;
    fresh.begin(Method::get, 1, true);
    EXPECT_FALSE(fresh.start(status, out)) << status;
  }
}

TEST(ResponseWriter, ABodyThatDoesNotFitItsLengthEndsTheConnection) {
  ResponseWriter writer;
  std::string out;
  writer.begin(Method::get, 1, true);
  ASSERT_TRUE(writer.start(200, out));
  ASSERT_TRUE(writer.finish_head(2, out));
  std::string before = out;
  EXPECT_FALSE(writer.body("abc", out));
  EXPECT_EQ(out, before);
  EXPECT_FALSE(writer.keep_alive());

  writer.begin(Method::get, 1, true);
  ASSERT_TRUE(writer.start(200, out));
  ASSERT_TRUE(writer.finish_head(2, out));
  ASSERT_TRUE(writer.body("a", out));
  EXPECT_TRUE(writer.keep_alive());
  EXPECT_FALSE(writer.end(out));
  EXPECT_FALSE(writer.keep_alive());
}

TEST(ResponseWriter, SendsTrailersBehindTheLastChunkOnly) {
  for (auto length : {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{1}}) {
    ResponseWriter writer("");
    std::string out;
    writer.begin(Method::get, 1, true);
    ASSERT_TRUE(writer.start(200, out));
    EXPECT_FALSE(writer.trailer({"early", "x"}));
    ASSERT_TRUE(writer.finish_head(length, out));
    ASSERT_TRUE(writer.body("a", out));
    EXPECT_FALSE(writer.trailer({"split", "a\r\nb: c"}));
    EXPECT_TRUE(writer.trailer({"checksum", "1"}));
    EXPECT_TRUE(writer.trailer({"content-length", "9", HeaderId::content_length}));
    EXPECT_TRUE(writer.trailer({"also", "2"}));
    ASSERT_TRUE(writer.end(out));
    std::string_view body = std::string_view(out).substr(out.find("\r\n\r\n") + 4);
    EXPECT_EQ(body, length ? "a" : "1\r\na\r\n0\r\nchecksum: 1\r\nalso: 2\r\n\r\n");
  }
}

TEST(ResponseWriter, InformsBeforeTheFinalResponse) {
  ResponseWriter writer("");
  std::string out;
  writer.begin(Method::get, 1, true);
  const std::array<Header, 2> hints = {Header{"Link", "</a>"}, Header{"Connection", "close", HeaderId::connection}};
  ASSERT_TRUE(writer.inform(103, hints, out));
  EXPECT_EQ(out, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  EXPECT_TRUE(writer.keep_alive());
  EXPECT_FALSE(writer.inform(101, {}, out));
  EXPECT_FALSE(writer.inform(200, {}, out));
  const std::array<Header, 1> bad = {Header{"Link", "a\r\nb: c"}};
  EXPECT_FALSE(writer.inform(103, bad, out));
  std::string head;
  ASSERT_TRUE(writer.start(200, head));
  ASSERT_TRUE(writer.finish_head(0, head));
  EXPECT_FALSE(writer.inform(103, hints, out));
  writer.begin(Method::get, 0, false);
  out.clear();
  EXPECT_TRUE(writer.inform(103, hints, out));
  EXPECT_EQ(out, "");
}

TEST(ResponseWriter, AnswersOtherwiseWhenASwitchOfProtocolsIsRefused) {
  ResponseWriter writer("");
  std::string out;
  writer.begin(Method::get, 1, true);
  const std::array<Header, 2> bad = {Header{"Server", "x", HeaderId::server}, Header{"A b", "c"}};
  EXPECT_FALSE(writer.switch_protocols("websocket", bad, out));
  EXPECT_EQ(out, "");
  ASSERT_TRUE(writer.start(502, out));
  ASSERT_TRUE(writer.finish_head(0, out));
  EXPECT_EQ(without_date(out), "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
}

TEST(ResponseWriter, WhatItWritesReadsBackTheSame) {
  for (auto length : {std::optional<std::uint64_t>{}, std::optional<std::uint64_t>{11}}) {
    ResponseWriter writer;
    std::string out;
    writer.begin(Method::get, 1, true);
    ASSERT_TRUE(writer.start(201, out));
    ASSERT_TRUE(writer.field("X-Thing", "some value", out));
    ASSERT_TRUE(writer.finish_head(length, out));
    ASSERT_TRUE(writer.body("hello ", out));
    ASSERT_TRUE(writer.body("world", out));
    ASSERT_TRUE(writer.end(out));
    ResponseParser parser;
    parser.expect(Method::get);
    std::string_view rest = out;
    std::string body;
    for (bool more = true; more;) {
      Event event = parser.next(rest);
      rest.remove_prefix(event.consumed);
      body += event.body;
      ASSERT_NE(event.kind, Event::Kind::failed) << parser.problem().reason;
      ASSERT_NE(event.kind, Event::Kind::need_input);
      more = event.kind != Event::Kind::end;
    }
    EXPECT_EQ(parser.head().status, 201);
    EXPECT_EQ(parser.head().find("x-thing")->value, "some value");
    EXPECT_EQ(body, "hello world");
    EXPECT_TRUE(rest.empty());
  }
}

}  // namespace
}  // namespace http::h1
