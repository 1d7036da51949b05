#include "daemon/limit_hits.h"

#include <algorithm>

namespace control_plane {

constexpr int kCompared = 100;

void record_hits(Services& services, const std::string& app, const std::string& instance,
                 allocation::LimitHits& known) {
  auto found = services.environment.inspect(instance);
  if (!found) return;
  const auto& hits = found->hits;
  auto told = services.store.events(app, kCompared).value_or(std::vector<AppEvent>{});
  auto tell = [&](const char* kind, std::uint64_t before, std::uint64_t count, const std::string& what) {
    if (count <= before) return;
    auto text = fmt::format("{} ({}× in {})", what, count, instance);
    if (std::ranges::find(told, text, &AppEvent::text) != told.end()) return;  // by another part, or an earlier daemon
    (void)services.store.add_event({app, kind, text, now()});
  };
  tell(kProcessesHit, known.processes_refused, hits.processes_refused, "a new process or thread was refused");
  tell(kCpuHit, known.cpu_throttled, hits.cpu_throttled, "it had to wait for CPU");
  tell(kMemoryHit, known.memory_reached, hits.memory_reached, "memory was at its limit");
  known = hits;
}

}  // namespace control_plane
