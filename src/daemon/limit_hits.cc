#include "daemon/limit_hits.h"

namespace control_plane {

void record_hits(Services& services, const std::string& app, const std::string& instance,
                 allocation::LimitHits& known) {
  auto found = services.environment.inspect(instance);
  if (!found) return;
  const auto& hits = found->hits;
  auto tell = [&](const char* kind, std::uint64_t before, std::uint64_t count, const std::string& what) {
    if (count <= before) return;
    (void)services.store.add_event({app, kind, fmt::format("{} ({} times in {})", what, count, instance), now()});
  };
  tell(kProcessesHit, known.processes_refused, hits.processes_refused, "a new process or thread was refused");
  tell(kCpuHit, known.cpu_throttled, hits.cpu_throttled, "it had to wait for CPU");
  tell(kMemoryHit, known.memory_reached, hits.memory_reached, "memory was at its limit");
  known = hits;
}

}  // namespace control_plane
