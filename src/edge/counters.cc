#include "edge/counters.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace edge {

void LatencyHistogram::record(std::chrono::nanoseconds took) {
  double ms = std::chrono::duration<double, std::milli>(took).count();
  counts_[static_cast<std::size_t>(std::ranges::lower_bound(kBoundsMs, ms) - kBoundsMs.begin())]++;
}

nlohmann::json LatencyHistogram::to_json() const { return {{"bounds", kBoundsMs}, {"counts", counts_}}; }

nlohmann::json AppCounters::to_json(std::uint64_t held_now) const {
  return {{"requests", requests},
          {"status", {{"2xx", by_class[2]}, {"3xx", by_class[3]}, {"4xx", by_class[4]}, {"5xx", by_class[5]}}},
          {"bytes_in", bytes_in},
          {"bytes_out", bytes_out},
          {"in_flight", in_flight},
          {"tunnels", tunnels},
          {"held", held_now},
          {"held_total", held_total},
          {"static", from_files},
          {"upstream_errors", upstream_errors},
          {"upstream_retries", upstream_retries},
          {"aborted", aborted},
          {"latency_ms", latency.to_json()}};
}

}  // namespace edge
