// Deploys: what a new daemon does with what the one before left unfinished.
//
//   journal says             what is done
//   running, not switched    undone: the new instance, its release and its upload go; the old instance serves on
//   running, switched        finished: routes are pushed, the old instance is drained and removed
//   instance not placed      ended and removed (half-started, draining, or stopped by the user)
//   placed instance is gone  the watcher starts a new one of the same release
//   app is being destroyed   it is destroyed
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "daemon/collector.h"
#include "daemon/deploy/deploys.h"
#include "daemon/deploy/mover.h"
#include "daemon/deploy/undo.h"

namespace control_plane {

void Deploys::recover() {
  auto interrupted = services_.store.running_deploys();
  if (!interrupted) return;
  for (auto& record : *interrupted) recover_deploy(std::move(record));
  recover_destroyed_apps();
  recover_instances();
  sweep(services_);
  auto open = services_.store.running_deploys();
  auto is_open = [&](const std::string& app) {
    return !open || std::ranges::any_of(*open, [&](const Deploy& deploy) { return deploy.app == app; });
  };
  if (auto apps = services_.store.apps()) {
    for (const auto& app : *apps) {
      auto placement = services_.store.find_placement(app.name);
      // An app that never got a release, left by a deploy that could not be undone then.
      bool never_was = placement && !*placement && !is_open(app.name);
      if (never_was)
        (void)forget_app(services_, app.name);
      else
        (void)collect(services_, app.name);
    }
  }
}

void Deploys::recover_deploy(Deploy record) {
  base::log(base::Level::warning, "deploy.recover", {{"deploy", record.id}, {"app", record.app}, {"step", record.step}},
            record.switched ? "an interrupted deploy is finished" : "an interrupted deploy is undone");
  Journal journal(services_, record);
  if (record.switched) {
    (void)Mover(services_, journal).finish();
    return;
  }
  auto undone = undo(services_, record);
  if (!undone) {
    base::log(base::Level::error, "deploy.undo", {{"deploy", record.id}, {"error", undone.error().describe()}},
              "an interrupted deploy could not be undone; the next start tries again");
    return;
  }
  journal.fail(base::Error(base::Kind::unavailable, fmt::format("the daemon ended during the step {}", record.step),
                           "nothing was changed; run it again"),
               still_serving(record));
}

void Deploys::recover_destroyed_apps() {
  auto apps = services_.store.apps();
  if (!apps) return;
  for (const auto& app : *apps) {
    if (!app.destroying) continue;
    base::log(base::Level::warning, "app.destroy", {{"app", app.name}}, "an interrupted destroy is finished");
    if (auto done = finish_destroying(app.name); !done) {
      base::log(base::Level::error, "app.destroy", {{"app", app.name}, {"error", done.error().describe()}},
                "the next start tries again");
    }
  }
}

void Deploys::recover_instances() {
  std::set<std::string> placed;
  if (auto placements = services_.store.placements()) {
    for (const auto& placement : *placements) placed.insert(placement.instance);
  } else {
    return;
  }
  auto splits = services_.store.splits();
  if (!splits) return;
  for (const auto& split : *splits) placed.insert(split.instance);
  auto known = services_.store.instances();
  auto present = services_.environment.instances();
  std::set<std::string> unplaced;
  if (known) {
    for (const auto& instance : *known)
      if (!placed.contains(instance.id)) unplaced.insert(instance.id);
  }
  if (present) {
    for (const auto& id : *present)
      if (!placed.contains(id)) unplaced.insert(id);
  }
  for (const auto& id : unplaced) {
    (void)services_.environment.stop(id);
    if (auto gone = services_.environment.destroy(id); gone) (void)services_.store.remove_instance(id);
  }
}

}  // namespace control_plane
