#include "environment/network/host_services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace environment {
namespace {

using testing::ElementsAre;

std::vector<std::string> texts(const std::vector<instance::Service>& services) {
  std::vector<std::string> list;
  for (const auto& one : services)
    list.push_back(fmt::format("{} {} {}{}{}", one.datagrams ? "udp" : "tcp", one.address, one.port,
                               one.instead.empty() ? "" : " or ", one.instead));
  return list;
}

TEST(HostServices, NameServersOnLoopbackAreServicesForDatagramsAndStreams) {
  EXPECT_THAT(texts(services_for("# by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\n", {})),
              ElementsAre("udp 127.0.0.53 53", "tcp 127.0.0.53 53"));
  EXPECT_THAT(texts(services_for("nameserver ::1\n", {})), ElementsAre("udp ::1 53", "tcp ::1 53"));
}

TEST(HostServices, OtherNameServersAreReachedByThemselves) {
  EXPECT_THAT(texts(services_for("nameserver 10.0.0.2\nnameserver fe80::1%eth0\n", {})), ElementsAre());
}

TEST(HostServices, WithoutAnyTheResolverAsksItsOwnHost) {
  EXPECT_THAT(texts(services_for("search example.org\n", {})), ElementsAre("udp 127.0.0.1 53", "tcp 127.0.0.1 53"));
}

TEST(HostServices, OnlyAsManyAsTheResolverAsks) {
  EXPECT_THAT(texts(services_for("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
                                 "nameserver 127.0.0.1\n",
                                 {})),
              ElementsAre());
}

TEST(HostServices, LocalhostIsBothAddressesEachWithTheOtherInItsPlace) {
  EXPECT_THAT(texts(services_for("nameserver 10.0.0.1", {{"localhost", 5432}})),
              ElementsAre("tcp 127.0.0.1 5432 or ::1", "tcp ::1 5432 or 127.0.0.1"));
  EXPECT_THAT(texts(services_for("nameserver 10.0.0.1", {{"127.0.0.2", 6379}})), ElementsAre("tcp 127.0.0.2 6379"));
}

TEST(HostServices, PortsOfLocalhostAreThoseOfItsIPv4AddressAndOfItsName) {
  EXPECT_THAT(
      localhost_ports({{"localhost", 6379}, {"127.0.0.1", 5432}, {"127.0.0.1", 6379}, {"127.0.0.9", 1}, {"::1", 2}}),
      ElementsAre(5432, 6379));
}

TEST(HostServices, WhatIsNamedTwiceIsListenedForOnce) {
  auto services = services_for("nameserver 127.0.0.1\n", {{"127.0.0.1", 53}, {"127.0.0.1", 53}});
  EXPECT_THAT(texts(services), ElementsAre("tcp 127.0.0.1 53", "udp 127.0.0.1 53"));
}

}  // namespace
}  // namespace environment
