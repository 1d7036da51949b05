// Instances that stand still: environment::Environment::freeze and thaw.
#include "environment/shared/shared.h"

namespace environment {

base::Result<void> Environment::freeze(const std::string& id) {
  return base::fail(base::Kind::unsupported, "pause instance {}: this kind of environment cannot", id);
}

base::Result<void> Environment::thaw(const std::string& id) {
  return base::fail(base::Kind::unsupported, "continue instance {}: this kind of environment cannot", id);
}

base::Result<void> SharedEnvironment::freeze(const std::string& id) {
  auto record = Record::read(layout_, id);
  if (!record) return std::unexpected(record.error());
  if (auto frozen = allocation::Group::restore(record->group).freeze(); !frozen)
    return base::wrap(frozen.error(), fmt::format("pause instance {}", id));
  reservations_->lend(id);
  return {};
}

base::Result<void> SharedEnvironment::thaw(const std::string& id) {
  auto record = Record::read(layout_, id);
  if (!record) return std::unexpected(record.error());
  if (auto taken = reservations_->take_back(id); !taken) return taken;
  auto thawed = allocation::Group::restore(record->group).thaw();
  if (!thawed) return base::wrap(thawed.error(), fmt::format("continue instance {}", id));
  return {};
}

}  // namespace environment
