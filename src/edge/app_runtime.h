// edge::AppRuntime: what an app keeps from one route table to the next.
#pragma once

#include "edge/counters.h"
#include "edge/hold_queue.h"
#include "edge/upstream_pool.h"

namespace edge {

class AppRuntime {
 public:
  explicit AppRuntime(Context& context) : holds(context.loop), context_(context) {}
  ~AppRuntime() { retire_pool(); }

  // Follows the app's new description: an upstream that is gone or held drains, a new one gets a pool.
  void follow(const App& app) {
    if (pool_ && pool_->serves(app) && app.state == AppState::up) return;
    retire_pool();
    if (app.upstream) pool_ = std::make_shared<UpstreamPool>(context_, *app.upstream, app.pooling, app.instance);
  }
  // Null while the app has no upstream. Requests in flight keep the pool they began with.
  const std::shared_ptr<UpstreamPool>& pool() const { return pool_; }

  // Whether another line about the app's trouble may be written: one a second.
  bool may_log(net::Clock::time_point now) {
    if (now - logged_ < std::chrono::seconds(1)) return false;
    logged_ = now;
    return true;
  }

  AppCounters counters;
  HoldQueue holds;

 private:
  void retire_pool() {
    if (pool_) pool_->retire();
    pool_.reset();
  }

  Context& context_;
  std::shared_ptr<UpstreamPool> pool_;
  net::Clock::time_point logged_;
};

}  // namespace edge
