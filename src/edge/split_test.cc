#include <gmock/gmock.h>

#include "edge/test_support.h"

namespace edge::test {
namespace {

using nlohmann::json;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct SplitTest : EdgeTest {
  App first{folder.path / "first.sock"};
  App second{folder.path / "second.sock"};
  std::unique_ptr<Wire> at_first, at_second;  // the edge's newest connections, once there are any
  std::vector<std::unique_ptr<Wire>> older;
  void SetUp() override { start(); }

  json split(int percent, const std::string& place) {
    return route(first.path, {{"split", {{"percent", percent}, {"upstream", {{"unix", place}}}}}});
  }
  json split(int percent) { return split(percent, second.path); }
  // Answers the request at whichever place it came to.
  void answer(Wire& client, std::string_view status) {
    auto took_it = [&](App& app, std::unique_ptr<Wire>& wire) {
      if (auto next = app.try_accept()) {
        if (wire) older.push_back(std::move(wire));
        wire = std::move(next);
      }
      if (!wire || !wire->pump().ends_with("\r\n\r\n")) return false;
      wire->take();
      wire->send(fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}", status, app.path.size(), app.path));
      return true;
    };
    ASSERT_TRUE(until([&] { return took_it(first, at_first) || took_it(second, at_second); }));
    ASSERT_TRUE(until([&] { return client.pump().ends_with(".sock"); }));
  }
  // How many of so many requests, one after the other, came to the second place.
  int count_second(int requests, std::string_view status = "200 OK") {
    auto client = connect();
    int count = 0;
    for (int i = 0; i < requests; i++) {
      client->send(kGet);
      answer(*client, status);
      count += client->take().ends_with("second.sock");
    }
    return count;
  }
};

TEST_F(SplitTest, EachPlaceGetsItsShareExactly) {
  for (auto [percent, of_200] : {std::pair(10, 20), std::pair(1, 2), std::pair(33, 66), std::pair(99, 198)}) {
    set_routes({split(percent)});
    EXPECT_EQ(count_second(200), of_200) << percent;
  }
}

TEST_F(SplitTest, TheSecondPlaceIsCountedApart) {
  set_routes({split(50)});
  count_second(4, "500 Oops");
  EXPECT_EQ(counters()["requests"], 4);
  EXPECT_EQ(counters()["split"]["percent"], 50);
  EXPECT_EQ(counters()["split"]["second"]["requests"], 2);
  EXPECT_EQ(counters()["split"]["second"]["status"]["5xx"], 2);
  set_routes({route(first.path)});
  EXPECT_FALSE(counters().contains("split"));
  EXPECT_EQ(counters()["requests"], 4);
}

TEST_F(SplitTest, APlaceThatBecomesTheOnlyOneKeepsItsConnections) {
  set_routes({split(50)});
  count_second(4);
  ASSERT_TRUE(at_second);
  set_routes({route(second.path)});
  EXPECT_TRUE(until([&] { return at_first->is_ended(); }));
  EXPECT_EQ(count_second(4), 4);
  EXPECT_FALSE(at_second->is_ended());
  EXPECT_EQ(second.try_accept(), nullptr);
}

TEST_F(SplitTest, APlaceThatCannotBeReachedLosesNoRequest) {
  set_routes({split(50, (folder.path / "none.sock").string())});
  EXPECT_EQ(count_second(10), 0);
}

}  // namespace
}  // namespace edge::test
