// environment::Surroundings: what surrounds /app in the instances of one kind: the system they see, and who makes their
// namespaces. The rest (users, data, groups, sockets, supervisors) is the same in every kind that runs on this kernel,
// and SharedEnvironment's job. Thread-safe.
#pragma once

#include "environment/shared/view.h"
#include "instance/plan.h"

namespace environment {

class Surroundings {
 public:
  virtual ~Surroundings() = default;
  // Adds the system to a plan that names the app, the instance, the users and the groups. Its mounts come before those
  // of /app.
  virtual base::Result<void> furnish(instance::Plan& plan, const SystemView& view) = 0;
  // Removes what is left of an instance outside its folder, once it has ended and its control group `group`
  // ("serai-70000/shop-1") is removed.
  virtual void clear(const std::string& /*group*/) {}
};

// The host's own system, read-only; serai-instance makes the namespaces.
class HostSurroundings final : public Surroundings {
 public:
  base::Result<void> furnish(instance::Plan& plan, const SystemView& view) override {
    plan.mounts = system_mounts(view);
    return {};
  }
};

}  // namespace environment
