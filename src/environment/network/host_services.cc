#include "environment/network/host_services.h"

#include <arpa/inet.h>

#include <algorithm>
#include <sstream>

namespace environment {
namespace {

using instance::Service;

constexpr std::size_t kMostResolvers = 3;  // MAXNS of resolv.h: the resolver asks no more
constexpr std::uint16_t kDomain = 53;
constexpr const char *kFour = "127.0.0.1", *kSix = "::1";

bool is_loopback(const std::string& address) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  return ::inet_pton(AF_INET6, address.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

std::vector<std::string> loopback_resolvers(std::string_view resolv_conf) {
  std::vector<std::string> found;
  std::istringstream lines{std::string(resolv_conf)};
  std::size_t named = 0;
  for (std::string line; std::getline(lines, line) && named < kMostResolvers;) {
    std::istringstream words(line);
    std::string keyword, address;
    if (!(words >> keyword >> address) || keyword != "nameserver") continue;
    named++;
    if (is_loopback(address)) found.push_back(address);
  }
  if (named == 0) found.emplace_back(kFour);  // as resolv.conf(5) says
  return found;
}

// One socket cannot listen twice.
void add(std::vector<Service>& services, Service service) {
  bool is_known = std::ranges::any_of(services, [&](const Service& known) {
    return known.address == service.address && known.port == service.port && known.datagrams == service.datagrams;
  });
  if (!is_known) services.push_back(std::move(service));
}

}  // namespace

std::vector<Service> services_for(std::string_view resolv_conf, const std::vector<HostService>& named) {
  std::vector<Service> services;
  for (const auto& service : named) {
    if (service.host != "localhost") {
      add(services, {.address = service.host, .port = service.port, .instead = {}, .through = {}});
      continue;
    }
    // Clients try both; what one of them cannot find must be where they look first.
    add(services, {.address = kFour, .port = service.port, .instead = kSix, .through = {}, .may_be_missing = true});
    add(services, {.address = kSix, .port = service.port, .instead = kFour, .through = {}, .may_be_missing = true});
  }
  for (const auto& address : loopback_resolvers(resolv_conf))
    for (bool datagrams : {true, false})
      add(services, {.address = address, .port = kDomain, .datagrams = datagrams, .instead = {}, .through = {}});
  return services;
}

std::vector<std::uint16_t> localhost_ports(const std::vector<HostService>& named) {
  std::vector<std::uint16_t> ports;
  for (const auto& service : named)
    if (service.host == "localhost" || service.host == kFour) ports.push_back(service.port);
  std::ranges::sort(ports);
  auto twice = std::ranges::unique(ports);
  ports.erase(twice.begin(), twice.end());
  return ports;
}

}  // namespace environment
