// instance::Network: a network namespace for one instance, joined to the host's by a pair of interfaces.
//
//   host's namespace                                  the instance's
//   serai-1a2f  198.18.52.94/31 ───────────────────── eth0  198.18.52.95/31, default route
//                                                     lo    127.0.0.1, ::1: its own
//
// The interface's name and the two addresses follow from one number, which is free when the name is: so that instances
// of all roots of a host, which know nothing of each other, never share one. Outwards it is IPv4 alone. What may pass
// is the environment's to say (environment/network/): by itself a host passes nothing on.
//
// Nothing has to be removed: the namespace goes with the last process in it, and the pair goes with the namespace. But
// the kernel takes its time for that: who must not leave anything removes the interface, which tells whose it is.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "instance/plan.h"

namespace instance {

// All instances' interfaces on the host begin with it; other interfaces do not.
constexpr const char* kInterfacePrefix = "serai-";
// Where the addresses come from: RFC 2544's range for benchmarks, which is routed nowhere.
constexpr std::uint32_t kFirstAddress = 198U << 24 | 18U << 16;
constexpr int kAddressPrefix = 15;
// Numbers are below it; those from it to 0xffff are for whoever tries networks out.
constexpr unsigned kNetworks = 0xff00;

std::string dotted(std::uint32_t address);

// The calling thread is in the network namespace `space` while this object lives.
class Visit {
 public:
  static base::Result<Visit> to(const base::Fd& space);
  Visit(Visit&&) = default;
  // Ends the process if there is no way back.
  ~Visit();

 private:
  explicit Visit(base::Fd home) : home_(std::move(home)) {}
  base::Fd home_;
};

class Network {
 public:
  // The host's: nothing is made, `enter` does nothing.
  Network() = default;
  // A new one as the plan says. Needs root.
  static base::Result<Network> make(const NetworkPlan& plan);
  // One whose interface has another name, as if it led out of this host: to try out what gets there.
  static base::Result<Network> make_outside();

  bool is_own() const { return space_.is_open(); }
  const base::Fd& space() const { return space_; }
  // Of the calling thread, for good; async-signal-safe, for a child between fork and exec.
  bool enter() const;
  unsigned interface_index() const { return index_; }     // on the host
  const std::string& interface() const { return name_; }  // its name
  const std::string& address() const { return address_; }
  // The sockets that wait for connections to the plan's services, in its order; empty where one could not be made.
  std::vector<base::Fd> take_listeners() { return std::move(listeners_); }

 private:
  struct Names {
    std::string prefix;
    unsigned first = 0, count = 0;
  };
  static base::Result<Network> make(const NetworkPlan& plan, const Names& names);
  base::Result<void> join(const NetworkPlan& plan, const Names& names);
  base::Result<void> furnish(const NetworkPlan& plan, std::uint32_t host, std::uint32_t own);

  base::Fd space_;
  unsigned index_ = 0;
  std::string name_, address_;
  std::vector<base::Fd> listeners_;
};

}  // namespace instance
