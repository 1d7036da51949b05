// GET /v1/apps/{app}/env: the names of the app's variables, never their values.
#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"

namespace control_plane::api {

void add_env(Router& router, Resources& resources) {
  router.add("GET", "/v1/apps/{app}/env", [&](Exchange&, const Parameters& at) -> Result<json> {
    auto placement = find_placement(resources, at.find("app")->second);
    if (!placement) return std::unexpected(placement.error());
    auto release = resources.services.store.find_release(placement->app, placement->release);
    if (!release) return std::unexpected(release.error());
    auto names = resources.services.store.env_names(placement->app, *release ? (*release)->env_version : 0);
    if (!names) return std::unexpected(names.error());
    return json{{"app", placement->app}, {"names", *names}};
  });
}

}  // namespace control_plane::api
