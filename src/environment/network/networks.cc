#include "environment/network/networks.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <thread>

#include "base/file.h"
#include "environment/shared/firewall.h"
#include "instance/netlink.h"
#include "instance/network.h"
#include "instance/nft.h"
#include "net/endpoint.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int kAttempts = 20;
constexpr milliseconds kEach{50};

struct Datagrams {
  base::Fd socket;
  std::uint16_t port = 0;
};

base::Result<Datagrams> hear_in(const instance::Network& network) {
  auto visit = instance::Visit::to(network.space());
  if (!visit) return std::unexpected(visit.error());
  auto endpoint = net::Endpoint::of(net::TcpAddress{"0.0.0.0", 0});
  auto socket = endpoint->bind_datagrams();
  if (!socket) return std::unexpected(socket.error());
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&bound), &length) < 0)
    return base::errno_error("look at a socket");
  return Datagrams{std::move(*socket), ntohs(bound.sin_port)};
}

base::Result<base::Fd> send_from(const instance::Network& network, const std::string& address, std::uint16_t port) {
  auto visit = instance::Visit::to(network.space());
  if (!visit) return std::unexpected(visit.error());
  auto endpoint = net::Endpoint::of(net::TcpAddress{address, port});
  if (!endpoint) return std::unexpected(endpoint.error());
  return endpoint->connect_datagrams();
}

bool comes(const base::Fd& socket) {
  pollfd ready{socket.get(), POLLIN, 0};
  return ::poll(&ready, 1, static_cast<int>(kEach.count())) > 0;
}

// Sends back what comes.
void echo(const base::Fd& socket) {
  char datagram[16];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  auto count = ::recvfrom(socket.get(), datagram, sizeof datagram, 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (count > 0)
    (void)::sendto(socket.get(), datagram, static_cast<std::size_t>(count), 0, reinterpret_cast<sockaddr*>(&from),
                   length);
}

base::Error in_the_way() {
  return base::Error(base::Kind::unsupported,
                     "a packet from an instance's network does not get out of this host and back: another firewall "
                     "drops what the host passes on",
                     "let it pass on what comes from and goes to interfaces named serai-*; with Docker: iptables -I "
                     "DOCKER-USER -i serai-+ -j ACCEPT and the same with -o; with ufw: ufw default allow routed");
}

base::Result<void> exchange(const instance::Network& inside, const instance::Network& outside) {
  auto listener = hear_in(outside);
  if (!listener) return std::unexpected(listener.error());
  auto sender = send_from(inside, outside.address(), listener->port);
  if (!sender) return std::unexpected(sender.error());
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    char answer = 0;
    (void)::send(sender->get(), "?", 1, 0);
    if (comes(listener->socket)) echo(listener->socket);
    if (comes(*sender) && ::recv(sender->get(), &answer, 1, 0) == 1) return {};
  }
  return std::unexpected(in_the_way());
}

// Two namespaces: an instance's, and one that looks to the host as if it were the world.
base::Result<void> try_exchange(std::uint32_t group) {
  instance::NetworkPlan plan;
  plan.own = true;
  plan.group = group;
  auto inside = instance::Network::make(plan);
  if (!inside) return std::unexpected(inside.error());
  auto outside = instance::Network::make_outside();
  auto exchanged = outside ? exchange(*inside, *outside) : std::unexpected(outside.error());
  instance::remove_interface(inside->interface_index());
  if (outside) instance::remove_interface(outside->interface_index());
  return exchanged;
}

bool says(const fs::path& file, const std::string& line) {
  auto text = base::read_file(file);
  return text && *text == line + "\n";
}

}  // namespace

base::Result<void> Networks::raise() {
  if (!root_.is_root)
    return std::unexpected(base::Error(base::Kind::denied, "the daemon does not run as root", "run it as root"));
  if (tried_ && !*tried_) return *tried_;
  if (!tried_) return try_out();
  if (auto needed = forwarding_.need(); !needed) return needed;
  if (raised_) return {};
  auto written = write_rules();
  raised_ = written.has_value();
  return written;
}

base::Result<void> Networks::try_out() {
  if (!root_.is_root) return raise();
  tried_ = forwarding_.need();
  if (*tried_) tried_ = write_rules();
  raised_ = tried_->has_value();
  // The namespace is a thread's: not this one's, which belongs to others.
  if (raised_) std::thread([this] { tried_ = try_exchange(root_.group); }).join();
  return *tried_;
}

void Networks::remove_interface(const std::string& id) const {
  std::error_code error;
  for (fs::directory_iterator at("/sys/class/net", error), end; !error && at != end; at.increment(error)) {
    auto name = at->path().filename().string();
    if (name.starts_with(instance::kInterfacePrefix) && says(at->path() / "ifalias", id) &&
        says(at->path() / "netdev_group", std::to_string(root_.group)))
      instance::remove_interface(instance::interface_index(name));
  }
}

void Networks::lower() {
  raised_ = false;
  (void)forwarding_.release();
}

base::Result<void> Networks::write_rules() const {
  return instance::run_nft(fmt::format(
      R"(add table inet {table}
add set inet {table} flows {{ type ipv4_addr; size 65535; flags dynamic; }}
add chain inet {table} net_forward {{ type filter hook forward priority 0; policy accept; }}
add chain inet {table} net_input {{ type filter hook input priority 0; policy accept; }}
add chain inet {table} net_output {{ type filter hook output priority 0; policy accept; }}
add chain inet {table} net_source {{ type nat hook postrouting priority 100; policy accept; }}
flush chain inet {table} net_forward
flush chain inet {table} net_input
flush chain inet {table} net_output
flush chain inet {table} net_source
add rule inet {table} net_forward iifgroup {group} oifname "{ours}*" reject with icmpx admin-prohibited
add rule inet {table} net_forward iifgroup {group} tcp flags syn tcp option maxseg size set rt mtu
add rule inet {table} net_forward iifgroup {group} ct state established,related accept
add rule inet {table} net_forward iifgroup {group} fib saddr . iif oif missing drop
add rule inet {table} net_forward iifgroup {group} meta nfproto ipv6 reject with icmpx admin-prohibited
add rule inet {table} net_forward iifgroup {group} add @flows {{ ip saddr ct count over {flows} }} reject with icmpx admin-prohibited
add rule inet {table} net_forward iifgroup {group} meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {table} net_forward iifgroup {group} ip daddr {metadata} reject with icmpx admin-prohibited
add rule inet {table} net_forward iifgroup {group} accept
add rule inet {table} net_forward oifgroup {group} ct state established,related accept
add rule inet {table} net_forward oifgroup {group} drop
add rule inet {table} net_input iifgroup {group} ct state established,related accept
add rule inet {table} net_input iifgroup {group} meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {table} net_input iifgroup {group} reject with icmpx admin-prohibited
add rule inet {table} net_output oifgroup {group} ct direction reply accept
add rule inet {table} net_output oifgroup {group} meta skuid != {{ 0, {edge} }} reject with icmpx admin-prohibited
add rule inet {table} net_output meta skuid {edge} ip daddr {addresses} oifname != "{ours}*" reject with tcp reset
add rule inet {table} net_source ip saddr {addresses} oifname != "{ours}*" masquerade
)",
      fmt::arg("table", root_.table), fmt::arg("group", root_.group), fmt::arg("edge", root_.edge),
      fmt::arg("ours", instance::kInterfacePrefix), fmt::arg("flows", kMostFlows),
      fmt::arg("metadata", kMetadataAddresses),
      fmt::arg("addresses",
               fmt::format("{}/{}", instance::dotted(instance::kFirstAddress), instance::kAddressPrefix))));
}

}  // namespace environment
