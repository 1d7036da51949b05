#include "daemon/api/resources.h"

namespace control_plane::api {

void add_all(Router& router, Resources& resources) {
  for (auto add :
       {add_apps, add_deploys, add_domains, add_env, add_host, add_image, add_logs, add_run, add_trials, add_uploads})
    add(router, resources);
}

Result<Placement> find_placement(Resources& resources, const std::string& app) {
  auto placement = resources.services.store.find_placement(app);
  if (!placement) return std::unexpected(placement.error());
  if (*placement) return **placement;
  return std::unexpected(
      base::Error(base::Kind::not_found, fmt::format("there is no app {}", app), "see `serai apps`"));
}

Result<ReleaseDetails> find_details(Resources& resources, const Placement& placement) {
  auto release = resources.services.store.find_release(placement.app, placement.release);
  if (!release) return std::unexpected(release.error());
  if (!*release) return base::not_found("{} has no release r{}", placement.app, placement.release);
  return ReleaseDetails::from_text((*release)->config);
}

}  // namespace control_plane::api
