// compare::Plan: what a comparison measures and in which order. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace compare {

struct Plan {
  std::vector<std::string> kinds;  // of environments; empty: all that this host can do
  std::string path = "/";
  double rate = 0;  // requests per second; 0: two fifths of what the weakest kind can do, as a short trial says
  std::chrono::milliseconds round{2000};  // of load, for one placement
  unsigned rounds = 10;                   // 0: starts only
  unsigned starts = 5;                    // of each kind
  unsigned cold_starts = 1;               // so many of them, the first ones
  unsigned connections = 16;
  std::uint64_t seed = 1;
  bool with_data = true;
};

// An error says what is wrong with it, for who typed it.
base::Result<void> check(const Plan& plan);

// For each round the order in which the `placements` have their turns: every one once, at random. The same seed gives
// the same order.
std::vector<std::vector<std::size_t>> turns(std::size_t placements, unsigned rounds, std::uint64_t seed);

// Two digits of it, rounded down: a rate that a person can read and repeat.
double readable_rate(double rate);

}  // namespace compare
