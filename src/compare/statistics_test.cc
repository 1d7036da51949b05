#include "compare/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace compare {
namespace {

std::vector<double> times(const std::vector<double>& values, double factor) {
  auto scaled = values;
  for (auto& value : scaled) value *= factor;
  return scaled;
}

TEST(Intervals, NeedSixRounds) {
  EXPECT_FALSE(interval_of({1, 2, 3, 4, 5}));
  auto six = interval_of({1, 2, 4, 8, 16, 32});
  ASSERT_TRUE(six);
  EXPECT_NEAR(six->low, 1, 1e-9) << "of six, only the extremes are as rare as one in forty";
  EXPECT_NEAR(six->high, 32, 1e-9);
  EXPECT_NEAR(six->estimate, std::sqrt(4 * 8), 1e-9);
}

// R: wilcox.test(c(1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30) - c(.878, .647, .598, 2.05, 1.06, 1.29, 1.06,
// 3.14, 1.29), conf.int = TRUE): pseudomedian 0.46, interval (0.01, 0.786). Hollander and Wolfe, table 3.1.
TEST(Intervals, AreThoseOfTheTextbook) {
  std::vector<double> first = {1.83, .50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
  std::vector<double> second = {.878, .647, .598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
  std::vector<double> ratios;
  for (std::size_t i = 0; i < first.size(); i++) ratios.push_back(std::exp(first[i] - second[i]));
  auto interval = interval_of(ratios);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(std::log(interval->estimate), 0.46, 1e-6);
  EXPECT_NEAR(std::log(interval->low), 0.01, 1e-6);
  EXPECT_NEAR(std::log(interval->high), 0.786, 1e-6);
}

TEST(Intervals, AreOfFiguresAboveZeroOnly) {
  EXPECT_FALSE(interval_of({1, 2, 3, 4, 5, 0}));
  EXPECT_FALSE(ratio_of({1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 0}));
  EXPECT_FALSE(ratio_of({1, 2, 3, 4, 5, 6}, {1, 2, 3})) << "rounds belong together";
}

TEST(Ratios, SeeASmallDifferenceUnderNoiseThatBothShare) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> drift(0, 0.3);
  std::vector<double> base;
  for (int i = 0; i < 12; i++) base.push_back(drift(random));
  auto ratio = ratio_of(times(base, 1.05), base);
  ASSERT_TRUE(ratio);
  EXPECT_NEAR(ratio->low, 1.05, 1e-9);
  EXPECT_NEAR(ratio->high, 1.05, 1e-9);
  EXPECT_EQ(verdict_of(*ratio, 0.02), Verdict::more);
  EXPECT_EQ(verdict_of(*ratio, 0.06), Verdict::none) << "inside the noise floor";
}

TEST(Ratios, AreNotMovedByOneSpoiltRound) {
  std::vector<double> base = {10, 10.1, 9.9, 10, 10.2, 9.8, 10, 10.1, 9.9, 10};
  auto other = times(base, 1.1);
  other[3] *= 20;
  EXPECT_NEAR(ratio_of(other, base)->estimate, 1.1, 0.01);
}

// Two times in a hundred and a half on each side, and the truth inside otherwise.
TEST(Ratios, OfTheSameThingRaiseFalseAlarmsAsRarelyAsPromised) {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> noise(0, 0.2);
  int alarms = 0;
  constexpr int kRuns = 2000;
  for (int run = 0; run < kRuns; run++) {
    std::vector<double> first, second;
    for (int round = 0; round < 10; round++) first.push_back(noise(random)), second.push_back(noise(random));
    if (verdict_of(*ratio_of(first, second), 0) != Verdict::none) alarms++;
  }
  EXPECT_LT(alarms, kRuns * 0.065);
  EXPECT_GT(alarms, kRuns * 0.025);
}

TEST(NoiseFloor, IsAsFarAsTheSameThingMayDiffer) {
  EXPECT_NEAR(noise_floor({1.0, 0.98, 1.01}), 1 / 0.98 - 1, 1e-9);
  EXPECT_NEAR(noise_floor({1.0, 0.99, 1.05}), 0.05, 1e-9);
  EXPECT_EQ(noise_floor({1, 1, 1}), 0);
}

}  // namespace
}  // namespace compare
