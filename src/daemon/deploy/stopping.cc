// Deploys: stopping and destroying an app.
#include "base/log.h"
#include "daemon/collector.h"
#include "daemon/deploy/deploys.h"
#include "daemon/limit_hits.h"

namespace control_plane {

// Ends every instance of the app, adopting what was written.
Result<void> Deploys::remove_instances(const std::string& app) {
  auto instances = services_.store.instances();
  if (!instances) return std::unexpected(instances.error());
  for (const auto& instance : *instances) {
    if (instance.app != app) continue;
    record_hits(services_, app, instance.id);
    if (auto stopped = services_.environment.stop(instance.id); !stopped) {
      base::log(base::Level::warning, "instance.stop",
                {{"instance", instance.id}, {"error", stopped.error().describe()}},
                "an instance did not stop properly");
    }
    if (auto gone = services_.environment.destroy(instance.id); !gone) return gone;
    if (auto removed = services_.store.remove_instance(instance.id); !removed) return removed;
  }
  return {};
}

Result<void> Deploys::stop(const std::string& app) {
  auto claim = locks_.claim(app);
  if (!claim) return std::unexpected(claim.error());
  auto placement = placement_of(app);
  if (!placement) return std::unexpected(placement.error());
  // First that it is to be stopped, then the deed: a new daemon ends instances that nobody placed.
  placement->instance.clear();
  if (auto ended = services_.store.remove_split(app); !ended) return ended;
  if (auto set = services_.store.set_placement(*placement); !set) return set;
  if (auto applied = services_.routes.apply(); !applied) return applied;
  auto removed = remove_instances(app);
  on_change_();
  return removed;
}

Result<void> Deploys::destroy(const std::string& app) {
  auto claim = locks_.claim_alone(app);
  if (!claim) return std::unexpected(claim.error());
  auto found = services_.store.find_app(app);
  if (!found) return std::unexpected(found.error());
  if (!*found) return base::not_found("there is no app {}", app);
  if (auto begun = services_.store.begin_destroying(app); !begun) return begun;
  return finish_destroying(app);
}

// Also what a new daemon does with an app whose end was interrupted: each part is idempotent, the record goes last.
Result<void> Deploys::finish_destroying(const std::string& app) {
  if (auto placement = services_.store.find_placement(app); placement && *placement) {
    (*placement)->instance.clear();
    if (auto ended = services_.store.remove_split(app); !ended) return ended;
    if (auto set = services_.store.set_placement(**placement); !set) return set;
    if (auto applied = services_.routes.apply(); !applied) return applied;
  }
  if (auto removed = remove_instances(app); !removed) return removed;
  auto forgotten = forget_app(services_, app);
  on_change_();
  if (!forgotten) return forgotten;
  return services_.routes.apply();
}

}  // namespace control_plane
