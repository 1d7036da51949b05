#include "edge/private_upstreams.h"

namespace edge {

std::unique_ptr<UpstreamConnection> PrivateUpstreams::take(const UpstreamPool& pool) {
  while (!idle_.empty()) {
    auto [its_pool, connection] = std::move(idle_.back());
    idle_.pop_back();
    if (its_pool.get() == &pool && !pool.is_retired() && connection->is_quiet()) return std::move(connection);
    context_.bury(std::move(connection));
  }
  return nullptr;
}

void PrivateUpstreams::keep(std::shared_ptr<UpstreamPool> pool, std::unique_ptr<UpstreamConnection> connection) {
  if (pool->is_retired() || !connection->is_reusable()) return context_.bury(std::move(connection));
  connection->rest(nullptr);
  idle_.push_back({std::move(pool), std::move(connection)});
}

void PrivateUpstreams::close_idle_since_before(net::Clock::time_point when) {
  std::erase_if(idle_, [&](Idle& idle) {
    if (idle.connection->idle_since() >= when) return false;
    context_.bury(std::move(idle.connection));
    return true;
  });
}

void PrivateUpstreams::close_all() {
  for (auto& idle : idle_) context_.bury(std::move(idle.connection));
  idle_.clear();
}

}  // namespace edge
