// environment::DedicatedEnvironment: as the shared environment, whose machinery it uses, with CPUs that no other
// instance of this root runs on and memory that nobody else is given (reservations.h). One-off commands and builds of
// the app run where those of shared apps do: they must not disturb it either.
#pragma once

#include "environment/dedicated/reservations.h"
#include "environment/environment.h"

namespace environment {

class DedicatedEnvironment final : public Environment {
 public:
  // Both outlive it. `shared` starts instances of Kind::dedicated with the same reservations.
  DedicatedEnvironment(Environment& shared, std::shared_ptr<Reservations> reservations, allocation::Hierarchy hierarchy,
                       std::string group_parent);

  base::Result<void> check(const Demand& demand) override;
  base::Result<Identity> prepare(const std::string& app) override { return shared_.prepare(app); }
  base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) override {
    return shared_.start(spec, launch);
  }
  base::Result<Adoption> stop(const std::string& id) override { return shared_.stop(id); }
  base::Result<void> destroy(const std::string& id) override { return shared_.destroy(id); }
  base::Result<void> forget(const std::string&) override { return {}; }  // nothing of its own
  base::Result<Inspection> inspect(const std::string& id) override { return shared_.inspect(id); }
  base::Result<std::vector<std::string>> instances() override { return shared_.instances(); }
  base::Result<RunResult> run_once(const RunSpec& spec) override { return shared_.run_once(spec); }
  base::Result<std::vector<std::string>> unadopted(const std::string& id) override { return shared_.unadopted(id); }
  base::Result<Kept> kept(const std::string& app) override { return shared_.kept(app); }
  Facts doctor() override;

 private:
  Fact cpus_fact(const Reservations::Summary& summary);

  Environment& shared_;
  std::shared_ptr<Reservations> reservations_;
  allocation::Hierarchy hierarchy_;
  std::string group_parent_;
};

}  // namespace environment
