#include "compare/histogram.h"

#include <gtest/gtest.h>

#include <random>

namespace compare {
namespace {
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(Histogram, ShortDurationsAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 100; i++) histogram.add(nanoseconds(i));
  EXPECT_EQ(histogram.quantile(0.5), nanoseconds(50));
  EXPECT_EQ(histogram.quantile(0.99), nanoseconds(99));
  EXPECT_EQ(histogram.quantile(1), nanoseconds(100));
  EXPECT_EQ(histogram.mean(), nanoseconds(50));
}

TEST(Histogram, AQuantileIsNeverTooShortAndAtMostOnePercentTooLong) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; round++) {
    auto value = nanoseconds(random() >> (21 + random() % 40));
    Histogram histogram;
    histogram.add(value);
    histogram.add(hours(4));  // quantiles are cut at the longest
    EXPECT_GE(histogram.quantile(0.5), value);
    EXPECT_LE(histogram.quantile(0.5).count(), value.count() + value.count() / 100);
  }
}

TEST(Histogram, TheTailIsThatOfAllValues) {
  Histogram histogram;
  for (int i = 0; i < 990; i++) histogram.add(milliseconds(1));
  for (int i = 0; i < 10; i++) histogram.add(milliseconds(500));
  EXPECT_LT(histogram.quantile(0.99), microseconds(1010));
  EXPECT_EQ(histogram.quantile(0.991), milliseconds(500));
  EXPECT_EQ(histogram.longest(), milliseconds(500));
}

TEST(Histogram, WhatIsLongerThanAllBucketsCountsInTheLast) {
  Histogram histogram;
  histogram.add(hours(1000));
  histogram.add(nanoseconds(-5));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.quantile(0.5), nanoseconds(0));
  EXPECT_GT(histogram.quantile(1), hours(4));
}

TEST(Histogram, MergedIsAsIfAllHadBeenAddedToOne) {
  Histogram one, other, both;
  for (int i = 0; i < 1000; i++) {
    auto value = microseconds(i * i);
    (i % 3 ? one : other).add(value);
    both.add(value);
  }
  one.merge(other);
  for (double share : {0.01, 0.5, 0.9, 0.999, 1.0}) EXPECT_EQ(one.quantile(share), both.quantile(share));
  EXPECT_EQ(one.mean(), both.mean());
}

TEST(Histogram, OfNothingIsZero) { EXPECT_EQ(Histogram().quantile(0.5), nanoseconds(0)); }

}  // namespace
}  // namespace compare
