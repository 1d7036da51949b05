#include <gmock/gmock.h>

#include "edge/test_support.h"

namespace edge::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kAsk =
    "GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
constexpr std::string_view kAgree =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

struct TunnelTest : EdgeTest {
  App app{folder.path / "app.sock"};
  std::unique_ptr<Wire> client, upstream;

  void SetUp() override {
    start();
    set_routes({route(app.path)});
  }
  // Both ends of an open WebSocket, with nothing on them.
  void open() {
    client = connect();
    client->send(kAsk);
    upstream = accept(app);
    expect(*upstream, "\r\n\r\n");
    upstream->send(kAgree);
    expect(*client, "\r\n\r\n");
  }
};

TEST_F(TunnelTest, AHandshakeAndWhatFollowsGoBothWaysUnchanged) {
  client = connect();
  client->send(kAsk);
  upstream = accept(app);
  EXPECT_THAT(
      expect(*upstream, "\r\n\r\n"),
      AllOf(StartsWith("GET /chat HTTP/1.1\r\nhost: shop.example\r\n"),
            HasSubstr("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), HasSubstr("Sec-WebSocket-Version: 13"),
            HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"), Not(HasSubstr("keep-alive"))));
  upstream->send(std::string(kAgree) + std::string("\x81\x02hi", 4));
  auto answer = expect(*client, "hi");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"));
  EXPECT_THAT(answer, AllOf(HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
                            HasSubstr("Sec-WebSocket-Protocol: chat\r\n")));
  EXPECT_EQ(counters()["tunnels"], 1);
  std::string frame("\x00GET / HTTP/1.1\r\n\r\n\xff", 20);
  client->send(frame);
  EXPECT_EQ(expect(*upstream, frame), frame);
  upstream->close();
  expect_end(*client);
  client->close();
  EXPECT_TRUE(until([&] { return counters()["in_flight"] == 0; }));
  EXPECT_EQ(counters()["tunnels"], 0);
  EXPECT_EQ(counters()["bytes_in"], 20);
  EXPECT_EQ(counters()["bytes_out"], 4);
  EXPECT_EQ(counters()["requests"], 1);
  EXPECT_EQ(counters()["aborted"], 0);
}

TEST_F(TunnelTest, AnAppMayRefuseAndTheConnectionGoesOn) {
  client = connect();
  client->send(kAsk);
  upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  upstream->send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_THAT(expect(*client, "no"), StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), Not(HasSubstr("upgrade")));  // the pooled connection
  EXPECT_EQ(counters()["tunnels"], 0);
}

TEST_F(TunnelTest, HandshakesThatAreNotInOrderDoNotReachTheApp) {
  struct Case {
    std::string_view what, from, to, answer;
  };
  for (const auto& [what, from, to, answer] :
       {Case{"method", "GET ", "POST ", "400 Bad Request"}, Case{"version", "Version: 13", "Version: 8", "426 "},
        Case{"key", "dGhlIHNhbXBsZSBub25jZQ==", "short", "400 Bad Request"},
        Case{"no key", "Sec-WebSocket-Key", "X", "400 Bad Request"}}) {
    std::string ask(kAsk);
    ask.replace(ask.find(from), from.size(), to);
    auto one = connect();
    one->send(ask);
    auto page = expect(*one, "\r\n\r\n");
    EXPECT_THAT(page, StartsWith("HTTP/1.1 " + std::string(answer))) << what;
    EXPECT_EQ(page.find("sec-websocket-version: 13") != page.npos, answer == "426 ") << what;
  }
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(TunnelTest, OtherProtocolsAreNotOffered) {
  client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), Not(HasSubstr("pgrade")));
  upstream->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), StartsWith("HTTP/1.1 502 "));
}

TEST_F(TunnelTest, EachSideEndsItsOwnDirection) {
  open();
  client->half_close();
  expect_end(*upstream);
  upstream->send("still here");
  expect(*client, "still here");
  upstream->half_close();
  expect_end(*client);
  EXPECT_TRUE(until([&] { return counters()["in_flight"] == 0; }));

  open();
  upstream->half_close();
  expect_end(*client);
  client->send("and I");
  expect(*upstream, "and I");
  client->half_close();
  expect_end(*upstream);
  EXPECT_TRUE(until([&] { return counters()["in_flight"] == 0; }));
}

TEST_F(TunnelTest, AClientThatVanishesTakesTheAppsConnectionWithIt) {
  open();
  client->close();
  expect_end(*upstream);
  EXPECT_EQ(counters()["tunnels"], 0);
  EXPECT_EQ(counters()["aborted"], 0);
}

TEST_F(TunnelTest, EitherSideIsReadOnlyAsFastAsTheOtherTakesIt) {
  open();
  const std::string block(4096, 'x');
  auto fill = [&](Wire& from, Wire& to) {
    to.stop_reading();
    std::size_t sent = 0;
    for (int quiet = 0; quiet < 20; quiet++) {
      while (from.try_send(block)) sent += block.size(), quiet = 0;
      settle();
    }
    EXPECT_LT(sent, 4u << 20);
    EXPECT_GT(sent, 64u << 10);
    to.read_on();
    std::size_t received = 0;
    EXPECT_TRUE(until([&] { return (received += to.take().size()) == sent; }));
  };
  fill(*client, *upstream);
  fill(*upstream, *client);
  client->send("after");
  expect(*upstream, "after");
}

TEST_F(TunnelTest, ASilentTunnelIsClosedAfterItsTime) {
  set_routes({route(app.path, {{"limits", {{"tunnel_idle", 1}}}})});
  open();
  auto begin = net::Clock::now();
  expect_end(*client);
  EXPECT_GE(net::Clock::now() - begin, std::chrono::milliseconds(900));
  expect_end(*upstream);
}

TEST_F(TunnelTest, ATunnelStaysWhenTheAppMovesToAnotherInstance) {
  open();
  App next{folder.path / "next.sock"};
  set_routes({route(next.path, {{"instance", "next"}})});
  client->send("ping");
  expect(*upstream, "ping");
  upstream->send("pong");
  expect(*client, "pong");
  upstream->close();  // as an instance that is stopped does in the end
  expect_end(*client);
}

TEST_F(TunnelTest, AHandshakeWaitsForAnAppOnHold) {
  set_routes({route(app.path, {{"state", "hold"}})});
  client = connect();
  client->send(kAsk);
  EXPECT_TRUE(until([&] { return counters()["held"] == 1; }));
  set_routes({route(app.path)});
  upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), HasSubstr("upgrade: websocket\r\n"));
  upstream->send(kAgree);
  EXPECT_THAT(expect(*client, "\r\n\r\n"), StartsWith("HTTP/1.1 101 "));
}

}  // namespace
}  // namespace edge::test
