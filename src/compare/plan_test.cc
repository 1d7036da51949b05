#include "compare/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace compare {
namespace {

using testing::UnorderedElementsAre;

TEST(Turns, GiveEveryPlacementOneInEachRound) {
  auto order = turns(4, 50, 3);
  ASSERT_EQ(order.size(), 50u);
  for (const auto& round : order) EXPECT_THAT(round, UnorderedElementsAre(0, 1, 2, 3));
}

TEST(Turns, AreTheSameForTheSameSeedAndAtRandomOtherwise) {
  EXPECT_EQ(turns(4, 20, 3), turns(4, 20, 3));
  EXPECT_NE(turns(4, 20, 3), turns(4, 20, 4));
  std::set<std::vector<std::size_t>> seen;
  for (auto& round : turns(3, 200, 1)) seen.insert(round);
  EXPECT_EQ(seen.size(), 6u) << "all orders of three";
}

TEST(Plans, AreRefusedWithWhatIsWrong) {
  EXPECT_TRUE(check(Plan{}));
  EXPECT_FALSE(check({.kinds = {}, .path = "index.html"}));
  EXPECT_FALSE(check({.kinds = {}, .rate = -1}));
  EXPECT_FALSE(check({.kinds = {}, .rounds = 5}));
  EXPECT_TRUE(check({.kinds = {}, .rounds = 0})) << "starts only";
  EXPECT_FALSE(check({.kinds = {}, .starts = 1}));
  EXPECT_FALSE(check({.kinds = {}, .starts = 4, .cold_starts = 4}));
  EXPECT_FALSE(check({.kinds = {}, .round = std::chrono::milliseconds(10)}));
}

TEST(Rates, AreRoundedDownToTwoDigits) {
  EXPECT_EQ(readable_rate(1234.5), 1200);
  EXPECT_EQ(readable_rate(99.9), 99);
  EXPECT_EQ(readable_rate(7.9), 7);
  EXPECT_EQ(readable_rate(0.3), 1);
}

}  // namespace
}  // namespace compare
