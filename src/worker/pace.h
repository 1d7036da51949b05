// worker::Pace: how slowly a client may send something that is gathered until it is whole: after a pause that is too
// long it is given up, and also when it trickles with pauses that are short enough, for either keeps a connection busy.
#pragma once

#include <algorithm>
#include <cstdint>

#include "net/loop.h"

namespace worker {

class Pace {
 public:
  // Bytes per second in the long run, on top of one longest pause for all.
  static constexpr std::uint64_t least_rate = 500;

  void begin(net::Clock::time_point now) {
    began_ = now;
    received_ = 0;
  }
  void add(std::uint64_t bytes) { received_ = std::min(received_ + bytes, most_counted); }
  // When the client will have been too slow, if nothing more comes until then.
  net::Clock::time_point deadline(net::Clock::time_point now, net::nanoseconds longest_pause) const {
    return std::min(now, began_ + net::nanoseconds(received_ * (1'000'000'000 / least_rate))) + longest_pause;
  }

 private:
  static constexpr std::uint64_t most_counted = std::uint64_t{1} << 40;  // it has earned decades

  net::Clock::time_point began_;
  std::uint64_t received_ = 0;
};

}  // namespace worker
