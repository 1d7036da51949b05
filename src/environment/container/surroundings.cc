// What surrounds /app in a container.
#include <unistd.h>

#include "base/file.h"
#include "environment/container/bundle.h"
#include "environment/container/container.h"

namespace environment {

using instance::Mount;

namespace {

Mount writable(const std::filesystem::path& from, const std::string& to) {
  Mount mount{.kind = "bind", .to = to, .base = from.string()};
  mount.writable = true;
  return mount;
}

}  // namespace

ContainerSurroundings::ContainerSurroundings(Images& images, std::filesystem::path instance_program)
    : images_(images), instance_program_(std::move(instance_program)) {}

base::Result<void> ContainerSurroundings::furnish(instance::Plan& plan, const SystemView& view) {
  if (view.view != View::release) return HostSurroundings().furnish(plan, view);
  auto trial = trial_of(plan.app);
  auto runtime = trial ? trial : chosen();
  if (!runtime) return base::fail(base::Kind::internal, "start a container: no runtime was chosen");
  auto held = images_.hold();
  std::vector<std::string> layers = {(images_.folder() / "empty").string()};
  if (!trial) {
    auto system = images_.system_layers(plan.app, view.parts);
    if (!system) return std::unexpected(system.error());
    layers = images_.folders(*system);
  } else if (auto made = base::make_folders(layers.front()); !made) {
    return made;
  }
  auto own = view.tmp.parent_path();
  BundlePlaces places(own);
  plan.root = {.lower = layers, .upper = places.upper, .work = places.work};
  plan.runtime = runtime_call(*runtime, {.bundle = places.bundle, .state = places.state}, plan.id);
  plan.mounts = {{.kind = "bind", .to = "serai/instance", .base = instance_program_.string()},
                 writable(view.tmp, "tmp"),
                 writable(view.var_tmp, "var/tmp"),
                 writable(view.home, "home/app")};
  auto group = runtime->makes_groups ? cgroups_path(view.group, is_cgroup_unified()) : "";
  return write_bundle(places, plan, view, layers, group);
}

void ContainerSurroundings::clear(const std::string& group) { clear_groups(group); }

void ContainerSurroundings::begin_trial(const std::string& app, OciRuntime runtime) {
  std::lock_guard lock(mutex_);
  trials_[app] = std::move(runtime);
}

void ContainerSurroundings::end_trial(const std::string& app) {
  std::lock_guard lock(mutex_);
  trials_.erase(app);
}

void ContainerSurroundings::choose(OciRuntime runtime) {
  std::lock_guard lock(mutex_);
  chosen_ = std::move(runtime);
}

std::optional<OciRuntime> ContainerSurroundings::chosen() const {
  std::lock_guard lock(mutex_);
  return chosen_;
}

std::optional<OciRuntime> ContainerSurroundings::trial_of(const std::string& app) const {
  std::lock_guard lock(mutex_);
  auto found = trials_.find(app);
  return found == trials_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace environment
