#include "edge/upstream_pool.h"

#include <algorithm>

namespace edge {

std::unique_ptr<UpstreamConnection> UpstreamPool::take() {
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    connection->wake();
    if (connection->is_quiet()) return connection;
    context_.bury(std::move(connection));
  }
  return nullptr;
}

void UpstreamPool::give_back(std::unique_ptr<UpstreamConnection> connection) {
  if (retired_ || !connection->is_reusable() || idle_.size() >= kMaxIdle) return context_.bury(std::move(connection));
  connection->rest(this);
  idle_.push_back(std::move(connection));
}

void UpstreamPool::retire() {
  retired_ = true;
  for (auto& connection : idle_) {
    connection->wake();
    context_.bury(std::move(connection));
  }
  idle_.clear();
}

void UpstreamPool::close_idle_since_before(net::Clock::time_point when) {
  auto first_kept =
      std::ranges::find_if(idle_, [&](const auto& connection) { return connection->idle_since() >= when; });
  for (auto place = idle_.begin(); place != first_kept; ++place) {
    (*place)->wake();
    context_.bury(std::move(*place));
  }
  idle_.erase(idle_.begin(), first_kept);
}

void UpstreamPool::drop(UpstreamConnection& connection) {
  auto place = std::ranges::find(idle_, &connection, &std::unique_ptr<UpstreamConnection>::get);
  if (place == idle_.end()) return;
  connection.wake();
  context_.bury(std::move(*place));
  idle_.erase(place);
}

}  // namespace edge
