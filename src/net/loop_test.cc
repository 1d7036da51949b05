#include "net/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace net {
namespace {

using std::chrono::milliseconds;

struct Reader : Pollable {
  std::function<void()> then;
  int calls = 0;
  void on_ready(std::uint32_t) override {
    calls++;
    if (then) then();
  }
};

struct Once : Deferred {
  int calls = 0;
  void at_end_of_turn() override { calls++; }
};

class LoopTest : public testing::Test {
 protected:
  std::unique_ptr<Loop> loop = Loop::create().value();
};

TEST_F(LoopTest, AReadableDescriptorCallsItsPollable) {
  auto ends = base::pipe().value();
  Reader reader;
  ASSERT_TRUE(loop->add(ends.read.get(), EPOLLIN, reader));
  EXPECT_EQ(loop->turn(nanoseconds(0)), 0);
  ASSERT_TRUE(base::write_all(ends.write.get(), "x"));
  EXPECT_EQ(loop->turn(nanoseconds(-1)), 1);
  EXPECT_EQ(reader.calls, 1);
}

TEST_F(LoopTest, RemovingDuringATurnDropsThePendingEvent) {
  auto a = base::pipe().value();
  auto b = base::pipe().value();
  Reader first, second;
  first.then = [&] { loop->remove(b.read.get(), second); };
  second.then = [&] { loop->remove(a.read.get(), first); };
  ASSERT_TRUE(loop->add(a.read.get(), EPOLLIN, first));
  ASSERT_TRUE(loop->add(b.read.get(), EPOLLIN, second));
  ASSERT_TRUE(base::write_all(a.write.get(), "x"));
  ASSERT_TRUE(base::write_all(b.write.get(), "x"));
  loop->turn(nanoseconds(-1));
  EXPECT_EQ(first.calls + second.calls, 1);
}

TEST_F(LoopTest, AGuestIsNudgedForWorkThatArisesBetweenItsTurns) {
  int nudges = 0;
  loop->set_nudge([&] { nudges++; });
  Once once;
  loop->defer(once);
  EXPECT_EQ(nudges, 1);
  EXPECT_EQ(loop->until_due(), nanoseconds(0));
  loop->turn(nanoseconds(0));
  EXPECT_LT(loop->until_due(), nanoseconds(0));
  Timer timer(*loop, [] {});
  timer.set_after(milliseconds(50));
  EXPECT_EQ(nudges, 2);
  EXPECT_GT(loop->until_due(), nanoseconds(0));
  EXPECT_LE(loop->until_due(), milliseconds(50));
}

TEST_F(LoopTest, AGuestIsNotNudgedInsideItsTurn) {
  auto ends = base::pipe().value();
  int nudges = 0;
  loop->set_nudge([&] { nudges++; });
  Once once;
  Reader reader;
  reader.then = [&] { loop->defer(once); };
  ASSERT_TRUE(loop->add(ends.read.get(), EPOLLIN, reader));
  ASSERT_TRUE(base::write_all(ends.write.get(), "x"));
  loop->turn(nanoseconds(0));
  EXPECT_EQ(once.calls, 1);
  EXPECT_EQ(nudges, 0);
}

TEST_F(LoopTest, DeferredWorkRunsOnceAtTheEndOfTheTurn) {
  Once once;
  loop->defer(once);
  loop->defer(once);
  loop->turn(nanoseconds(0));
  loop->turn(nanoseconds(0));
  EXPECT_EQ(once.calls, 1);
}

TEST_F(LoopTest, DestroyingDeferredWorkTakesItBack) {
  {
    Once once;
    loop->defer(once);
  }
  loop->turn(nanoseconds(0));
}

TEST_F(LoopTest, TimersFireInOrderAndMayBeSetAgainFromTheirCallback) {
  std::string order;
  Timer late(*loop, [&] { order += 'b'; });
  Timer early(*loop, [&] {
    order += 'a';
    if (order == "a") early.set_after(milliseconds(0));
  });
  late.set_after(milliseconds(80));
  early.set_after(milliseconds(1));
  while (!order.ends_with('b')) loop->turn(nanoseconds(-1));
  EXPECT_EQ(order, "aab");
}

TEST_F(LoopTest, PostedJobsWakeTheLoopFromAnotherThread) {
  bool ran = false;
  std::thread other([&] {
    loop->post([&] {
      ran = true;
      loop->stop();
    });
  });
  loop->run();
  other.join();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace net
