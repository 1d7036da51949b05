// edge::UpstreamPool: the idle connections towards one upstream of an app, latest used first.
#pragma once

#include <memory>
#include <vector>

#include "edge/upstream_connection.h"

namespace edge {

class UpstreamPool {
 public:
  UpstreamPool(Context& context, Upstream upstream) : context_(context), upstream_(std::move(upstream)) {}
  ~UpstreamPool() { retire(); }

  const Upstream& upstream() const { return upstream_; }

  // An idle connection that is still quiet; null when there is none.
  std::unique_ptr<UpstreamConnection> take();
  // Keeps it for the next request, or closes it: not reusable, pool retired or full.
  void give_back(std::unique_ptr<UpstreamConnection> connection);
  // The routes moved on: idle connections are closed now, those in use when their answer is over.
  void retire();
  bool is_retired() const { return retired_; }
  void close_idle_since_before(net::Clock::time_point when);
  // An idle connection that the app closed.
  void drop(UpstreamConnection& connection);
  std::size_t idle() const { return idle_.size(); }

 private:
  static constexpr std::size_t kMaxIdle = 512;
  Context& context_;
  const Upstream upstream_;
  std::vector<std::unique_ptr<UpstreamConnection>> idle_;  // oldest first
  bool retired_ = false;
};

}  // namespace edge
