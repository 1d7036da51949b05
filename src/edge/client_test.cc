#include <gmock/gmock.h>

#include "base/file.h"
#include "edge/test_support.h"

namespace edge::test {
namespace {

using namespace std::string_view_literals;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

struct ClientTest : EdgeTest {
  App app{folder.path / "app.sock"};
  void SetUp() override {
    start();
    set_routes({route(app.path)});
  }
  void restart() {
    server.reset();
    start();
    set_routes({route(app.path)});
  }
  std::string first_line(Wire& client) {
    auto answer = expect(client, "\r\n");
    return answer.substr(0, answer.find("\r\n"));
  }
};

// What two servers might read differently never gets past the edge.
TEST_F(ClientTest, AmbiguousRequestsAreRefusedAndReachNoApp) {
  struct Case {
    std::string_view name, request;
  };
  const Case cases[] = {
      {"both framings",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
      {"the same length twice", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
      {"a list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello"},
      {"a signed length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello"},
      {"a hexadecimal length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello"},
      {"an underscored length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1_0\r\n\r\nhello12345"},
      {"a huge length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"},
      {"an unknown coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {"chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
      {"two codings in two fields",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
      {"chunked on 1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"space before a colon", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello"},
      {"a folded line", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"},
      {"a bare line feed", "GET / HTTP/1.1\nHost: h\n\n"},
      {"a bare carriage return", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 5\r\n\r\n"},
      {"a NUL", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"sv},
      {"no host", "GET / HTTP/1.1\r\n\r\n"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"a host that is none", "GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n"},
      {"a method that is none", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a tunnel", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"},
      {"another version", "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
      {"no version", "GET /\r\n\r\n"},
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
  };
  for (const auto& one : cases) {
    auto client = connect();
    client->send(one.request);
    auto answer = expect(*client, "\r\n");
    EXPECT_THAT(answer, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 413 "),
                                       StartsWith("HTTP/1.1 501 "), StartsWith("HTTP/1.1 505 ")))
        << one.name;
    client->half_close();
    expect_end(*client);
    EXPECT_EQ(app.try_accept(), nullptr) << one.name;
  }
}

TEST_F(ClientTest, ABrokenChunkEndsTheRequestWithTheAppToo) {
  for (std::string_view chunk :
       {"0x5\r\nhello\r\n", "-1\r\n", "5\nhello\r\n", "5\r\nhelloXX", "fffffffffffffffff\r\n", "5 \r\nhello\r\n"}) {
    auto client = connect();
    client->send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    auto upstream = accept(app);
    expect(*upstream, "abc");
    client->send(chunk);
    EXPECT_THAT(first_line(*client), StartsWith("HTTP/1.1 4")) << chunk;
    expect_end(*upstream);
    EXPECT_THAT(upstream->take(), Not(testing::EndsWith("0\r\n\r\n"))) << "the app must not take it for whole";
  }
}

TEST_F(ClientTest, WhatIsPassedOnIsFramedAnew) {
  auto client = connect();
  client->send(
      "POST http://real.example/p?q HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;ext=1\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  auto request = expect(*upstream, "0\r\n\r\n");
  EXPECT_THAT(request, AllOf(StartsWith("POST /p?q HTTP/1.1\r\nhost: real.example\r\n"),
                             HasSubstr("\r\n\r\n3\r\nabc\r\n0\r\n\r\n")));
  EXPECT_THAT(request, AllOf(Not(HasSubstr("ext")), Not(HasSubstr("other")), Not(HasSubstr("Content-Length")),
                             Not(HasSubstr("smuggled"))));
  upstream->send(kOk);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), StartsWith("GET /smuggled "));  // a request of its own, on its own terms
}

TEST_F(ClientTest, LimitsOfTheHeadAreAnswered) {
  auto big = connect(), many = connect(), wide = connect();
  big->send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(40000, 'x') + "\r\n\r\n");
  EXPECT_THAT(first_line(*big), StartsWith("HTTP/1.1 431 "));
  std::string headers;
  for (int i = 0; i < 120; i++) headers += fmt::format("X-{}: 1\r\n", i);
  many->send("GET / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n");
  EXPECT_THAT(first_line(*many), StartsWith("HTTP/1.1 431 "));
  wide->send("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(first_line(*wide), StartsWith("HTTP/1.1 414 "));
}

TEST_F(ClientTest, AHeadThatTakesTooLongIsTimedOut) {
  options.timeouts.head = milliseconds(50);
  restart();
  auto slow = connect(), silent = connect();
  slow->send("GET / HTTP/1.1\r\nHo");
  EXPECT_THAT(first_line(*slow), StartsWith("HTTP/1.1 408 "));
  slow->half_close();
  expect_end(*slow);
  expect_end(*silent);
  EXPECT_EQ(silent->take(), "");
}

TEST_F(ClientTest, ABodyThatStopsOrTricklesIsTimedOut) {
  options.timeouts.body_gap = milliseconds(50);
  options.timeouts.body_bytes_per_second = 100'000'000;
  restart();
  auto stopped = connect(), trickling = connect();
  stopped->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  auto first = accept(app);
  EXPECT_THAT(first_line(*stopped), StartsWith("HTTP/1.1 408 "));
  expect_end(*first);
  trickling->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\nab");
  auto second = accept(app);
  ASSERT_TRUE(until([&] { return trickling->try_send("x"), !trickling->pump().empty(); }));
  EXPECT_THAT(first_line(*trickling), StartsWith("HTTP/1.1 408 "));
}

TEST_F(ClientTest, AnAppThatReadsSlowlyIsNotTheClientsFault) {
  options.timeouts.body_gap = milliseconds(30);
  restart();
  set_routes({route(app.path, {{"state", "hold"}})});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
  auto before = net::Clock::now();
  ASSERT_TRUE(until([&] { return net::Clock::now() - before > milliseconds(120); }));
  set_routes({route(app.path)});
  auto upstream = accept(app);
  client->send("dy");
  expect(*upstream, "\r\n\r\nbody");
}

TEST_F(ClientTest, AnIdleConnectionIsClosedSilently) {
  options.timeouts.keep_alive = milliseconds(50);
  restart();
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send(kOk);
  expect(*client, "hi");
  expect_end(*client);
  EXPECT_EQ(client->take(), "");
}

TEST_F(ClientTest, AClientThatTakesNothingIsGivenUp) {
  options.timeouts.write = milliseconds(50);
  restart();
  auto client = connect();
  client->stop_reading();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
  ASSERT_TRUE(until([&] { return upstream->try_send(std::string(1000, 'x')), upstream->is_ended(); }));
  EXPECT_EQ(counters()["aborted"], 1);
}

TEST_F(ClientTest, ASlowClientGetsItsWholeAnswerHoweverLongThatTakes) {
  options.timeouts.keep_alive = options.timeouts.head = milliseconds(30);
  restart();
  auto client = connect();
  client->stop_reading();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET");
  const std::string body(400'000, 'x');  // more than the socket takes, less than the edge keeps
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n");
  for (std::size_t at = 0; at < body.size(); at += 50'000) {
    upstream->send(std::string_view(body).substr(at, 50'000));
    settle();
  }
  ASSERT_TRUE(until([&] { return counters()["requests"] == 1; }));
  auto before = net::Clock::now();
  ASSERT_TRUE(until([&] { return net::Clock::now() - before > milliseconds(120); }));
  client->read_on();
  EXPECT_THAT(expect(*client, body), StartsWith("HTTP/1.1 200 "));
  expect_end(*client);  // idle from now on
}

TEST_F(ClientTest, RequestsThatAreCutByTheEndOfADrainAreLogged) {
  auto client = connect();
  client->send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET");
  server->drain(milliseconds(0));
  expect_end(*client);
  server->reopen_logs();
  EXPECT_THAT(*base::read_file(folder.path / "access.log"), HasSubstr("GET /cut "));
  EXPECT_EQ(counters()["in_flight"], 0);
}

TEST_F(ClientTest, AHostWithoutARouteGetsAFriendlyPage) {
  set_routes({route(app.path, {{"hosts", {"shop.example"}}})});
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html,*/*;q=0.8\r\n\r\n");
  EXPECT_THAT(expect(*client, "</p>\n"),
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("text/html"), HasSubstr("There is nothing here")));
  client->send("GET / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n");
  auto answer = expect(*client, "}\n");
  auto page = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n")));
  EXPECT_EQ(page["kind"], "no_app");
  EXPECT_THAT(answer, HasSubstr("x-request-id: " + page["request"].get<std::string>()));
  client->send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), AllOf(HasSubstr("text/plain"), testing::EndsWith("\r\n\r\n")));
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(ClientTest, ATrustedProxysWordIsContinued) {
  options.trusted_proxies = {"127.0.0.0/8"};
  restart();
  auto client = connect();
  client->send(
      "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: real\r\n"
      "X-Real-IP: 1.2.3.4\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\n\r\n");
  auto upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"),
              AllOf(HasSubstr("x-forwarded-for: 1.2.3.4, 127.0.0.1\r\n"), HasSubstr("x-forwarded-proto: https\r\n"),
                    HasSubstr("x-forwarded-host: real\r\n"), HasSubstr("x-real-ip: 1.2.3.4\r\n"),
                    HasSubstr("x-request-id: 0123456789abcdef0123456789abcdef\r\n")));
}

TEST_F(ClientTest, EveryRequestIsInTheAccessLog) {
  auto client = connect();
  client->send("GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: \"evil\\\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send(kOk);
  expect(*client, "hi");
  client->send("nonsense\r\n\r\n");
  expect(*client, "400");
  server->reopen_logs();
  auto log = *base::read_file(folder.path / "access.log");
  EXPECT_THAT(log, AllOf(HasSubstr("127.0.0.1 "), HasSubstr("\"GET /a?b HTTP/1.1\" 200 2 "), HasSubstr(" app "),
                         HasSubstr(" 400 ")));
  EXPECT_EQ(std::ranges::count(log, '\n'), 2);
}

}  // namespace
}  // namespace edge::test
