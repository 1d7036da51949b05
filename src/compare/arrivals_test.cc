#include "compare/arrivals.h"

#include <gtest/gtest.h>

#include <vector>

namespace compare {
namespace {
using std::chrono::microseconds;
using std::chrono::nanoseconds;

std::vector<nanoseconds> gaps(Arrivals arrivals, int count) {
  std::vector<nanoseconds> found;
  nanoseconds before{0};
  for (int i = 0; i < count; i++) {
    auto next = arrivals.next();
    found.push_back(next - before);
    before = next;
  }
  return found;
}

TEST(Arrivals, ConstantOnesAreEvenlyApart) {
  for (auto gap : gaps({Arrivals::Kind::constant, 4000, 1}, 1000)) EXPECT_EQ(gap, microseconds(250));
}

TEST(Arrivals, PoissonOnesHaveTheRateAndTheSpread) {
  constexpr int kCount = 100'000;
  double sum = 0, squares = 0;
  int short_ones = 0;
  for (auto gap : gaps({Arrivals::Kind::poisson, 1000, 42}, kCount)) {
    double ms = static_cast<double>(gap.count()) / 1e6;
    sum += ms;
    squares += ms * ms;
    short_ones += ms < 0.1;
  }
  EXPECT_NEAR(sum / kCount, 1, 0.02);
  EXPECT_NEAR(squares / kCount, 2, 0.1);                               // of an exponential distribution
  EXPECT_NEAR(static_cast<double>(short_ones) / kCount, 0.095, 0.01);  // 1 - exp(-0.1)
}

TEST(Arrivals, TheSameSeedGivesTheSameTimes) {
  EXPECT_EQ(gaps({Arrivals::Kind::poisson, 1000, 7}, 100), gaps({Arrivals::Kind::poisson, 1000, 7}, 100));
  EXPECT_NE(gaps({Arrivals::Kind::poisson, 1000, 7}, 100), gaps({Arrivals::Kind::poisson, 1000, 8}, 100));
}

}  // namespace
}  // namespace compare
