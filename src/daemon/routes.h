// control_plane::Routes: the edge's table, computed from the store: every app with a placement, its hosts and where it
// listens. Thread-safe.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "daemon/front.h"
#include "daemon/paths.h"
#include "daemon/release_details.h"
#include "daemon/store/store.h"
#include "environment/environment.h"

namespace control_plane {

// APP.localhost, [routes] hosts of the release, and the domains that were added; the last ones come first, since an
// app knows its real name best.
std::vector<std::string> hosts_of(const std::string& app, const app::Config& config,
                                  const std::vector<std::string>& domains);

class Routes {
 public:
  Routes(const Paths& paths, Store& store, environment::Environment& environment, Front& front)
      : paths_(paths), store_(store), environment_(environment), front_(front) {}

  // Computes the table and waits until the edge uses it.
  base::Result<void> apply();
  // Requests for the app wait at the edge, until `resume` (both take effect with the next `apply`).
  void hold(const std::string& app);
  void resume(const std::string& app);
  base::Result<std::vector<std::string>> hosts(const std::string& app, const app::Config& config);
  // "http://mysite.localhost:8080", one per host.
  base::Result<std::vector<std::string>> urls(const std::string& app, const app::Config& config);

 private:
  base::Result<nlohmann::json> entry(const Placement& placement);
  base::Result<void> add_upstream(nlohmann::json& entry, const Placement& placement, const app::WebProcess& web);

  const Paths& paths_;
  Store& store_;
  environment::Environment& environment_;
  Front& front_;
  std::mutex mutex_;  // one table at a time, the newest last
  std::set<std::string> held_;
  std::uint64_t generation_ = 0;
};

}  // namespace control_plane
