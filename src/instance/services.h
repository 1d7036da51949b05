// instance::Services: what the app sends to a named service's address on its own loopback goes to the same address on
// the host's, and the answers come back: TCP connections and, for name servers, UDP datagrams. The supervisor carries
// the bytes, so to the service it is a process of the host on loopback that connects.
#pragma once

#include <memory>
#include <vector>

#include "instance/plan.h"
#include "net/loop.h"

namespace instance {

class Services {
 public:
  // In the calling thread's network: one for each service, in their order; not open where one of localhost's two
  // addresses is missing, as on a host without IPv6.
  static base::Result<std::vector<base::Fd>> listen(const std::vector<Service>& services);
  // `listeners`: as above. All on the loop's thread; from a process in whose network the services are reached.
  static base::Result<std::unique_ptr<Services>> open(net::Loop& loop, const std::vector<Service>& services,
                                                      std::vector<base::Fd> listeners);
  ~Services();

  // At a time, of one instance; more are closed at once (datagrams: not passed on).
  static constexpr std::size_t kMostConnections = 256, kMostQuestions = 256;

 private:
  class Streams;
  class Datagrams;
  Services();

  std::size_t connections_ = 0;
  std::vector<std::unique_ptr<Streams>> streams_;
  std::vector<std::unique_ptr<Datagrams>> datagrams_;
};

}  // namespace instance
