// control_plane::Front: the door that apps stand behind, as deploys see it. EdgeKeeper is the real one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace control_plane {

// Answered for the app so far.
struct Traffic {
  std::uint64_t requests = 0, failed = 0;         // failed: 502, 503, 504 of the edge's own making
  std::uint64_t by_second = 0, second_wrong = 0;  // by the second place of a split; 5xx of these
};

// Thread-safe; calls block.
class Front {
 public:
  virtual ~Front() = default;
  // Replaces the whole table (edge/route_parser.h); returns once the edge uses it.
  virtual base::Result<void> apply(const nlohmann::json& routes) = 0;
  virtual base::Result<Traffic> traffic(const std::string& app) = 0;
  // Where the edge listens: "127.0.0.1:8080".
  virtual std::vector<std::string> addresses() const = 0;
};

}  // namespace control_plane
