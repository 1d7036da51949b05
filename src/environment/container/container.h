// environment::ContainerEnvironment: each instance in a container of its own, on the layers of its app's OCI image,
// started by crun or runc after a configuration that we write. Users, data, limits, sockets and supervisors are those
// of the shared environment, whose machinery it uses.
//
//   daemon ─► supervisor (serai-instance, in a mount namespace of its own)
//               │ puts the root together: layers, /app with its data, /tmp, /home/app; read-only but for those
//               └► crun or runc ─► serai-instance init (pid 1: rights given up, system calls filtered) ─► processes
//
// Builds run in the shared environment's view: base and host have the same interpreter and C library (check_fit).
#pragma once

#include <mutex>

#include "environment/container/images.h"
#include "environment/container/runtime.h"
#include "environment/environment.h"
#include "environment/shared/surroundings.h"

namespace environment {

class ContainerSurroundings final : public Surroundings {
 public:
  // `images` outlives it.
  ContainerSurroundings(Images& images, std::filesystem::path instance_program);

  base::Result<void> furnish(instance::Plan& plan, const SystemView& view) override;
  void clear(const std::string& group) override;

  // From now on instances of this app have an empty image and this runtime; for trying it out.
  void begin_trial(const std::string& app, OciRuntime runtime);
  void end_trial(const std::string& app);
  void choose(OciRuntime runtime);
  std::optional<OciRuntime> chosen() const;

 private:
  std::optional<OciRuntime> trial_of(const std::string& app) const;

  Images& images_;
  std::filesystem::path instance_program_;
  mutable std::mutex mutex_;
  std::map<std::string, OciRuntime> trials_;
  std::optional<OciRuntime> chosen_;
};

class ContainerEnvironment final : public Environment {
 public:
  // All outlive it, and `images` is not asked to collect when it is gone. `shared` starts instances of Kind::container
  // with these surroundings.
  ContainerEnvironment(Environment& shared, Images& images, std::shared_ptr<ContainerSurroundings> surroundings,
                       Layout layout);

  base::Result<void> check(const Demand& demand) override;
  base::Result<Identity> prepare(const std::string& app) override { return shared_.prepare(app); }
  base::Result<std::string> furnish(const std::string& app, Kind kind, const Parts& parts) override;
  base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) override;
  base::Result<Adoption> stop(const std::string& id) override { return shared_.stop(id); }
  base::Result<void> destroy(const std::string& id) override { return shared_.destroy(id); }
  // The app's layers and images.
  base::Result<void> forget(const std::string& app) override { return images_.forget(app); }
  base::Result<Inspection> inspect(const std::string& id) override { return shared_.inspect(id); }
  base::Result<std::vector<std::string>> instances() override { return shared_.instances(); }
  base::Result<RunResult> run_once(const RunSpec& spec) override;
  base::Result<std::vector<std::string>> unadopted(const std::string& id) override { return shared_.unadopted(id); }
  base::Result<Kept> kept(const std::string& app) override { return shared_.kept(app); }
  Facts doctor() override;

 private:
  // The runtime that works here: remembered, or found by starting a container with each.
  base::Result<OciRuntime> runtime();
  base::Result<void> try_out(const OciRuntime& runtime);
  std::set<std::string> layers_in_use();
  std::filesystem::path runtime_file() const { return images_.folder() / "runtime.json"; }

  Environment& shared_;
  Images& images_;
  std::shared_ptr<ContainerSurroundings> surroundings_;
  Layout layout_;
  std::mutex choosing_;
};

}  // namespace environment
