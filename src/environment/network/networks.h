// environment::Networks: what instances of one root may reach from networks of their own (instance/network.h), and who
// reaches them. One set of chains per root, in the nftables table of that root (shared/firewall.h), which goes as a
// whole. Rules tell instances by the group of their interface, so that none is written when one starts.
//
//   out        anywhere by IPv4, masqueraded as the host's; not: addresses at which clouds give out credentials,
//              other instances, the host's own addresses but for name servers (port 53)
//   in         the edge and root alone, to the port of the app's own server; what the edge sends to an instance that is
//              gone is refused, instead of leaving the host
//   at a time  kMostFlows connections of an instance
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "environment/network/forwarding.h"

namespace environment {

class Networks {
 public:
  struct Root {
    std::string table;        // Identities::host_name
    std::uint32_t group = 0;  // Identities::number
    std::uint32_t edge = 0;   // its uid
    bool is_root = false;
  };
  explicit Networks(Root root) : root_(std::move(root)), forwarding_(root_.table) {}

  static constexpr int kMostFlows = 4096;

  // From now on instances can have networks of their own, until `lower`. The first time it is tried out whether a
  // packet gets from one to the outside and back, since other firewalls of the host may be in the way. An error says
  // why this host cannot; it is remembered.
  base::Result<void> raise();
  // Tries it out again.
  base::Result<void> try_out();
  // Nobody has one any more; the table is gone already.
  void lower();

  std::uint32_t group() const { return root_.group; }
  // Of the instance `id`, none of whose processes runs any more, if there still is one: the kernel takes it away
  // together with the namespace, but only when it gets to it.
  void remove_interface(const std::string& id) const;

 private:
  base::Result<void> write_rules() const;

  Root root_;
  Forwarding forwarding_;
  std::optional<base::Result<void>> tried_;
  bool raised_ = false;
};

}  // namespace environment
