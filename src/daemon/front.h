// control_plane::Front: the door that apps stand behind, as deploys see it. EdgeKeeper is the real one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace control_plane {

struct Traffic {
  std::uint64_t requests = 0,
                failed = 0;  // answered for the app so far; of them 502, 503, 504 of the edge's own making
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
