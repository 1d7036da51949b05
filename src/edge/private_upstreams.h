// edge::PrivateUpstreams: idle connections towards an app's own server that carry a single client's requests only: such
// a server may keep state per connection, or trust it.
#pragma once

#include <memory>
#include <vector>

#include "edge/upstream_pool.h"

namespace edge {

class PrivateUpstreams {
 public:
  explicit PrivateUpstreams(Context& context) : context_(context) {}
  PrivateUpstreams(const PrivateUpstreams&) = delete;
  PrivateUpstreams& operator=(const PrivateUpstreams&) = delete;
  ~PrivateUpstreams() { close_all(); }

  // One that leads where the pool does and is still quiet; null when there is none. Others are closed.
  std::unique_ptr<UpstreamConnection> take(const UpstreamPool& pool);
  // Keeps it for the client's next request, if it can take one.
  void keep(std::shared_ptr<UpstreamPool> pool, std::unique_ptr<UpstreamConnection> connection);
  void close_idle_since_before(net::Clock::time_point when);
  void close_all();

 private:
  struct Idle {
    std::shared_ptr<UpstreamPool> pool;
    std::unique_ptr<UpstreamConnection> connection;
  };
  Context& context_;
  std::vector<Idle> idle_;  // oldest first; with HTTP/1 at most one
};

}  // namespace edge
