// compare::Arrivals: when requests are due, as their users decide, whatever the server does.
//
// An open workload (Schroeder, Wierman, Harchol-Balter, "Open Versus Closed", NSDI 2006): the next request comes though
// the one before has not been answered. The same seed gives the same times, so that everything compared meets the same.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace compare {

class Arrivals {
 public:
  using Duration = std::chrono::nanoseconds;
  enum class Kind { constant, poisson };

  // `rate`: requests per second in the long run, above zero.
  Arrivals(Kind kind, double rate, std::uint64_t seed) : kind_(kind), interval_(1e9 / rate), random_(seed) {}
  // When the next one is due, since the beginning.
  Duration next();

 private:
  Kind kind_;
  double interval_;  // ns, of the mean
  double due_ = 0;   // ns
  std::mt19937_64 random_;
};

}  // namespace compare
