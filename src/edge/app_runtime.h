// edge::AppRuntime: what an app keeps from one route table to the next.
#pragma once

#include "edge/counters.h"
#include "edge/hold_queue.h"
#include "edge/upstream_pool.h"

namespace edge {

class AppRuntime {
 public:
  explicit AppRuntime(Context& context) : holds(context.loop), context_(context) {}
  ~AppRuntime();

  // Follows the app's new description: an upstream that is gone or held drains, a new one gets a pool.
  void follow(const App& app);
  // The next request's: of a hundred in a row, as many go to the second place as its share says. Null while the app
  // has no upstream. Requests in flight keep the pool they began with.
  const std::shared_ptr<UpstreamPool>& next_pool();
  bool is_second(const UpstreamPool* pool) const { return pool && pool == second_.get(); }
  void close_idle_since_before(net::Clock::time_point when);
  nlohmann::json counters_to_json() const;

  // Whether another line about the app's trouble may be written: one a second.
  bool may_log(net::Clock::time_point now) {
    if (now - logged_ < std::chrono::seconds(1)) return false;
    logged_ = now;
    return true;
  }

  AppCounters counters;
  AppCounters second_counters;  // the part of `counters` that a split's second place answered
  HoldQueue holds;

 private:
  Context& context_;
  std::shared_ptr<UpstreamPool> pool_, second_;
  unsigned percent_ = 0, owed_ = 0;  // the second place's share; hundredths of a request that are due to it
  net::Clock::time_point logged_;
};

}  // namespace edge
