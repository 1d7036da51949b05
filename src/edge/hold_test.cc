#include <gmock/gmock.h>

#include "edge/test_support.h"
#include "net/address.h"

namespace edge::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

struct HoldTest : EdgeTest {
  App app{folder.path / "app.sock"};
  void SetUp() override { start(); }
  nlohmann::json on_hold(nlohmann::json limits = nlohmann::json::object()) {
    return route(app.path, {{"state", "hold"}, {"hold", limits}});
  }
};

TEST_F(HoldTest, RequestsWaitForTheAppAndLoseNothing) {
  set_routes({on_hold()});
  auto first = connect(), second = connect();
  first->send(kGet);
  second->send(kPost);
  settle();
  EXPECT_EQ(counters()["held"], 2);
  EXPECT_EQ(app.try_accept(), nullptr);
  set_routes({route(app.path)});
  auto one = accept(app), two = accept(app);
  expect(*one, "GET / ");
  expect(*two, "\r\n\r\nbody");
  one->send(kOk);
  two->send(kOk);
  expect(*first, "\r\n\r\nhi");
  expect(*second, "\r\n\r\nhi");
  EXPECT_EQ(counters()["held"], 0);
  EXPECT_EQ(counters()["held_total"], 2);
}

TEST_F(HoldTest, MoreThanAllowedAreTurnedAway) {
  set_routes({on_hold({{"max_requests", 1}})});
  auto first = connect(), second = connect();
  first->send(kGet);
  second->send(kGet);
  EXPECT_THAT(expect(*second, "busy"), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after: 5\r\n")));
  set_routes({on_hold({{"max_bytes", 10}})});
  auto third = connect();
  third->send(kGet);
  EXPECT_THAT(expect(*third, "busy"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HoldTest, WaitingEndsAfterTheTimeout) {
  set_routes({on_hold({{"timeout", 0}})});
  auto client = connect();
  client->send(kGet);
  EXPECT_THAT(expect(*client, "starting"), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after: 5\r\n")));
  set_routes({on_hold({{"timeout", 1}})});
  client->send(kGet);
  settle();
  EXPECT_EQ(counters()["held"], 1);
  EXPECT_THAT(expect(*client, "starting"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(HoldTest, AClientThatLeavesIsForgotten) {
  set_routes({on_hold()});
  auto client = connect();
  client->send(kGet);
  settle();
  client->close();
  ASSERT_TRUE(until([&] { return counters()["held"] == 0; }));
  EXPECT_EQ(counters()["aborted"], 1);
}

TEST_F(HoldTest, AnAppThatIsStoppedOrGoneIsSaidSo) {
  set_routes({on_hold()});
  auto first = connect(), second = connect();
  first->send(kGet);
  settle();
  set_routes({route(app.path, {{"state", "stopped"}})});
  EXPECT_THAT(expect(*first, "switched off"), StartsWith("HTTP/1.1 503 "));
  set_routes({on_hold()});
  second->send(kGet);
  settle();
  set_routes({});
  EXPECT_THAT(expect(*second, "nothing here"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HoldTest, AnAppThatCannotBeReachedIsTriedUntilItIs) {
  auto path = (folder.path / "late.sock").string();
  set_routes({route(path)});
  auto client = connect();
  client->send(kPost);
  ASSERT_TRUE(until([&] { return counters()["upstream_retries"] > 2; }));
  EXPECT_EQ(counters()["held"], 1);
  App late(path);
  auto upstream = accept(late);
  expect(*upstream, "\r\n\r\nbody");
  upstream->send(kOk);
  expect(*client, "\r\n\r\nhi");
}

TEST_F(HoldTest, AnAppThatIsNeverReachedIsABadGateway) {
  set_routes({route((folder.path / "none.sock").string(), {{"hold", {{"timeout", 1}}}})});
  auto client = connect();
  client->send(kGet);
  EXPECT_THAT(expect(*client, "does not answer"), StartsWith("HTTP/1.1 502 "));
}

TEST_F(HoldTest, ARequestOfAnAppThatWentAndCameBackWaitsWithTheOthers) {
  set_routes({route(app.path)});
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  settle();  // the request lies unread
  set_routes({});
  set_routes({on_hold()});
  upstream->close();
  ASSERT_TRUE(until([&] { return counters()["held"] == 1; }));
  set_routes({route(app.path)});
  auto next = accept(app);
  expect(*next, "GET");
  next->send(kOk);
  expect(*client, "\r\n\r\nhi");
}

TEST_F(HoldTest, ASwitchMovesNewRequestsAndLetsOldOnesFinish) {
  App next(folder.path / "next.sock");
  set_routes({route(app.path)});
  auto busy = connect(), idle = connect(), fresh = connect();
  busy->send(kGet);
  auto old_busy = accept(app);
  expect(*old_busy, "GET");
  idle->send(kGet);
  auto old_idle = accept(app);
  expect(*old_idle, "GET");
  old_idle->send(kOk);
  expect(*idle, "\r\n\r\nhi");
  set_routes({route(next.path)});
  expect_end(*old_idle);
  fresh->send(kGet);
  auto new_upstream = accept(next);
  expect(*new_upstream, "GET");
  old_busy->send(kOk);
  expect(*busy, "\r\n\r\nhi");
  expect_end(*old_busy);
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(HoldTest, AnUnchangedUpstreamKeepsItsConnections) {
  set_routes({route(app.path)});
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send(kOk);
  expect(*client, "\r\n\r\nhi");
  set_routes({route(app.path, {{"limits", {{"max_body", 5}}}})});
  client->send(kGet);
  expect(*upstream, "GET");
}

struct RetryTest : HoldTest {
  std::unique_ptr<Wire> client, upstream;
  void SetUp() override {
    start();
    set_routes({route(app.path)});
    client = connect();
  }
  // Leaves one idle connection behind.
  void one_request() {
    client->send(kGet);
    upstream = accept(app);
    expect(*upstream, "GET");
    upstream->send(kOk);
    expect(*client, "\r\n\r\nhi");
  }
};

TEST_F(RetryTest, AConnectionThatTheAppClosedIsNotUsedAgain) {
  one_request();
  upstream->close();
  client->send(kPost);
  auto other = accept(app);
  expect(*other, "\r\n\r\nbody");
  other->send(kOk);
  expect(*client, "\r\n\r\nhi");
}

// In one turn of the loop: the request takes the connection before its end is noticed.
TEST_F(RetryTest, AConnectionThatClosesAsItIsTakenCostsNoRequest) {
  one_request();
  client->send(kPost);
  upstream->close();
  auto other = accept(app);
  expect(*other, "\r\n\r\nbody");
  other->send(kOk);
  expect(*client, "\r\n\r\nhi");
}

TEST_F(RetryTest, BytesThatCameBeforeTheRequestAreNotItsAnswer) {
  one_request();
  client->send(kGet);
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale");
  auto other = accept(app);
  expect(*other, "GET");
  other->send(kOk);
  EXPECT_THAT(expect(*client, "\r\n\r\nhi"), Not(HasSubstr("stale")));
  expect_end(*upstream);
}

TEST_F(RetryTest, ARequestThatNoAppReadIsSentAgain) {
  client->send(kGet);
  upstream = accept(app);
  settle();  // the request lies unread
  upstream->close();
  auto other = accept(app);
  expect(*other, "GET");
  other->send(kOk);
  expect(*client, "\r\n\r\nhi");
  EXPECT_EQ(counters()["upstream_retries"], 1);
}

TEST_F(RetryTest, ARequestThatTheAppReadIsNotSentAgain) {
  client->send(kGet);
  upstream = accept(app);
  expect(*upstream, "GET");
  upstream->close();
  EXPECT_THAT(expect(*client, "could not answer"), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(RetryTest, ABodyThatMayHaveBeenReadIsNotSentAgain) {
  client->send(kPost);
  upstream = accept(app);
  settle();
  upstream->close();
  EXPECT_THAT(expect(*client, "could not answer"), StartsWith("HTTP/1.1 502 "));
}

TEST_F(RetryTest, AnAnswerThatBreaksOffIsCutForTheClient) {
  client->send(kGet);
  upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  expect(*client, "half");
  upstream->close();
  expect_end(*client);
  EXPECT_EQ(counters()["upstream_errors"], 1);
  EXPECT_EQ(counters()["aborted"], 0);
}

TEST_F(RetryTest, NonsenseFromTheAppIsABadGateway) {
  for (std::string_view nonsense :
       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\x01c\r\n\r\n"}) {
    client->send(kGet);
    upstream = accept(app);
    expect(*upstream, "GET");
    upstream->send(nonsense);
    EXPECT_THAT(expect(*client, "could not answer"), StartsWith("HTTP/1.1 502 ")) << nonsense;
    expect_end(*upstream);
  }
}

TEST_F(RetryTest, BytesBehindAnAnswerAreNobodysAnswer) {
  client->send(kGet);
  upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send(std::string(kOk) + std::string(kOk));
  expect(*client, "\r\n\r\nhi");
  client->send(kGet);
  expect(*accept(app), "GET");
  expect_end(*upstream);
}

TEST_F(RetryTest, AnAppThatDoesNotAnswerInTimeIsAGatewayTimeout) {
  set_routes({route(app.path, {{"limits", {{"request_timeout", 1}}}})});
  client->send(kGet);
  upstream = accept(app);
  EXPECT_THAT(expect(*client, "takes too long"), StartsWith("HTTP/1.1 504 "));
  expect_end(*upstream);
}

// A program that brings its own server: over TCP, one client per connection.
struct OwnServerTest : HoldTest {
  base::Fd listener;
  std::unique_ptr<Wire> client, upstream;
  void listen(int backlog) {
    listener = std::move(*net::listen(net::TcpAddress{"127.0.0.1", 0}, {.backlog = backlog}));
    set_routes({own_server()});
    client = connect();
  }
  nlohmann::json own_server() {
    return route("", {{"upstream", {{"unix", nullptr}, {"tcp", address()}}}, {"pooling", "per_client"}});
  }
  std::string address() { return net::to_string(*net::local_address(listener.get())); }
  std::unique_ptr<Wire> try_accept() {
    auto accepted = net::accept(listener.get());
    return accepted && *accepted ? std::make_unique<Wire>(std::move((*accepted)->socket)) : nullptr;
  }
  [[nodiscard]] bool accept_next() {
    return until([&] { return (upstream = try_accept()) != nullptr; });
  }
  // The next request comes on an old connection, is read, and gets no answer.
  void leave_unanswered(std::string_view request) {
    client->send(kGet);
    ASSERT_TRUE(accept_next());
    expect(*upstream, "GET");
    upstream->send(kOk);
    expect(*client, "\r\n\r\nhi");
    client->send(request);
    expect(*upstream, request.substr(0, 6));
    upstream->close();
  }
};

TEST_F(OwnServerTest, ASafeRequestOnAnOldConnectionIsRepeated) {
  listen(8);
  leave_unanswered(kGet);
  ASSERT_TRUE(accept_next());
  expect(*upstream, "GET");
  upstream->send(kOk);
  expect(*client, "\r\n\r\nhi");
}

TEST_F(OwnServerTest, ARequestThatMayDoHarmIsNotRepeated) {
  listen(8);
  leave_unanswered("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "could not answer"), StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(try_accept(), nullptr);
}

TEST_F(OwnServerTest, AConnectionThatComesTooLateCarriesNoRequest) {
  options.timeouts.connect = std::chrono::milliseconds(50);
  server.reset();
  start();
  listen(0);
  Wire filler(
      std::move(*net::connect(*net::parse_address(address()))));  // the backlog is full: others are not answered
  client->send(kPost);
  ASSERT_TRUE(until([&] { return counters()["upstream_errors"] >= 1; }));
  auto held = own_server();
  held["state"] = "hold";
  set_routes({held});
  ASSERT_TRUE(until([&] { return counters()["held"] == 1; }));
  ASSERT_TRUE(accept_next());  // the filler's: there is room now
  auto before = net::Clock::now();
  ASSERT_TRUE(until([&] { return net::Clock::now() - before > std::chrono::milliseconds(1500); }));  // TCP tries again
  for (auto late = try_accept(); late; late = try_accept()) {
    settle();
    EXPECT_EQ(late->take(), "") << "a request was sent while it waits";
  }
  set_routes({own_server()});
  ASSERT_TRUE(accept_next());
  expect(*upstream, "\r\n\r\nbody");
}

}  // namespace
}  // namespace edge::test
