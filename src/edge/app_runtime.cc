#include "edge/app_runtime.h"

#include <nlohmann/json.hpp>

namespace edge {
namespace {

void retire(std::shared_ptr<UpstreamPool>& pool) {
  if (pool) pool->retire();
  pool.reset();
}

void follow_upstream(std::shared_ptr<UpstreamPool>& pool, Context& context, const Upstream* upstream, bool is_up) {
  if (pool && upstream && is_up && pool->upstream() == *upstream) return;
  retire(pool);
  if (upstream) pool = std::make_shared<UpstreamPool>(context, *upstream);
}

}  // namespace

AppRuntime::~AppRuntime() {
  retire(pool_);
  retire(second_);
}

void AppRuntime::follow(const App& app) {
  // A place that becomes the first, or the second, takes its connections along.
  if (second_ && app.upstream && second_->upstream() == *app.upstream) std::swap(pool_, second_);
  const bool is_up = app.state == AppState::up;
  follow_upstream(pool_, context_, app.upstream ? &*app.upstream : nullptr, is_up);
  follow_upstream(second_, context_, app.split ? &app.split->upstream : nullptr, is_up);
  percent_ = app.split ? app.split->percent : 0;
  if (!app.split) second_counters = {};
}

const std::shared_ptr<UpstreamPool>& AppRuntime::next_pool() {
  if (!second_) return pool_;
  owed_ += percent_;
  if (owed_ < 100) return pool_;
  owed_ -= 100;
  return second_;
}

void AppRuntime::close_idle_since_before(net::Clock::time_point when) {
  for (const auto& pool : {pool_, second_})
    if (pool) pool->close_idle_since_before(when);
}

nlohmann::json AppRuntime::counters_to_json() const {
  auto all = counters.to_json(holds.size());
  if (second_) all["split"] = {{"percent", percent_}, {"second", second_counters.to_json(0)}};
  return all;
}

}  // namespace edge
