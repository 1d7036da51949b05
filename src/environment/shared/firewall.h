// environment::Firewall: closes the loopback ports of programs that bring their own server to everybody but the edge,
// the app itself and root, and sees to it that only the app can answer on its port. Closes the addresses at which
// clouds give a machine its credentials to all apps.
//
// One nftables table per root, in the host's network namespace, by `nft` with an argument vector and its rules on
// standard input. Chosen over a private network namespace with a relay because the app keeps its ordinary network, and
// over Landlock or a cgroup program because it holds for every user of the host, not just for our instances.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "environment/identity.h"

namespace environment {

class Firewall {
 public:
  // `table` is the root's Identities::host_name.
  Firewall(std::string table, uid_t edge) : table_(std::move(table)), edge_(edge) {}

  // For these users; resolvers at such addresses (port 53) stay open.
  base::Result<void> close_metadata(UidRange apps) const;
  // Kind::unsupported where nft or the kernel's nftables is missing.
  base::Result<void> guard(std::uint16_t port, uid_t app) const;
  base::Result<void> release(std::uint16_t port, uid_t app) const;
  // Removes the whole table; no error when there is none.
  void remove() const;
  // Whether nft works here.
  static base::Result<void> probe();

 private:
  std::string table_;
  uid_t edge_;
};

}  // namespace environment
