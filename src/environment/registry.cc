#include "environment/registry.h"

#include "environment/container/container.h"
#include "environment/dedicated/dedicated.h"
#include "environment/shared/record.h"
#include "environment/shared/shared.h"
#include "environment/vm/vm.h"

namespace environment {

base::Result<std::unique_ptr<Registry>> make_registry(SharedOptions options, Images& images) {
  auto layout = options.layout;
  auto program = options.instance_program;
  auto made = SharedEnvironment::make(std::move(options));
  if (!made) return std::unexpected(made.error());
  auto& shared = **made;
  auto registry = std::make_unique<Registry>(layout, std::move(*made));
  registry->add(Kind::dedicated, std::make_unique<DedicatedEnvironment>(shared, shared.reservations(),
                                                                        shared.hierarchy(), shared.group_parent()));
  auto surroundings = std::make_shared<ContainerSurroundings>(images, program);
  shared.surround(Kind::container, surroundings);
  registry->add(Kind::container, std::make_unique<ContainerEnvironment>(shared, images, surroundings, layout));
  auto machines = std::make_shared<MachineParts>(images, layout.machines(), program);
  shared.surround(Kind::vm, std::make_shared<VmSurroundings>(machines));
  registry->add(Kind::vm, std::make_unique<VmEnvironment>(shared, images, machines));
  (void)images.collect_bases();  // where none can be made there is none to collect
  return registry;
}

Registry::Registry(Layout layout, std::unique_ptr<Environment> shared) : layout_(std::move(layout)) {
  add(Kind::shared, std::move(shared));
}

void Registry::add(Kind kind, std::unique_ptr<Environment> environment) { kinds_[kind] = std::move(environment); }

base::Result<Environment*> Registry::find(Kind kind) const {
  if (auto found = kinds_.find(kind); found != kinds_.end()) return found->second.get();
  std::string names;
  for (const auto& [known, environment] : kinds_) names += (names.empty() ? "" : ", ") + std::string(to_string(known));
  return std::unexpected(base::Error(base::Kind::unsupported,
                                     fmt::format("the {} environment is not in this version of Serai", to_string(kind)),
                                     "choose among: " + names));
}

base::Result<Environment*> Registry::of_instance(const std::string& id) const {
  return find(recorded_kind(layout_, id).value_or(Kind::shared));
}

base::Result<void> Registry::check(const Demand& demand) {
  auto environment = find(demand.kind);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->check(demand);
}

base::Result<Identity> Registry::prepare(const std::string& app) { return shared().prepare(app); }

base::Result<std::string> Registry::furnish(const std::string& app, Kind kind, const Parts& parts) {
  auto environment = find(kind);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->furnish(app, kind, parts);
}

base::Result<Instance> Registry::start(const InstanceSpec& spec, Launch& launch) {
  auto environment = find(spec.kind);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->start(spec, launch);
}

base::Result<Adoption> Registry::stop(const std::string& id) {
  auto environment = of_instance(id);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->stop(id);
}

base::Result<void> Registry::destroy(const std::string& id) {
  auto environment = of_instance(id);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->destroy(id);
}

base::Result<void> Registry::forget(const std::string& app) {
  for (const auto& [kind, environment] : kinds_) {
    if (kind == Kind::shared) continue;
    if (auto forgotten = environment->forget(app); !forgotten) return forgotten;
  }
  return shared().forget(app);
}

base::Result<Inspection> Registry::inspect(const std::string& id) {
  auto environment = of_instance(id);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->inspect(id);
}

base::Result<std::vector<std::string>> Registry::instances() { return shared().instances(); }

base::Result<RunResult> Registry::run_once(const RunSpec& spec) {
  auto environment = find(spec.kind);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->run_once(spec);
}

base::Result<std::vector<std::string>> Registry::unadopted(const std::string& id) {
  auto environment = of_instance(id);
  if (!environment) return std::unexpected(environment.error());
  return (*environment)->unadopted(id);
}

base::Result<Kept> Registry::kept(const std::string& app) { return shared().kept(app); }

Facts Registry::doctor() {
  Facts all;
  for (const auto& [kind, environment] : kinds_) {
    for (auto& fact : environment->doctor()) {
      fact.kind = kind;
      all.push_back(std::move(fact));
    }
  }
  return all;
}

}  // namespace environment
