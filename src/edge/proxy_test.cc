#include <gmock/gmock.h>

#include "edge/test_support.h"

namespace edge::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET /a?b=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";

struct ProxyTest : EdgeTest {
  App app{folder.path / "app.sock"};
  void SetUp() override {
    start();
    set_routes({route(app.path)});
  }
};

TEST_F(ProxyTest, ARequestReachesTheAppAndItsAnswerTheClient) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  auto request = expect(*upstream, "\r\n\r\n");
  EXPECT_THAT(request, StartsWith("GET /a?b=1 HTTP/1.1\r\nhost: shop.example\r\n"));
  upstream->send(kOk);
  auto answer = expect(*client, "hi");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, AllOf(HasSubstr("content-length: 2\r\n"), HasSubstr("date: "), Not(HasSubstr("connection"))));
  EXPECT_EQ(counters()["requests"], 1);
  EXPECT_EQ(counters()["status"]["2xx"], 1);
  EXPECT_EQ(counters()["bytes_out"], 2);
  EXPECT_EQ(counters()["in_flight"], 0);
}

TEST_F(ProxyTest, EarlyHintsReachTheClientBeforeTheAnswer) {
  auto client = connect(), old = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X\r\nX: 1\r\n\r\n");
  EXPECT_EQ(expect(*client, "\r\n\r\n"), "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
  upstream->send(kOk);
  EXPECT_THAT(expect(*client, "hi"), StartsWith("HTTP/1.1 200 OK\r\n"));
  old->send("GET / HTTP/1.0\r\n\r\n");
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + std::string(kOk));
  EXPECT_THAT(expect(*old, "hi"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(ProxyTest, TrailersReachClientsThatAskForThem) {
  constexpr std::string_view answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\nContent-Length: 1\r\n\r\n";
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: gzip;q=0.5, trailers\r\n\r\n");
  auto upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), HasSubstr("connection: te\r\nte: trailers\r\n"));
  upstream->send(answer);
  EXPECT_THAT(expect(*client, "7\r\n\r\n"), testing::EndsWith("2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"));
  client->send(kGet);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), Not(HasSubstr("trailers")));
  upstream->send(answer);
  EXPECT_THAT(expect(*client, "0\r\n\r\n"), testing::EndsWith("2\r\nhi\r\n0\r\n\r\n"));
}

TEST_F(ProxyTest, TrailersOfARequestGoNoFurther) {
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Admin: yes\r\n\r\n");
  auto upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "0\r\n\r\n"), Not(HasSubstr("X-Admin")));
  upstream->send(kOk);
  expect(*client, "hi");
}

TEST_F(ProxyTest, ConnectionsTowardsTheAppAreSharedByClients) {
  auto first = connect(), second = connect();
  first->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send(kOk);
  expect(*first, "hi");
  second->send(kGet);
  expect(*upstream, "\r\n\r\n");
  upstream->send(kOk);
  expect(*second, "hi");
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(ProxyTest, AConnectionTowardsAnotherServerCarriesOneClientOnly) {
  set_routes({route(app.path, {{"pooling", "per_client"}})});
  auto first = connect(), second = connect();
  first->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send(kOk);
  expect(*first, "hi");
  first->send(kGet);
  expect(*upstream, "\r\n\r\n");  // the same connection, the same client
  upstream->send(kOk);
  expect(*first, "hi");
  second->send(kGet);
  auto other = accept(app);
  expect(*other, "\r\n\r\n");
  other->send(kOk);
  expect(*second, "hi");
  first->close();
  expect_end(*upstream);
}

TEST_F(ProxyTest, PipelinedRequestsAreAnsweredInOrder) {
  auto client = connect();
  client->send(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\nConnection: "
      "close\r\n\r\n");
  auto upstream = accept(app);
  for (auto path : {"/1", "/2", "/3"}) {
    EXPECT_THAT(expect(*upstream, "\r\n\r\n"), StartsWith(fmt::format("GET {} ", path)));
    upstream->send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", path));
    expect(*client, path);
  }
  expect_end(*client);
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(ProxyTest, ForwardedHeadersAreOursAndStrangersAreDropped) {
  auto client = connect();
  client->send(
      "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=x\r\n"
      "X-Real-IP: 9.9.9.9\r\nX-Forwarded-Prefix: /x\r\nProxy: http://evil\r\nX-Request-ID: mine\r\nUser_Name: u\r\n"
      "X-Custom: kept\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\nTE: trailers\r\n\r\n");
  auto upstream = accept(app);
  auto request = expect(*upstream, "\r\n\r\n");
  EXPECT_THAT(request,
              AllOf(HasSubstr("x-forwarded-for: 127.0.0.1\r\n"), HasSubstr("x-forwarded-proto: http\r\n"),
                    HasSubstr("x-forwarded-host: h\r\n"), HasSubstr("x-real-ip: 127.0.0.1\r\n"),
                    HasSubstr("forwarded: for=127.0.0.1;host=\"h\";proto=http\r\n"), HasSubstr("X-Custom: kept\r\n")));
  for (auto gone : {"1.2.3.4", "https", "9.9.9.9", "Prefix", "evil", "mine", "User_Name", "X-Hop", "Upgrade",
                    "TE:", "Connection"}) {
    EXPECT_THAT(request, Not(HasSubstr(gone)));
  }
}

TEST_F(ProxyTest, AnUploadStreamsWithBackpressure) {
  auto client = connect();
  client->send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->stop_reading();
  std::size_t sent = 0;
  const std::string piece(1000, 'x');
  auto push = [&] {
    while (sent < 8000000 && client->try_send(piece)) sent += piece.size();
  };
  for (int quiet = 0; quiet < 20;) {
    auto before = sent;
    push();
    loop->turn(std::chrono::milliseconds(1));
    quiet = sent == before ? quiet + 1 : 0;
  }
  EXPECT_LT(sent, 4000000u) << "the edge takes in what the app does not read";
  upstream->read_on();
  ASSERT_TRUE(until([&] { return push(), upstream->pump().size() == 8000000; }));
  upstream->send(kOk);
  expect(*client, "hi");
  EXPECT_EQ(counters()["bytes_in"], 8000000);
}

TEST_F(ProxyTest, ADownloadStreamsWithBackpressure) {
  auto client = connect();
  client->send(kGet);
  client->stop_reading();
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::size_t pieces = 0;
  const std::string piece = "3e8\r\n" + std::string(1000, 'y') + "\r\n";
  auto push = [&] {
    while (pieces < 8000 && upstream->try_send(piece)) pieces++;
  };
  for (int quiet = 0; quiet < 20;) {
    auto before = pieces;
    push();
    loop->turn(std::chrono::milliseconds(1));
    quiet = pieces == before ? quiet + 1 : 0;
  }
  EXPECT_LT(pieces, 4000u) << "the edge takes in what the client does not read";
  client->read_on();
  ASSERT_TRUE(until([&] { return push(), client->pump(), pieces == 8000; }));
  upstream->send("0\r\n\r\n");
  ASSERT_TRUE(until([&] { return client->pump().ends_with("0\r\n\r\n"); }));
  auto body = client->take();
  EXPECT_EQ(std::ranges::count(body, 'y'), 8000000);
}

TEST_F(ProxyTest, PiecesOfAStreamArriveAsTheyAreSent) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect(*client, "\r\n\r\n");
  for (auto event : {"data: 1", "data: 2"}) {
    upstream->send(fmt::format("7\r\n{}\r\n", event));
    expect(*client, event);
  }
  client->close();
  expect_end(*upstream);
  EXPECT_EQ(counters()["aborted"], 1);
}

TEST_F(ProxyTest, ContinueIsSentOnceTheAppIsThere) {
  set_routes({route(app.path, {{"state", "hold"}})});
  auto client = connect();
  client->send("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  settle();
  EXPECT_EQ(client->pump(), "");
  set_routes({route(app.path)});
  auto upstream = accept(app);
  expect(*client, "HTTP/1.1 100 Continue\r\n\r\n");
  client->send("ok");
  EXPECT_THAT(expect(*upstream, "\r\n\r\nok"), Not(HasSubstr("xpect")));
  upstream->send(kOk);
  expect(*client, "hi");
}

TEST_F(ProxyTest, ABodyAboveTheAppsLimitIsRefusedBeforeTheAppSeesIt) {
  set_routes({route(app.path, {{"limits", {{"max_body", 10}}}})});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(ProxyTest, AnAppMayAllowLargerBodiesThanUsual) {
  set_routes({route(app.path, {{"limits", {{"max_body", 100'000'000}}}})});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99000000\r\n\r\nbegun");
  EXPECT_THAT(expect(*accept(app), "begun"), HasSubstr("content-length: 99000000\r\n"));
}

TEST_F(ProxyTest, AChunkedBodyAboveTheLimitIsCutOff) {
  set_routes({route(app.path, {{"limits", {{"max_body", 10}}}})});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n");
  auto upstream = accept(app);
  expect(*upstream, "12345678");
  client->send("8\r\n12345678\r\n");
  EXPECT_THAT(expect(*client, "request"), StartsWith("HTTP/1.1 413 "));
  expect_end(*upstream);
  expect_end(*client);
}

TEST_F(ProxyTest, AClientThatSendsItsWholeBodyFirstStillReadsTheRefusal) {
  set_routes({route(app.path, {{"limits", {{"max_body", 10}}}})});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
  const std::string piece(1000, 'x');
  int sent = 0;
  ASSERT_TRUE(until([&] {
    while (sent < 8000 && client->try_send(piece)) sent++;
    return sent == 8000;
  }));
  EXPECT_THAT(expect(*client, "request"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ProxyTest, AnEarlyAnswerEndsTheUpload) {
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nbegun");
  auto upstream = accept(app);
  expect(*upstream, "begun");
  upstream->send("HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  upstream->close();
  EXPECT_THAT(expect(*client, "\r\n\r\nno"), StartsWith("HTTP/1.1 403 "));
  const std::string piece(1000, 'x');
  EXPECT_TRUE(until([&] { return !client->try_send(piece) || client->is_ended(); }))
      << "the rest is not taken for ever";
}

TEST_F(ProxyTest, AnswersWithoutBodiesKeepTheConnection) {
  auto client = connect();
  client->send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), HasSubstr("content-length: 5000"));
  for (std::string_view head :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"}) {
    client->send(kGet);
    expect(*upstream, "\r\n\r\n");
    upstream->send(head);
    expect(*client, "\r\n\r\n");
  }
  EXPECT_EQ(counters()["requests"], 3);
}

TEST_F(ProxyTest, AnAnswerThatEndsWithItsConnectionIsChunkedForTheClient) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.0 200 OK\r\n\r\nold style");
  upstream->close();
  EXPECT_THAT(expect(*client, "0\r\n\r\n"),
              AllOf(HasSubstr("transfer-encoding: chunked"), HasSubstr("9\r\nold style\r\n")));
  client->send(kGet);
  accept(app);
}

TEST_F(ProxyTest, AnOldClientGetsTheEndByTheEndOfItsConnection) {
  auto client = connect();
  client->send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
  expect_end(*client);
  EXPECT_THAT(client->take(), AllOf(testing::EndsWith("\r\n\r\nhi"), Not(HasSubstr("chunked"))));
}

TEST_F(ProxyTest, AnAppsAnswerHasLargerLimitsThanAClientsRequest) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 200 OK\r\nX_Under: kept\r\nX-Big: " + std::string(40000, 'b') +
                 "\r\nContent-Length: 5000000000\r\n\r\nbegun");
  EXPECT_THAT(expect(*client, "begun"), AllOf(HasSubstr("X_Under: kept"), HasSubstr("content-length: 5000000000")));
}

TEST_F(ProxyTest, AClientThatGoesAwayWhileItWaitsEndsTheRequest) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  client->close();
  expect_end(*upstream);
  EXPECT_EQ(counters()["aborted"], 1);
  EXPECT_EQ(counters()["in_flight"], 0);
}

TEST_F(ProxyTest, AClientThatClosesItsSideAfterItsLastRequestGetsTheAnswer) {
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  client->half_close();
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  settle();
  upstream->send(kOk);
  expect(*client, "hi");
  expect_end(*client);
}

TEST_F(ProxyTest, RequestsSentAheadAreAnsweredThoughTheClientClosedItsSide) {
  auto client = connect();
  client->send(std::string(kGet) + std::string(kGet));
  client->half_close();
  auto upstream = accept(app);
  for (int i = 0; i < 2; i++) {
    expect(*upstream, "\r\n\r\n");
    settle();
    upstream->send(kOk);
    expect(*client, "hi");
  }
  expect_end(*client);
  EXPECT_EQ(counters()["aborted"], 0);
}

}  // namespace
}  // namespace edge::test
