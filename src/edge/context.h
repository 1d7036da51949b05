// edge::Context: what all parts of one edge share, on its one thread.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "edge/forward_headers.h"
#include "edge/options.h"
#include "edge/request_id.h"
#include "edge/route_table.h"
#include "http/h2/server_codec.h"
#include "net/loop.h"

namespace http {
class AccessLog;
}
namespace tls {
class Context;
}

namespace edge {

// Something that may be dropped while its own code runs.
class Mortal {
 public:
  virtual ~Mortal() = default;
};

class Context final : net::Deferred {
 public:
  Context(net::Loop& its_loop, const Options& its_options);

  // Destroys it at the end of the turn, when none of its functions runs any more.
  void bury(std::unique_ptr<Mortal> mortal);
  // For the end of everything, outside a turn.
  void bury_now();

  net::Loop& loop;
  const Options& options;
  const http::h2::Options http2;
  std::shared_ptr<const RouteTable> table = std::make_shared<RouteTable>();
  http::AccessLog* access_log = nullptr;  // set before the first connection
  std::shared_ptr<tls::Context> tls;      // set before the first secure connection
  RequestIds request_ids;
  ForwardHeaders forward_headers;
  std::size_t most_requests_per_app = SIZE_MAX;
  bool draining = false;  // each answer is its connection's last
  net::Clock::time_point draining_since;

  // One read at a time goes here; what is left over is copied by the reader. Two, since a client's request may be
  // looked at while an app's answer is.
  std::array<char, 64 << 10> client_bytes, upstream_bytes;

 private:
  void at_end_of_turn() override;
  std::vector<std::unique_ptr<Mortal>> graveyard_;
};

}  // namespace edge
