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
  // `listeners`: of each service, as Network made them. All on the loop's thread; from a process in the host's network.
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
