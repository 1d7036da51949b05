// For the edge's tests: an edge in memory, clients on socket pairs, apps that are scripts. One thread drives all.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.h"
#include "edge/server.h"
#include "net/loop.h"

namespace edge::test {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::filesystem::path path;
};

// One end of a connection: what came, and whether the other side is through.
class Wire {
 public:
  explicit Wire(base::Fd socket);
  void send(std::string_view bytes);
  // All of it or nothing, as the socket's buffer allows (for pieces that are small beside it).
  bool try_send(std::string_view bytes);
  // Takes what is there now.
  const std::string& pump();
  std::string take();  // what came, and forgets it
  bool is_ended();     // the peer closed, or reset, the connection
  void half_close();
  void close() { socket_.close(); }
  void stop_reading() { reading_ = false; }
  void read_on() { reading_ = true; }

 private:
  base::Fd socket_;
  std::string received_;
  bool ended_ = false, reading_ = true;
};

// An app: a listening Unix socket whose connections the test plays.
class App {
 public:
  explicit App(std::filesystem::path socket);
  ~App();
  std::unique_ptr<Wire> try_accept();
  const std::string path;

 private:
  base::Fd listener_;
};

class EdgeTest : public testing::Test {
 protected:
  EdgeTest();
  void start();  // with `options`
  void set_routes(std::vector<nlohmann::json> apps);
  // An app reached over `socket` at any host, below "/", with further members.
  static nlohmann::json route(const std::string& socket, nlohmann::json more = nlohmann::json::object());
  std::unique_ptr<Wire> connect();         // a client
  std::unique_ptr<Wire> accept(App& app);  // waits for the edge's connection
  template <typename Condition>
  [[nodiscard]] bool until(Condition condition) {
    for (auto end = net::Clock::now() + std::chrono::seconds(20); net::Clock::now() < end;) {
      if (condition()) return true;
      loop->turn(std::chrono::milliseconds(1));
    }
    return false;
  }
  // Waits until what came holds `text`; returns all of it.
  std::string expect(Wire& wire, std::string_view text);
  void expect_end(Wire& wire) {
    EXPECT_TRUE(until([&] { return wire.is_ended(); }));
  }
  // Turns in which nothing is expected to come.
  void settle();
  nlohmann::json counters(std::string_view app = "app") { return server->counters()["apps"][std::string(app)]; }

  TemporaryFolder folder;
  Options options;
  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<Server> server;
  std::uint64_t generation = 0;
};

}  // namespace edge::test
