// http::h2::Flood: what a peer may make us do for nothing (rapid reset CVE-2023-44487, "made you reset" CVE-2025-8671,
// CONTINUATION flood CVE-2024-28182, and the floods of CVE-2019-9511 to 9518), counted per connection.
//
// Suspicious frames cost points, which wear off with time. Frames that are cheap alone are paid from an allowance that
// useful work earns. When either is used up, the connection ends with ENHANCE_YOUR_CALM.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace http::h2 {

struct FloodLimits {
  // One point each: a stream reset by the peer before its answer was whole, or by us for the peer's fault; a stream
  // beyond the limit; SETTINGS but the first; PING but one per DATA frame sent; DATA without content or end; a
  // CONTINUATION of less than 1 KiB that is not the last. Ten: a head beyond its limits.
  std::uint32_t points = 100;
  std::chrono::seconds wear_off{10};  // until `points` are forgotten
  // One unit each: WINDOW_UPDATE, PRIORITY, PRIORITY_UPDATE, GOAWAY and resets of streams that are over. Each stream
  // opened and each DATA frame sent earns some, but not those DATA frames that a tiny window made tiny.
  std::uint32_t allowance = 1000;  // at the beginning
  std::uint32_t most_allowance = 10000;
  std::uint32_t earned = 10;
  std::uint32_t continuations = 8;  // after one HEADERS frame
  std::uint32_t settings = 32;      // entries of one SETTINGS frame
  std::uint32_t unsent_acks = 100;  // acknowledgements that the peer does not read
};

class Flood {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Clock = TimePoint (*)();

  Flood(const FloodLimits& limits, Clock clock) : limits_(limits), clock_(clock), allowance_(limits.allowance) {}

  // Each returns false once it is too much.
  bool suspicious(std::uint32_t points = 1);
  bool cheap_frame() { return allowance_ > 0 && allowance_-- > 0; }
  bool ping();

  void opened_stream() { earn(); }
  // `dribble`: there was more to send, but the window allowed only a few bytes.
  void sent_data(bool dribble);

 private:
  void earn();

  const FloodLimits& limits_;
  Clock clock_;
  double points_ = 0;
  TimePoint last_{};
  std::uint32_t allowance_;
  bool free_ping_ = false;
};

}  // namespace http::h2
