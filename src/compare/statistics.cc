#include "compare/statistics.h"

#include <algorithm>
#include <cmath>

namespace compare {
namespace {

constexpr double kTail = 0.025;  // on each side of a 95 % interval

// The k for which the k-th smallest and the k-th largest of the means of all pairs enclose the 95 % interval: one more
// than the largest sum of ranks that is as rare as kTail. Exact: the number of subsets of 1…n by their sum.
std::size_t rank_of_bound(std::size_t rounds) {
  std::vector<double> share(rounds * (rounds + 1) / 2 + 1, 0);
  share[0] = 1;
  for (std::size_t rank = 1; rank <= rounds; rank++) {
    for (std::size_t sum = share.size(); sum-- > 0;)
      share[sum] = (share[sum] + (sum >= rank ? share[sum - rank] : 0)) / 2;
  }
  double below = 0;
  std::size_t k = 0;
  while (below + share[k] <= kTail) below += share[k++];
  return k;
}

std::optional<Interval> middle_of(const std::vector<double>& values) {
  if (values.size() < kFewestRounds) return std::nullopt;
  std::vector<double> means;
  for (std::size_t i = 0; i < values.size(); i++)
    for (std::size_t j = i; j < values.size(); j++) means.push_back((values[i] + values[j]) / 2);
  std::ranges::sort(means);
  const auto k = rank_of_bound(values.size());
  const auto half = means.size() / 2;
  const double middle = means.size() % 2 == 1 ? means[half] : (means[half - 1] + means[half]) / 2;
  return Interval{middle, means[k - 1], means[means.size() - k]};
}

Interval exp(const Interval& logarithms) {
  return {std::exp(logarithms.estimate), std::exp(logarithms.low), std::exp(logarithms.high)};
}

bool is_positive(double value) { return value > 0; }

}  // namespace

std::optional<Interval> interval_of(const std::vector<double>& values) {
  if (!std::ranges::all_of(values, is_positive)) return std::nullopt;
  std::vector<double> logarithms;
  for (double value : values) logarithms.push_back(std::log(value));
  auto middle = middle_of(logarithms);
  return middle ? std::optional(exp(*middle)) : std::nullopt;
}

std::optional<Interval> ratio_of(const std::vector<double>& other, const std::vector<double>& base) {
  if (other.size() != base.size() || !std::ranges::all_of(other, is_positive) ||
      !std::ranges::all_of(base, is_positive))
    return std::nullopt;
  std::vector<double> logarithms;
  for (std::size_t i = 0; i < other.size(); i++) logarithms.push_back(std::log(other[i] / base[i]));
  auto middle = middle_of(logarithms);
  return middle ? std::optional(exp(*middle)) : std::nullopt;
}

double noise_floor(const Interval& same_against_same) {
  return std::max({same_against_same.high - 1, 1 / same_against_same.low - 1, 0.0});
}

Verdict verdict_of(const Interval& ratio, double floor) {
  bool is_inside = ratio.estimate < 1 + floor && ratio.estimate > 1 / (1 + floor);
  if (is_inside || (ratio.low <= 1 && ratio.high >= 1)) return Verdict::none;
  return ratio.estimate < 1 ? Verdict::less : Verdict::more;
}

}  // namespace compare
