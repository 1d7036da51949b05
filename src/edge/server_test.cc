#include <gmock/gmock.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.h"
#include "control/blocking_channel.h"
#include "edge/test_support.h"
#include "net/endpoint.h"

namespace edge::test {
namespace {

using namespace std::chrono_literals;
using control::BlockingChannel;
using control::Message;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

struct ServerTest : EdgeTest {
  App app{folder.path / "app.sock"};
  // Plays the daemon on a thread of its own while this one runs the edge.
  template <typename Talk>
  void as_daemon(Talk talk) {
    bool done = false;
    std::thread daemon([&] {
      auto channel = BlockingChannel::connect(folder.path / "control.sock", {.role = "daemon"}, 10s);
      if (channel)
        talk(*channel);
      else
        ADD_FAILURE() << channel.error().describe();
      loop->post([&] { done = true; });
    });
    EXPECT_TRUE(until([&] { return done; }));
    daemon.join();
  }
  static Message ask(BlockingChannel& channel, Message message) {
    EXPECT_TRUE(channel.send(std::move(message)));
    auto answer = channel.receive(10s);
    EXPECT_TRUE(answer) << answer.error().describe();
    return answer ? std::move(*answer) : Message("none");
  }
  std::unique_ptr<Wire> dial(const std::string& address) {
    auto socket = net::Endpoint::of(*net::parse_address(address))->connect();
    EXPECT_TRUE(socket);
    return std::make_unique<Wire>(std::move(*socket));
  }
  void serve(Wire& client) {
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    auto upstream = accept(app);
    expect(*upstream, "GET");
    upstream->send(kOk);
    expect(client, "hi");
  }
};

TEST_F(ServerTest, ListensOnFourAndSixByItself) {
  options.listen = {"127.0.0.1:0", "[::1]:0"};
  start();
  set_routes({route(app.path)});
  ASSERT_EQ(server->addresses().size(), 2u);
  auto four = dial(server->addresses()[0]);
  serve(*four);
  auto six = dial(server->addresses()[1]);
  six->send("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n");
  ASSERT_TRUE(until([&] { return counters()["in_flight"] == 1; }));
}

// An answer without a length ends with its connection: one that broke off must not look whole.
TEST_F(ServerTest, AnOldClientSeesThatAnAnswerBrokeOff) {
  options.listen = {"127.0.0.1:0"};
  start();
  set_routes({route(app.path)});
  auto client = std::move(*net::Endpoint::of(*net::parse_address(server->addresses()[0]))->connect());
  const std::string_view request = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
  ASSERT_TRUE(until([&] { return ::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0; }));
  auto upstream = accept(app);
  expect(*upstream, "GET");
  upstream->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  settle();
  upstream->close();
  char buffer[4096];
  ssize_t count = 1;
  int error = 0;
  ASSERT_TRUE(until([&] {
    count = ::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    error = errno;
    return count == 0 || (count < 0 && error != EAGAIN);
  }));
  EXPECT_EQ(count, -1);
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(ServerTest, SixIsNamedInForwardedHeadersAsRfc7239Says) {
  options.listen = {"[::1]:0"};
  start();
  set_routes({route(app.path)});
  auto client = dial(server->addresses()[0]);
  client->send("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
  auto upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"),
              testing::AllOf(HasSubstr("x-forwarded-for: ::1\r\n"),
                             HasSubstr("forwarded: for=\"[::1]\";host=\"[::1]:80\";proto=http\r\n")));
}

TEST_F(ServerTest, TheDaemonGivesSocketsAndRoutesAndGetsThemBack) {
  start();
  std::string address;
  as_daemon([&](BlockingChannel& channel) {
    Message listen(json{{"type", "listen"}, {"id", 7}});
    listen.descriptors.push_back(std::move(*net::listen(net::TcpAddress{"127.0.0.1", 0})));
    auto listening = ask(channel, std::move(listen));
    EXPECT_EQ(listening.type(), "listening");
    EXPECT_EQ(listening.body()["id"], 7);
    address = listening.body()["addresses"][0];
    auto applied = ask(channel, Message(json{{"type", "routes"}, {"generation", 3}, {"apps", {route(app.path)}}}));
    EXPECT_EQ(applied.body(), (json{{"type", "routes_applied"}, {"generation", 3}}));
  });
  auto client = dial(address);
  serve(*client);
  as_daemon([&](BlockingChannel& channel) {
    auto sockets = ask(channel, Message("give_sockets"));
    ASSERT_EQ(sockets.descriptors.size(), 1u);
    EXPECT_EQ(sockets.body()["addresses"], json({address}));
    EXPECT_EQ(net::to_string(*net::local_address(sockets.descriptors[0].get())), address);
    auto counters = ask(channel, Message("counters"));
    EXPECT_EQ(counters.body()["generation"], 3);
    EXPECT_EQ(counters.body()["apps"]["app"]["requests"], 1);
    EXPECT_EQ(ask(channel, Message("reopen_logs")).type(), "done");
  });
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");  // the daemon has gone twice, the connection stays
  ASSERT_TRUE(until([&] { return counters()["in_flight"] == 1; }));
}

TEST_F(ServerTest, WrongMessagesAreAnsweredAndChangeNothing) {
  start();
  set_routes({route(app.path)});
  as_daemon([&](BlockingChannel& channel) {
    auto bad = ask(channel, Message(json{{"type", "routes"}, {"generation", 9}, {"apps", {{{"app", "x"}}}}}));
    EXPECT_EQ(bad.body()["kind"], "invalid");
    EXPECT_THAT(bad.body()["message"], HasSubstr("apps[0].state"));
    EXPECT_EQ(ask(channel, Message("dance")).body()["kind"], "unsupported");
    EXPECT_EQ(ask(channel, Message("listen")).body()["kind"], "invalid");
    EXPECT_EQ(ask(channel, Message("drain")).body()["kind"], "invalid");
    EXPECT_EQ(ask(channel, Message("counters")).body()["generation"], 1);
  });
}

TEST_F(ServerTest, RoutesOutliveTheEdge) {
  start();
  set_routes({route(app.path)});
  server.reset();
  start();
  EXPECT_EQ(server->counters()["generation"], 1);
  auto client = connect();
  serve(*client);
}

TEST_F(ServerTest, UnreadableRoutesDoNotKeepTheEdgeFromStarting) {
  ASSERT_TRUE(base::write_file_atomically(folder.path / "routes.json", "{"));
  start();
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "nothing here"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(ServerTest, ADrainFinishesRequestsAndLeavesTheSocketToASuccessor) {
  options.listen = {"127.0.0.1:0"};
  start();
  set_routes({route(app.path)});
  bool drained = false;
  server->on_drained([&] { drained = true; });
  auto busy = connect(), idle = connect();
  serve(*idle);
  busy->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  settle();
  server->drain(10s);
  EXPECT_TRUE(server->addresses().empty());
  EXPECT_FALSE(std::filesystem::exists(folder.path / "control.sock"));
  idle->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::vector<std::unique_ptr<Wire>> upstreams;
  ASSERT_TRUE(until([&] {
    if (auto wire = app.try_accept()) upstreams.push_back(std::move(wire));
    for (auto& wire : upstreams)
      if (wire->pump().ends_with("\r\n\r\n")) wire->take(), wire->send(kOk);
    return drained;
  }));
  EXPECT_THAT(busy->take(), HasSubstr("hi"));
  EXPECT_THAT(idle->take(), HasSubstr("connection: close"));
}

TEST_F(ServerTest, ADrainThatTakesTooLongIsCut) {
  start();
  set_routes({route(app.path)});
  bool drained = false;
  server->on_drained([&] { drained = true; });
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto upstream = accept(app);
  server->drain(20ms);
  ASSERT_TRUE(until([&] { return drained; }));
  expect_end(*client);
}

TEST_F(ServerTest, MoreClientsThanAllowedWaitInTheBacklog) {
  options.listen = {"127.0.0.1:0"};
  options.max_connections = 1;
  start();
  set_routes({route(app.path)});
  auto first = dial(server->addresses()[0]), second = dial(server->addresses()[0]);
  serve(*first);
  second->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  settle();
  EXPECT_EQ(server->counters()["connections"], 1);
  first->close();
  ASSERT_TRUE(until([&] { return counters()["in_flight"] == 1; }));
}

TEST_F(ServerTest, OneAddressMayNotTakeAllConnections) {
  options.listen = {"127.0.0.1:0"};
  options.max_connections_per_address = 1;
  start();
  set_routes({route(app.path)});
  auto first = dial(server->addresses()[0]);
  serve(*first);
  auto second = dial(server->addresses()[0]);
  expect_end(*second);
}

TEST_F(ServerTest, ByItselfOneAddressGetsAQuarterOfTheConnections) {
  options.listen = {"127.0.0.1:0", "[::1]:0"};
  options.max_connections = 8;
  start();
  for (const auto& address : server->addresses()) {
    auto first = dial(address), second = dial(address), third = dial(address);
    expect_end(*third);
    EXPECT_FALSE(first->is_ended() || second->is_ended());
    EXPECT_EQ(server->counters()["connections"], 2);
    first->close();
    second->close();
    ASSERT_TRUE(until([&] { return server->counters()["connections"] == 0; }));
  }
}

TEST_F(ServerTest, ATrustedProxyMayHaveAllConnections) {
  options.listen = {"127.0.0.1:0"};
  options.max_connections = 8;
  options.trusted_proxies = {"127.0.0.0/8"};
  start();
  std::vector<std::unique_ptr<Wire>> clients;
  for (int i = 0; i < 8; i++) clients.push_back(dial(server->addresses()[0]));
  ASSERT_TRUE(until([&] { return server->counters()["connections"] == 8; }));
}

TEST_F(ServerTest, OneAppMayNotKeepTheEdgeBusyAlone) {
  options.max_requests_per_app = 2;
  start();
  auto busy = route(app.path, {{"app", "busy"}, {"hosts", {"busy"}}}), other = route(app.path, {{"hosts", {"other"}}});
  set_routes({busy, other});
  auto ask = [&](const char* host) {
    auto client = connect();
    client->send(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host));
    return client;
  };
  auto first = ask("busy"), second = ask("busy");
  auto slow = accept(app);
  ASSERT_TRUE(until([&] { return counters("busy")["in_flight"] == 2; }));
  auto third = ask("busy");
  EXPECT_THAT(expect(*third, "Too many visitors"), StartsWith("HTTP/1.1 503 "));
  auto elsewhere = ask("other");
  ASSERT_TRUE(until([&] { return counters()["in_flight"] == 1; })) << "others are served";
  first->close();
  ASSERT_TRUE(until([&] { return counters("busy")["in_flight"] == 1; }));
  auto fourth = ask("busy");
  ASSERT_TRUE(until([&] { return counters("busy")["in_flight"] == 2; })) << "there is room again";
}

TEST_F(ServerTest, AnAppMaySayHowMuchItTakesAtATime) {
  start();
  set_routes({route(app.path, {{"limits", {{"max_in_flight", 1}}}})});
  auto first = connect();
  first->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto slow = accept(app);
  auto second = connect();
  second->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*second, "Too many visitors"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(ServerTest, AnAppIsReachedOverTcpToo) {
  start();
  auto listener = std::move(*net::listen(net::TcpAddress{"127.0.0.1", 0}));
  auto address = net::to_string(*net::local_address(listener.get()));
  auto tcp = route(app.path, {{"upstream", {{"unix", nullptr}, {"tcp", address}}}, {"pooling", "per_client"}});
  set_routes({tcp});
  auto client = connect();
  client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  std::unique_ptr<Wire> upstream;
  ASSERT_TRUE(until([&] {
    auto accepted = net::accept(listener.get());
    if (accepted && *accepted) upstream = std::make_unique<Wire>(std::move((*accepted)->socket));
    return upstream != nullptr;
  }));
  expect(*upstream, "\r\n\r\nbody");
  upstream->send(kOk);
  expect(*client, "hi");
}

TEST_F(ServerTest, ATcpAppThatRefusesIsABadGatewayInTheEnd) {
  start();
  auto listener = std::move(*net::listen(net::TcpAddress{"127.0.0.1", 0}));
  auto address = net::to_string(*net::local_address(listener.get()));
  listener.close();
  set_routes({route(app.path, {{"upstream", {{"unix", nullptr}, {"tcp", address}}}, {"hold", {{"timeout", 1}}}})});
  auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "does not answer"), StartsWith("HTTP/1.1 502 "));
}

}  // namespace
}  // namespace edge::test
