// edge::AppCounters: what the edge counted for one app since it started. Never reset; readers take differences.
//
//   {"requests": 12, "status": {"2xx": 10, "3xx": 0, "4xx": 1, "5xx": 1}, "bytes_in": …, "bytes_out": …, "in_flight":
//   2,
//    "tunnels": 0, "held": 0, "held_total": 3, "static": 4, "upstream_errors": 1, "upstream_retries": 0, "aborted": 0,
//    "latency_ms": {"bounds": [0.5, 1, …], "counts": [3, 4, …]}}        counts has one more entry: above the last bound
// An app with a split has "split": {"percent": 10, "second": {…}} beside them: what its second place answered.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace edge {

// From the end of a request's head to the last byte of its answer.
class LatencyHistogram {
 public:
  static constexpr auto kBoundsMs =
      std::to_array<double>({0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000});
  void record(std::chrono::nanoseconds took);
  nlohmann::json to_json() const;

 private:
  std::array<std::uint64_t, kBoundsMs.size() + 1> counts_{};
};

struct AppCounters {
  std::uint64_t requests = 0;                 // answered, or given up on
  std::array<std::uint64_t, 6> by_class{};    // index: status / 100
  std::uint64_t bytes_in = 0, bytes_out = 0;  // of bodies
  std::uint64_t in_flight = 0;                // now
  std::uint64_t tunnels = 0;                  // WebSockets that are open; each is a request in flight, too
  std::uint64_t held_total = 0;               // requests that had to wait for the app
  std::uint64_t from_files = 0;               // answered with a static file
  std::uint64_t upstream_errors = 0;          // attempts that failed: refused, broken, timed out, nonsense
  std::uint64_t upstream_retries = 0;         // of requests that no app had read
  std::uint64_t aborted = 0;                  // by the client before its answer was whole
  LatencyHistogram latency;

  nlohmann::json to_json(std::uint64_t held_now) const;
};

}  // namespace edge
