// Intervals for figures that were measured in paired rounds. Pure.
//
// All figures here are times and the like: above zero, noisy in proportion. So everything is done with logarithms and a
// difference is a ratio. The estimate is the Hodges-Lehmann one (the median of the means of all pairs of rounds), which
// a few spoilt rounds do not move; its interval inverts Wilcoxon's signed-rank test (Hollander, Wolfe, "Nonparametric
// Statistical Methods", 3.3). That test is exact for pairs in random order, however the noise is distributed and though
// it drifts.
#pragma once

#include <optional>
#include <vector>

namespace compare {

struct Interval {
  double estimate = 0, low = 0, high = 0;
};

// The fewest rounds for which a 95 % interval exists.
constexpr std::size_t kFewestRounds = 6;

// The middle of the values, with its 95 % interval. Empty below kFewestRounds, or when a value is not above zero.
std::optional<Interval> interval_of(const std::vector<double>& values);
// How many times `other` is `base`, round by round; 1 is no difference. Both have a value for each round.
std::optional<Interval> ratio_of(const std::vector<double>& other, const std::vector<double>& base);

// What the same thing measured twice differs by, as far as these rounds can tell: from the ratio of two placements of
// the same kind. 0.02 is 2 %.
double noise_floor(const Interval& same_against_same);

enum class Verdict { less, more, none };
// `none` when the interval has 1 in it, or the ratio is inside the floor.
Verdict verdict_of(const Interval& ratio, double floor);

}  // namespace compare
