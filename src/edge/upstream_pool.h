// edge::UpstreamPool: the idle connections towards one upstream of an app, latest used first.
#pragma once

#include <memory>
#include <vector>

#include "edge/upstream_connection.h"

namespace edge {

class UpstreamPool {
 public:
  UpstreamPool(Context& context, net::Endpoint endpoint, Pooling pooling, std::string instance)
      : context_(context), endpoint_(std::move(endpoint)), pooling_(pooling), instance_(std::move(instance)) {}
  ~UpstreamPool() { retire(); }

  const net::Endpoint& endpoint() const { return endpoint_; }
  Pooling pooling() const { return pooling_; }
  // Whether an app's new description means this very upstream.
  bool serves(const App& app) const;

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
  net::Endpoint endpoint_;
  Pooling pooling_;
  std::string instance_;
  std::vector<std::unique_ptr<UpstreamConnection>> idle_;  // oldest first
  bool retired_ = false;
};

}  // namespace edge
