// instance::Netlink: the few requests of rtnetlink(7) that an instance's network is made with. They act on the network
// namespace in which the calling thread was when it was opened.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace instance {

class Netlink {
 public:
  static base::Result<Netlink> open();

  struct Pair {
    std::string name;         // of the end that stays here
    std::uint32_t group = 0;  // that end's (ip-link(8)); firewall rules tell by it
    std::string peer;         // the name of the other end
    int peer_namespace = -1;
  };
  // A pair of interfaces (veth(4)), both down. Kind::conflict when there is an interface of that name.
  base::Result<void> add_pair(const Pair& pair);
  // Removes an interface, and with it its peer; one that is not there is no error.
  base::Result<void> remove(unsigned index);
  base::Result<void> set_up(unsigned index);
  // What whoever lists interfaces reads beside it (IFLA_IFALIAS; /sys/class/net/<name>/ifalias): at most 255 bytes.
  base::Result<void> set_alias(unsigned index, const std::string& alias);
  // `address` in host byte order.
  base::Result<void> add_address(unsigned index, std::uint32_t address, unsigned char prefix);
  base::Result<void> add_default_route(unsigned index, std::uint32_t gateway);

 private:
  explicit Netlink(base::Fd socket) : socket_(std::move(socket)) {}
  // Sends and waits for the acknowledgement: 0 or the error's number.
  base::Result<int> ask(std::string request);
  base::Result<void> must(std::string request, const char* what);

  base::Fd socket_;
  std::uint32_t sequence_ = 0;
};

// The number of an interface in this network namespace; 0 when there is none.
unsigned interface_index(const std::string& name);
// Removes an interface of this network namespace, and with it its peer.
void remove_interface(unsigned index);

}  // namespace instance
