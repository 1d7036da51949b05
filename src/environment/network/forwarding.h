// environment::Forwarding: the host passes packets on between instances' networks and the outside. Where it does so
// already (net.ipv4.ip_forward), nothing is done. Where it does not, it is switched on for those interfaces alone that
// lead somewhere, and a rule sees to it that they pass on nothing but instances' packets: the host becomes nobody's
// router. Once no root of this host needs it any more it is switched off again.
//
// Roots know nothing of each other: who needs it, and for which interfaces it was switched on, stands in one file under
// a lock, in a folder that does not outlive a boot, as the settings do not. A root that was deleted while it ran is
// still counted: then forwarding stays on until the next boot, closed to strangers as before.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace environment {

class Forwarding {
 public:
  // `user`: the root's name (Identities::host_name).
  explicit Forwarding(std::string user, std::filesystem::path folder = "/run/serai");

  // From now on this root needs it. Also looks whether there are interfaces that were not there the last time; cheap
  // when there are none.
  base::Result<void> need();
  // This root does not need it any more.
  base::Result<void> release();

 private:
  struct State {
    std::vector<std::string> users, interfaces;
  };
  base::Result<State> read() const;
  base::Result<void> write(const State& state) const;
  // Under the lock.
  base::Result<void> switch_on(const std::vector<std::string>& interfaces);

  std::string user_;
  std::filesystem::path folder_;
};

// The interfaces that IPv4 routes of this host lead to, but for instances' own.
std::vector<std::string> uplinks();

}  // namespace environment
