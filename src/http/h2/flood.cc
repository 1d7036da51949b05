#include "http/h2/flood.h"

#include <algorithm>

namespace http::h2 {

bool Flood::suspicious(std::uint32_t points) {
  const TimePoint now = clock_();
  const std::chrono::duration<double> passed = now - last_, whole = limits_.wear_off;
  points_ = std::max(0.0, points_ - passed / whole * limits_.points) + points;
  last_ = now;
  return points_ <= limits_.points;
}

bool Flood::ping() { return std::exchange(free_ping_, false) || suspicious(); }

void Flood::sent_data(bool dribble) {
  free_ping_ = true;
  if (!dribble) earn();
}

void Flood::earn() { allowance_ = std::min(allowance_ + limits_.earned, limits_.most_allowance); }

}  // namespace http::h2
