// control_plane::Routes: the edge's table, computed from the store: every app with a placement, its hosts and where it
// listens. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
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

  // Whether the app may have the hosts and paths that its release asks for: an error names the app that has them.
  base::Result<void> check(const std::string& app, const app::Config& config);
  // Computes the table and waits until the edge uses it. A host that two apps want is the first one's.
  base::Result<void> apply();
  // Requests for the app wait at the edge, until `resume` (both take effect with the next `apply`).
  void hold(const std::string& app);
  void resume(const std::string& app);
  base::Result<std::vector<std::string>> hosts(const std::string& app, const app::Config& config);
  // "http://mysite.localhost:8080", one per host.
  base::Result<std::vector<std::string>> urls(const std::string& app, const app::Config& config);

 private:
  struct Placed {
    Placement placement;
    std::filesystem::path code;
    app::Config config;
    std::vector<std::string> domains;
    std::optional<Split> split;
  };
  // Who serves which host and path: the first one that claims it.
  class Claims {
   public:
    void claim(const std::string& host, const std::vector<std::string>& paths, const std::string& app);
    // The app that has the host at one of these paths; empty: nobody.
    std::string owner(const std::string& host, const std::vector<std::string>& paths) const;

   private:
    static std::vector<std::string> places(const std::string& host, const std::vector<std::string>& paths);
    std::map<std::string, std::string> owners_;
  };
  base::Result<Placed> load(const Placement& placement);
  base::Result<std::vector<Placed>> load_all();
  static Claims claims_of(const std::vector<Placed>& all);
  base::Result<nlohmann::json> entry(const Placed& placed, const Claims& claims);
  void add_upstreams(nlohmann::json& entry, const Placed& placed);
  nlohmann::json place_of(const std::string& instance, const app::WebProcess& web);

  const Paths& paths_;
  Store& store_;
  environment::Environment& environment_;
  Front& front_;
  std::mutex mutex_;  // one table at a time, the newest last
  std::set<std::string> held_;
  std::uint64_t generation_ = 0;
};

}  // namespace control_plane
