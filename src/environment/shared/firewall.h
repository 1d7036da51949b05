// environment::Firewall: for instances on the host's own network. Closes the loopback ports of programs that bring
// their own server to everybody but the edge, the app itself and root, and sees to it that only the app can answer on
// its port. Closes the addresses at which clouds give a machine its credentials to all apps. Instances with a network
// of their own are behind the chains of network/networks.h, in the same table.
//
// One nftables table per root, in the host's network namespace. Chosen over Landlock or a cgroup program because it
// holds for every user of the host, not just for our instances.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "environment/identity.h"

namespace environment {

// Sets of nftables: single services of clouds, and all link-local addresses, which are never another app's or site's
// business (RFC 3927).
constexpr const char* kMetadataAddresses = "{ 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.192 }";
constexpr const char* kMetadataAddresses6 = "{ fd00:ec2::254, fd00:ec2::23, fd20:ce::254, fd00:c1::a9fe:a9fe }";

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
