#include "compare/plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "compare/statistics.h"

namespace compare {

base::Result<void> check(const Plan& plan) {
  if (!plan.path.starts_with('/')) return base::invalid("\"{}\" is no path: it begins with \"/\"", plan.path);
  if (plan.rate < 0) return base::invalid("{} is no rate: requests per second, above 0", plan.rate);
  if (plan.round < std::chrono::milliseconds(100)) return base::invalid("a round needs at least 0.1 seconds");
  if (plan.rounds != 0 && plan.rounds < kFewestRounds)
    return base::invalid("{} rounds are too few for an interval: at least {}, or 0 for starts only", plan.rounds,
                         kFewestRounds);
  if (plan.cold_starts < 1 || plan.starts <= plan.cold_starts)
    return base::invalid("{} starts, {} of them cold: at least one of each", plan.starts, plan.cold_starts);
  return {};
}

std::vector<std::vector<std::size_t>> turns(std::size_t placements, unsigned rounds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<std::size_t>> all(rounds);
  for (auto& round : all) {
    round.resize(placements);
    std::iota(round.begin(), round.end(), std::size_t{0});
    // std::shuffle differs between libraries; Fisher and Yates' does not.
    for (std::size_t left = placements; left > 1; left--) std::swap(round[left - 1], round[random() % left]);
  }
  return all;
}

double readable_rate(double rate) {
  if (rate < 1) return 1;
  double step = std::pow(10, std::max(0.0, std::floor(std::log10(rate)) - 1));
  return std::floor(rate / step) * step;
}

}  // namespace compare
