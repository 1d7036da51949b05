#include "http/h1/request_writer.h"

#include <gtest/gtest.h>

#include "http/h1/codec.h"

namespace http::h1 {
namespace {

// What goes on to an upstream when this comes in.
std::string passed_on(std::string_view input, HeaderSet drop = {}, std::span<const Header> extra = {}) {
  RequestParser parser;
  EXPECT_EQ(parser.next(input).kind, Event::Kind::head) << parser.problem().reason;
  OutgoingRequest request = OutgoingRequest::of(parser.head());
  request.drop = drop;
  request.extra = extra;
  std::string out;
  RequestWriter writer;
  auto done = writer.head(request, out);
  return done ? out : "refused: " + done.error().describe();
}

TEST(RequestWriter, WritesTheParsedFormAnew) {
  EXPECT_EQ(passed_on("GET /a?b HTTP/1.1\r\nAccept:x\r\nHOST:  a:1 \r\nX-Y: \t z\r\n\r\n"),
            "GET /a?b HTTP/1.1\r\nhost: a:1\r\nAccept: x\r\nX-Y: z\r\n\r\n");
  EXPECT_EQ(passed_on("GET http://b/c? HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /c? HTTP/1.1\r\nhost: b\r\n\r\n");
  EXPECT_EQ(passed_on("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\n"),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n");
  EXPECT_EQ(passed_on("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_EQ(passed_on("GET / HTTP/1.0\r\n\r\n"), "GET / HTTP/1.0\r\n\r\n");
}

TEST(RequestWriter, LeavesOutWhatBelongsToOneConnection) {
  EXPECT_EQ(passed_on("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, upgrade\r\nx-secret: 1\r\nUpgrade: h2c\r\n"
                      "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nTrailer: T\r\nProxy-Authorization: p\r\n"
                      "Expect: 100-continue\r\nKept: yes\r\n\r\n"),
            "GET / HTTP/1.1\r\nhost: a\r\nKept: yes\r\n\r\n");
}

TEST(RequestWriter, AsksForAnotherProtocolOnlyWhereItsOwnerSaysSo) {
  OutgoingRequest request{.method = "GET", .path = "/", .host = "a", .upgrade = "websocket"};
  std::string out;
  ASSERT_TRUE(RequestWriter().head(request, out));
  EXPECT_EQ(out, "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  request.framing = Framing::chunked;
  EXPECT_FALSE(RequestWriter().head(request, out));
  request.framing = Framing::none;
  request.upgrade = "a, b";
  EXPECT_FALSE(RequestWriter().head(request, out));
}

TEST(RequestWriter, NamingFramingOrHostInConnectionTakesNothingAway) {
  EXPECT_EQ(passed_on("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: content-length, host\r\n\r\nhi"),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n");
}

TEST(RequestWriter, DropsAndAddsAsAsked) {
  HeaderSet drop;
  drop.set(static_cast<std::size_t>(HeaderId::x_forwarded_for));
  const Header extra[] = {{"x-forwarded-for", "192.0.2.1", HeaderId::x_forwarded_for}};
  EXPECT_EQ(passed_on("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: evil\r\nA: b\r\n\r\n", drop, extra),
            "GET / HTTP/1.1\r\nhost: a\r\nA: b\r\nx-forwarded-for: 192.0.2.1\r\n\r\n");
}

TEST(RequestWriter, RefusesWhatWouldNotReadBackTheSame) {
  auto refused = [](auto change) {
    OutgoingRequest request{.method = "GET", .path = "/", .host = "a"};
    change(request);
    std::string out = "before";
    bool failed = !RequestWriter().head(request, out);
    EXPECT_TRUE(!failed || out == "before");
    return failed;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& request) { request.method = "G T"; }));
  EXPECT_TRUE(refused([](auto& request) { request.method = ""; }));
  EXPECT_TRUE(refused([](auto& request) { request.path = "/a b"; }));
  EXPECT_TRUE(refused([](auto& request) { request.path = "a"; }));
  EXPECT_TRUE(refused([](auto& request) { request.path = "/a?b"; }));
  EXPECT_TRUE(refused([](auto& request) { request.path = "/\r\nX: y"; }));
  EXPECT_TRUE(refused([](auto& request) { request.query = "a b"; }));
  EXPECT_TRUE(refused([](auto& request) { request.host = "a\r\nX: y"; }));
  EXPECT_TRUE(refused([](auto& request) { request.framing = Framing::until_close; }));
  EXPECT_TRUE(refused([](auto& request) { request.host = "", request.framing = Framing::chunked; }));
  static const Header bad_value[] = {{"a", "b\r\nc: d"}}, bad_name[] = {{"a b", "c"}};
  EXPECT_TRUE(refused([](auto& request) { request.headers = bad_value; }));
  EXPECT_TRUE(refused([](auto& request) { request.headers = bad_name; }));
  EXPECT_TRUE(refused([](auto& request) { request.extra = bad_value; }));
}

TEST(RequestWriter, FramesBodiesAsTheHeadSaid) {
  RequestWriter writer;
  std::string out;
  ASSERT_TRUE(writer.head({.method = "PUT", .path = "/", .host = "a", .framing = Framing::chunked}, out));
  out.clear();
  ASSERT_TRUE(writer.body("hello world!!!!!", out));
  ASSERT_TRUE(writer.body("", out));
  ASSERT_TRUE(writer.end(out));
  EXPECT_EQ(out, "10\r\nhello world!!!!!\r\n0\r\n\r\n");
  EXPECT_FALSE(writer.end(out));

  OutgoingRequest of_length{.method = "PUT", .path = "/", .host = "a", .framing = Framing::length, .content_length = 3};
  ASSERT_TRUE(writer.head(of_length, out));
  EXPECT_FALSE(writer.head(of_length, out));
  out.clear();
  ASSERT_TRUE(writer.body("ab", out));
  EXPECT_FALSE(writer.end(out));
  EXPECT_FALSE(writer.body("cd", out));
  ASSERT_TRUE(writer.body("c", out));
  ASSERT_TRUE(writer.end(out));
  EXPECT_EQ(out, "abc");

  ASSERT_TRUE(writer.head({.method = "GET", .path = "/", .host = "a"}, out));
  EXPECT_FALSE(writer.body("x", out));
}

TEST(ClientCodec, SendsOneRequestAtATimeAndKnowsWhenTheConnectionCanBeReused) {
  ClientCodec codec;
  std::string out;
  EXPECT_TRUE(codec.reusable());
  OutgoingRequest request{.method = "HEAD", .path = "/", .host = "a"};
  ASSERT_TRUE(codec.send_head(request, out));
  EXPECT_FALSE(codec.reusable());
  EXPECT_FALSE(codec.send_head(request, out));
  ASSERT_TRUE(codec.send_end(0, out));
  std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(codec.next(answer).kind, Event::Kind::head);
  EXPECT_EQ(codec.next("").kind, Event::Kind::end);
  EXPECT_TRUE(codec.reusable());
}

TEST(ServerCodec, AnswersTheRequestItHasRead) {
  ServerCodec codec({}, "");
  std::string out, input = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  ASSERT_EQ(codec.next(input).kind, Event::Kind::head);
  ASSERT_TRUE(codec.start(0, 200, out));
  ASSERT_TRUE(codec.field(0, "date", "d", out));
  ASSERT_TRUE(codec.finish_head(0, 5, out));
  ASSERT_TRUE(codec.body(0, "hello", out));
  ASSERT_TRUE(codec.end(0, out));
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\ndate: d\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(codec.keep_alive());
}

TEST(ServerCodec, AnswersWhatItCouldNotReadAndCloses) {
  ServerCodec codec({}, "");
  std::string out;
  ASSERT_EQ(codec.next("GET / HTTP/9.9\r\n").kind, Event::Kind::failed);
  codec.begin_error_answer();
  ASSERT_TRUE(codec.start(0, codec.problem().status, out));
  ASSERT_TRUE(codec.field(0, "date", "d", out));
  ASSERT_TRUE(codec.finish_head(0, 0, out));
  EXPECT_EQ(out,
            "HTTP/1.1 505 HTTP Version Not Supported\r\ndate: d\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

}  // namespace
}  // namespace http::h1
