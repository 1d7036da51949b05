#include "instance/network.h"

#include <sched.h>
#include <unistd.h>

#include <random>

#include "instance/netlink.h"
#include "instance/nft.h"
#include "instance/services.h"

namespace instance {
namespace {

constexpr const char* kInside = "eth0";

base::Result<base::Fd> current_space() { return base::open("/proc/thread-self/ns/net", O_RDONLY); }

base::Result<base::Fd> new_space() {
  auto home = current_space();
  if (!home) return home;
  if (::unshare(CLONE_NEWNET) < 0) return base::errno_error("create a network namespace");
  auto made = current_space();
  if (::setns(home->get(), CLONE_NEWNET) < 0) base::panic("cannot return to the host's network namespace");
  return made;
}

// net.ipv4.conf.INTERFACE.NAME and the like, of the namespace that the thread is in.
base::Result<void> set(const std::string& family, const std::string& interface, const char* name, const char* value) {
  auto file = base::open(fmt::format("/proc/sys/net/{}/conf/{}/{}", family, interface, name), O_WRONLY);
  if (!file) return std::unexpected(file.error());
  return base::write_all(file->get(), value);
}

// A kernel without IPv6 has nothing to switch off.
void switch_ipv6_off(const std::string& interface) { (void)set("ipv6", interface, "disable_ipv6", "1"); }

// What comes for the port of the app's own server goes to loopback, where most listen, whatever they are told; one that
// listens on all addresses hears it too. Only the host's side sends anything to eth0.
base::Result<void> lead_to_loopback(std::uint16_t port) {
  if (auto allowed = set("ipv4", kInside, "route_localnet", "1"); !allowed) return allowed;
  return run_nft(
      fmt::format("table ip serai {{\n"
                  "  chain own_server {{\n"
                  "    type nat hook prerouting priority -100\n"
                  "    iifname \"{}\" tcp dport {} dnat to 127.0.0.1\n"
                  "  }}\n"
                  "}}\n",
                  kInside, port));
}

}  // namespace

std::string dotted(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

base::Result<Visit> Visit::to(const base::Fd& space) {
  auto home = current_space();
  if (!home) return std::unexpected(home.error());
  if (::setns(space.get(), CLONE_NEWNET) < 0) return base::errno_error("enter the instance's network namespace");
  return Visit(std::move(*home));
}

Visit::~Visit() {
  if (!home_.is_open()) return;
  if (::setns(home_.get(), CLONE_NEWNET) < 0) base::panic("cannot return to the host's network namespace");
}

base::Result<Network> Network::make(const NetworkPlan& plan) {
  if (!plan.own) return Network();
  return make(plan, {.prefix = kInterfacePrefix, .first = 0, .count = kNetworks});
}

base::Result<Network> Network::make_outside() {
  NetworkPlan plan;
  return make(plan, {.prefix = "seraitry", .first = kNetworks, .count = 0x10000 - kNetworks});
}

base::Result<Network> Network::make(const NetworkPlan& plan, const Names& names) {
  auto space = new_space();
  if (!space) return std::unexpected(space.error());
  Network network;
  network.space_ = std::move(*space);
  if (auto joined = network.join(plan, names); !joined) return std::unexpected(joined.error());
  return network;
}

base::Result<void> Network::join(const NetworkPlan& plan, const Names& names) {
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  // From a random number on, so that what the kernel still knows of the last one's connections meets nobody.
  std::random_device random;
  unsigned start = std::uniform_int_distribution<unsigned>(0, names.count - 1)(random), number = 0;
  base::Result<void> added;
  for (unsigned tried = 0; tried < names.count; tried++) {
    number = names.first + (start + tried) % names.count;
    name_ = fmt::format("{}{:04x}", names.prefix, number);
    added = netlink->add_pair({.name = name_, .group = plan.group, .peer = kInside, .peer_namespace = space_.get()});
    if (added || added.error().kind() != base::Kind::conflict) break;
  }
  if (!added) return added;
  index_ = instance::interface_index(name_);
  auto host = kFirstAddress + 2 * number, own = host + 1;
  address_ = dotted(own);
  switch_ipv6_off(name_);
  auto done = netlink->set_alias(index_, plan.alias);
  if (done) done = set("ipv4", name_, "forwarding", "1");
  if (done) done = netlink->add_address(index_, host, 31);
  if (done) done = netlink->set_up(index_);
  if (done) done = furnish(plan, host, own);
  return done;
}

base::Result<void> Network::furnish(const NetworkPlan& plan, std::uint32_t host, std::uint32_t own) {
  auto visit = Visit::to(space_);
  if (!visit) return std::unexpected(visit.error());
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  auto inside = instance::interface_index(kInside);
  switch_ipv6_off(kInside);
  auto done = netlink->set_up(instance::interface_index("lo"));
  if (done) done = netlink->add_address(inside, own, 31);
  if (done) done = netlink->set_up(inside);
  if (done) done = netlink->add_default_route(inside, host);
  if (done && plan.port != 0) done = lead_to_loopback(plan.port);
  if (!done) return done;
  auto listeners = Services::listen(plan.services);
  if (!listeners) return std::unexpected(listeners.error());
  listeners_ = std::move(*listeners);
  return {};
}

bool Network::enter() const { return !is_own() || ::setns(space_.get(), CLONE_NEWNET) == 0; }

}  // namespace instance
