#include "daemon/deploy/undo.h"

#include "daemon/collector.h"

namespace control_plane {
namespace {

Result<void> remove_instance(Services& services, const std::string& id) {
  if (id.empty()) return {};
  if (auto gone = services.environment.destroy(id); !gone) return gone;
  return services.store.remove_instance(id);
}

bool makes_release(DeployKind kind) { return kind == DeployKind::deploy || kind == DeployKind::env; }

// An app that never had a release was made by this deploy.
Result<void> remove_app_without_release(Services& services, const std::string& app) {
  auto placement = services.store.find_placement(app);
  if (!placement) return std::unexpected(placement.error());
  if (*placement) return {};
  return forget_app(services, app);
}

}  // namespace

Result<void> undo(Services& services, const Deploy& record) {
  if (auto removed = remove_instance(services, record.instance); !removed) return removed;
  if (makes_release(record.kind) && record.release != 0) {
    if (auto removed = services.store.remove_release(record.app, record.release); !removed) return removed;
  }
  if (!record.upload.empty()) {
    if (auto removed = services.trash.take(services.paths.upload(record.upload)); !removed) return removed;
  }
  if (auto removed = remove_app_without_release(services, record.app); !removed) return removed;
  return collect(services, record.app);
}

}  // namespace control_plane
