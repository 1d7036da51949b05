// environment::Registry: the kinds of environment that this daemon has, behind the one interface. A call goes to the
// kind that its spec names, or to the kind of the instance (which its record on disk tells, so that a new daemon knows
// it too); what belongs to an app in every kind (its user, folders and data) is the shared environment's job.
//
// A new kind joins by `add`. Filled before it is used, then thread-safe as far as the environments are.
#pragma once

#include <map>

#include "environment/environment.h"

namespace environment {

class Images;

class Registry final : public Environment {
 public:
  // The shared environment is always there.
  Registry(Layout layout, std::unique_ptr<Environment> shared);
  void add(Kind kind, std::unique_ptr<Environment> environment);

  // Besides what the kind itself says: kinds that were not added are `unsupported`.
  base::Result<void> check(const Demand& demand) override;
  base::Result<Identity> prepare(const std::string& app) override;
  base::Result<std::string> furnish(const std::string& app, Kind kind, const Parts& parts) override;
  base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) override;
  base::Result<Adoption> stop(const std::string& id) override;
  base::Result<void> destroy(const std::string& id) override;
  // Each kind forgets what it made for the app, the shared environment last.
  base::Result<void> forget(const std::string& app) override;
  base::Result<Inspection> inspect(const std::string& id) override;
  base::Result<void> freeze(const std::string& id) override { return shared().freeze(id); }
  base::Result<void> thaw(const std::string& id) override { return shared().thaw(id); }
  base::Result<std::vector<std::string>> instances() override;
  base::Result<RunResult> run_once(const RunSpec& spec) override;
  base::Result<std::vector<std::string>> unadopted(const std::string& id) override;
  base::Result<Kept> kept(const std::string& app) override;
  // Of every kind; each fact says of which.
  Facts doctor() override;

 private:
  base::Result<Environment*> find(Kind kind) const;
  Environment& shared() const { return *kinds_.at(Kind::shared); }
  // An instance whose record is missing has nothing but its folder, which the shared environment removes.
  base::Result<Environment*> of_instance(const std::string& id) const;

  Layout layout_;
  std::map<Kind, std::unique_ptr<Environment>> kinds_;
};

// The kinds of this version: shared, dedicated, container and vm. `images` outlives it.
base::Result<std::unique_ptr<Registry>> make_registry(SharedOptions options, Images& images);

}  // namespace environment
