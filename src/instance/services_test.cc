#include "instance/services.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "net/endpoint.h"

namespace instance {
namespace {

// Services on a loop in a thread of its own; the host's side listens on 127.0.0.1, the instance's on 127.0.0.2, which
// stands for the other network's 127.0.0.1.
class ServicesTest : public testing::Test {
 protected:
  void TearDown() override {
    loop_->stop();
    loop_->wake();
    thread_.join();
  }

  void serve(const Service& service, base::Fd listener) {
    loop_ = net::Loop::create().value();
    std::vector<base::Fd> listeners;
    listeners.push_back(std::move(listener));
    services_ = Services::open(*loop_, {service}, std::move(listeners)).value();
    thread_ = std::thread([this] { loop_->run(); });
  }

  static net::Endpoint at(const char* address, std::uint16_t port) {
    return net::Endpoint::of(net::TcpAddress{address, port}).value();
  }
  static std::uint16_t port_of(const base::Fd& socket) {
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length);
    return ntohs(bound.sin_port);
  }
  static bool wait_for(const base::Fd& socket, short events = POLLIN, int patience_ms = 5000) {
    pollfd ready{socket.get(), events, 0};
    return ::poll(&ready, 1, patience_ms) == 1;
  }
  static base::Fd accepted(const base::Fd& listener) {
    EXPECT_TRUE(wait_for(listener));
    return base::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  static void set_blocking(const base::Fd& fd) { ASSERT_TRUE(base::set_nonblocking(fd.get(), false)); }
  base::Fd connected(std::uint16_t port) {
    auto client = at("127.0.0.2", port).connect().value();
    EXPECT_TRUE(wait_for(client, POLLOUT));
    set_blocking(client);
    return client;
  }

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Services> services_;
  std::thread thread_;
};

TEST_F(ServicesTest, WhatOneSideSendsTheOtherGetsAndTheEndToo) {
  auto host = at("127.0.0.1", 0).listen(8).value();
  auto inside = at("127.0.0.2", 0).listen(8).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = false, .instead = {}}, std::move(inside));
  auto client = connected(port);
  auto server = accepted(host);
  ASSERT_TRUE(base::write_all(client.get(), "question"));
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(base::read_all(server.get(), 100).value(), "question");
  ASSERT_TRUE(base::write_all(server.get(), "answer"));
  server.close();
  EXPECT_EQ(base::read_all(client.get(), 100).value(), "answer");
}

TEST_F(ServicesTest, MuchIsCarriedBothWaysAtOnce) {
  auto host = at("127.0.0.1", 0).listen(8).value();
  auto inside = at("127.0.0.2", 0).listen(8).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = false, .instead = {}}, std::move(inside));
  auto client = connected(port);
  auto server = accepted(host);
  std::string there(8 << 20, 't'), back(5 << 20, 'b');
  auto send = [](const base::Fd& socket, const std::string& text) {
    EXPECT_TRUE(base::write_all(socket.get(), text));
    ::shutdown(socket.get(), SHUT_WR);
  };
  std::thread first([&] { send(client, there); }), second([&] { send(server, back); });
  std::string got_back;
  std::thread third([&] { got_back = base::read_all(client.get(), 64 << 20).value(); });
  auto got_there = base::read_all(server.get(), 64 << 20).value();
  for (auto* thread : {&first, &second, &third}) thread->join();
  EXPECT_TRUE(got_there == there);
  EXPECT_TRUE(got_back == back);
}

TEST_F(ServicesTest, TheOtherAddressIsTriedWhenNobodyListensAtTheFirst) {
  auto host = at("127.0.0.1", 0).listen(8).value();
  auto inside = at("127.0.0.2", 0).listen(8).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.3", .port = port_of(host), .datagrams = false, .instead = "127.0.0.1"}, std::move(inside));
  auto client = connected(port);
  EXPECT_TRUE(accepted(host).is_open());
}

TEST_F(ServicesTest, WhereNobodyListensTheConnectionIsReset) {
  auto host = at("127.0.0.1", 0).bind_datagrams().value();  // a port that is free for TCP
  auto inside = at("127.0.0.2", 0).listen(8).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = false, .instead = {}}, std::move(inside));
  auto client = connected(port);
  char byte;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(ServicesTest, AServiceThatBreaksAConnectionOffBreaksItForTheApp) {
  auto host = at("127.0.0.1", 0).listen(8).value();
  auto inside = at("127.0.0.2", 0).listen(8).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = false, .instead = {}}, std::move(inside));
  auto client = connected(port);
  auto server = accepted(host);
  linger at_once{1, 0};
  ::setsockopt(server.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  server.close();
  char byte;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(ServicesTest, MoreConnectionsThanAllowedAreClosed) {
  auto host = at("127.0.0.1", 0).listen(1024).value();
  auto inside = at("127.0.0.2", 0).listen(1024).value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = false, .instead = {}}, std::move(inside));
  std::vector<base::Fd> clients, servers;
  for (std::size_t i = 0; i < Services::kMostConnections; i++) {
    clients.push_back(connected(port));
    servers.push_back(accepted(host));
  }
  auto one_more = connected(port);
  char byte;
  EXPECT_LE(::recv(one_more.get(), &byte, 1, 0), 0);
  clients.pop_back();
  EXPECT_EQ(::recv(servers.back().get(), &byte, 1, 0), 0);
  servers.pop_back();
  // Its place is free once both ends have closed, which the loop sees a moment later.
  base::Fd next;
  do {
    next = connected(port);
  } while (!wait_for(host, POLLIN, 20));
}

TEST_F(ServicesTest, AnswersToDatagramsFindTheirWayBackToWhoAsked) {
  auto host = at("127.0.0.1", 0).bind_datagrams().value();
  auto inside = at("127.0.0.2", 0).bind_datagrams().value();
  auto port = port_of(inside);
  serve({.address = "127.0.0.1", .port = port_of(host), .datagrams = true, .instead = {}}, std::move(inside));
  auto first = at("127.0.0.2", port).connect_datagrams().value();
  auto second = at("127.0.0.2", port).connect_datagrams().value();
  ASSERT_EQ(::send(first.get(), "one", 3, 0), 3);
  ASSERT_EQ(::send(second.get(), "two", 3, 0), 3);
  for (int i = 0; i < 2; i++) {
    char text[3];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    ASSERT_TRUE(wait_for(host));
    ASSERT_EQ(::recvfrom(host.get(), text, 3, 0, reinterpret_cast<sockaddr*>(&from), &length), 3);
    ASSERT_EQ(::sendto(host.get(), text, 3, 0, reinterpret_cast<sockaddr*>(&from), length), 3);
  }
  for (auto [socket, text] : {std::pair{&first, "one"}, {&second, "two"}}) {
    char answer[3];
    ASSERT_TRUE(wait_for(*socket));
    ASSERT_EQ(::recv(socket->get(), answer, 3, 0), 3);
    EXPECT_EQ(std::string(answer, 3), text);
  }
}

}  // namespace
}  // namespace instance
