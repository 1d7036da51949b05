// The API's resources, one file each; each adds its routes to the router.
#pragma once

#include <atomic>
#include <functional>

#include "daemon/api/router.h"
#include "daemon/deploy/deploys.h"
#include "daemon/services.h"
#include "daemon/trial/trials.h"

namespace control_plane::api {

struct Resources {
  Services& services;
  Deploys& deploys;
  Trials& trials;
  std::function<void(bool everything)> stop_host;
  std::atomic<bool> stopping = false;  // streams end
};

// Routes keep a reference to `resources`.
void add_apps(Router& router, Resources& resources);
void add_deploys(Router& router, Resources& resources);
void add_domains(Router& router, Resources& resources);
void add_env(Router& router, Resources& resources);
void add_host(Router& router, Resources& resources);
void add_image(Router& router, Resources& resources);
void add_logs(Router& router, Resources& resources);
void add_run(Router& router, Resources& resources);
void add_trials(Router& router, Resources& resources);
void add_uploads(Router& router, Resources& resources);
void add_all(Router& router, Resources& resources);

// The app's placement, or not_found with advice.
Result<Placement> find_placement(Resources& resources, const std::string& app);
// What a release runs.
Result<ReleaseDetails> find_details(Resources& resources, const Placement& placement);

}  // namespace control_plane::api
