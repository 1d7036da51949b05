#include "compare/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace compare {
namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Answers each connection on a thread of its own, as a script says: for the n-th request of all the bytes to send.
// Closes the connection behind an answer that says so, and where there is none.
class ScriptedServer {
 public:
  using Script = std::function<std::string(int number)>;
  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = net::listen(net::TcpAddress{"127.0.0.1", 0}).value();
    accepting_ = std::jthread([this](const std::stop_token& stop) { accept(stop); });
  }
  net::Address address() const { return net::local_address(listener_.get()).value(); }
  LoadPlan plan() const { return {.address = address(), .connections = 4, .duration = 300ms, .patience = 2s}; }

 private:
  void accept(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 10) <= 0) continue;
      auto accepted = net::accept(listener_.get());
      if (!accepted || !*accepted) continue;
      talks_.emplace_back([this, socket = std::move((*accepted)->socket)](const std::stop_token& over) mutable {
        talk(std::move(socket), over);
      });
    }
  }
  void talk(base::Fd socket, const std::stop_token& over) {
    char request[4096];
    while (!over.stop_requested()) {
      pollfd waiting{socket.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 10) <= 0) continue;
      if (::recv(socket.get(), request, sizeof request, 0) <= 0) return;
      auto answer = script_(count_++);
      (void)::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (answer.empty() || answer.find("Connection: close") != std::string::npos) return;
    }
  }

  Script script_;
  base::Fd listener_;
  std::atomic<int> count_ = 0;
  std::vector<std::jthread> talks_;
  std::jthread accepting_;
};

TEST(OpenLoad, AsksAtTheRateThatIsAskedFor) {
  ScriptedServer server([](int) { return kAnswer; });
  auto plan = server.plan();
  plan.rate = 500;
  plan.arrivals = Arrivals::Kind::constant;
  auto result = run_load(plan).value();
  EXPECT_EQ(result.answers, 149u);  // every 2 ms, before the end
  EXPECT_THAT(result.failures, IsEmpty());
  EXPECT_EQ(result.body_bytes, 2 * result.answers);
  EXPECT_EQ(result.latency.count(), result.answers);
  EXPECT_NEAR(result.seconds, 0.3, 0.1);
}

TEST(OpenLoad, AnAnswerOfTheRightLengthWithOtherBytesIsAFailure) {
  ScriptedServer server([](int number) {
    return number == 5 ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"
                       : std::string(number == 7 ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes" : kAnswer);
  });
  auto plan = server.plan();
  plan.rate = 200;
  plan.expected_bytes = 2;
  plan.expected_digest = 0x8b05d07b5566befULL;  // FNV-1a of "ok"
  auto result = run_load(plan).value();
  EXPECT_THAT(result.failures, testing::UnorderedElementsAre(Pair("another body", 1u), Pair("3 bytes", 1u)));
  EXPECT_GT(result.answers, 10u);
}

TEST(OpenLoad, ARequestThatCannotBeSentSinceTheServerStallsCountsFromWhenItWasDue) {
  ScriptedServer server([](int number) {
    if (number == 20) std::this_thread::sleep_for(400ms);
    return kAnswer;
  });
  auto plan = server.plan();
  plan.connections = 1;
  plan.rate = 200;
  plan.duration = 1s;
  auto result = run_load(plan).value();
  EXPECT_LT(result.service.quantile(0.95), 100ms) << "one answer was slow";
  EXPECT_GT(result.latency.quantile(0.9), 100ms) << "and everybody behind it waited";
  EXPECT_GT(result.longest_line, 40u);
  EXPECT_GT(result.answers, 150u) << "those that were due meanwhile were asked all the same";
}

TEST(OpenLoad, TheWarmUpDoesNotCount) {
  ScriptedServer server([](int number) {
    if (number < 4) std::this_thread::sleep_for(100ms);
    return kAnswer;
  });
  auto plan = server.plan();
  plan.rate = 100;
  plan.warm_up = 300ms;
  auto result = run_load(plan).value();
  EXPECT_LT(result.latency.longest(), 100ms);
  EXPECT_LT(result.answers, 60u);
}

TEST(ClosedLoad, AsksAgainAsSoonAsItIsAnswered) {
  ScriptedServer server([](int) {
    std::this_thread::sleep_for(5ms);
    return kAnswer;
  });
  auto result = run_load(server.plan()).value();
  EXPECT_GT(result.answers, 60u);
  EXPECT_LE(result.answers, 4u * 61);
  EXPECT_GE(result.latency.quantile(0.01), 5ms);
  EXPECT_EQ(result.longest_line, 0u);
}

TEST(Load, AServerThatClosesAfterEachAnswerIsConnectedToAgain) {
  ScriptedServer server([](int) { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"; });
  auto plan = server.plan();
  plan.rate = 200;
  auto result = run_load(plan).value();
  EXPECT_THAT(result.failures, IsEmpty());
  EXPECT_GT(result.answers, 30u);
  EXPECT_GT(result.reconnects, result.answers - 10);
}

struct Fault {
  const char* name;
  std::string answer;
  const char* reason;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
class FaultTest : public testing::TestWithParam<Fault> {};

TEST_P(FaultTest, IsCountedByItsReason) {
  ScriptedServer server([&](int number) { return number == 3 ? GetParam().answer : std::string(kAnswer); });
  auto plan = server.plan();
  plan.rate = 100;
  plan.patience = 200ms;
  auto result = run_load(plan).value();
  EXPECT_THAT(result.failures, ElementsAre(Pair(GetParam().reason, 1u)));
  EXPECT_GT(result.answers, 10u) << "the others are asked on";
  EXPECT_EQ(result.failed(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultTest,
    testing::Values(Fault{"OtherStatus", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "status 503"},
                    Fault{"NoAnswer", "", "the connection closed before the answer was whole"},
                    Fault{"CutBody", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf",
                          "the connection closed before the answer was whole"},
                    Fault{"Garbage", "SSH-2.0-OpenSSH\r\n\r\n", "the answer does not begin with an HTTP/1 status line"},
                    Fault{"Silence", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "no answer in time"}),
    [](const auto& fault) { return fault.param.name; });

TEST(Load, WhatCannotBeBegunSaysWhy) {
  auto listener = net::listen(net::TcpAddress{"127.0.0.1", 0}).value();
  LoadPlan plan{.address = net::local_address(listener.get()).value()};
  listener.close();
  EXPECT_THAT(run_load(plan).error().describe(), testing::HasSubstr("Connection refused"));
  plan.path = "no-slash";
  EXPECT_THAT(run_load(plan).error().describe(), testing::HasSubstr("begins with"));
  plan.path = "/", plan.connections = 0;
  EXPECT_THAT(run_load(plan).error().describe(), testing::HasSubstr("connection"));
}

}  // namespace
}  // namespace compare
