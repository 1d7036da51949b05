// Networks of instances' own, as root on this host: what is reached from them, and from where they are reached.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "environment/network/networks.h"
#include "environment/shared/record.h"
#include "environment/shared/shared_fixture_test.h"
#include "instance/netlink.h"
#include "instance/network.h"
#include "net/endpoint.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::uint16_t port_of(const base::Fd& socket) {
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  return ntohs(bound.sin_port);
}

// Says "hello" to everybody who connects.
class Greeter {
 public:
  explicit Greeter(const std::string& address) : Greeter(listening(address)) {}
  // In another network namespace.
  Greeter(const instance::Network& network, const std::string& address)
      : Greeter([&] {
          base::Fd listener;
          std::thread([&] {
            auto visit = instance::Visit::to(network.space()).value();
            listener = listening(address);
          }).join();
          return listener;
        }()) {}
  ~Greeter() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  static base::Fd listening(const std::string& address) {
    auto listener = net::Endpoint::of(net::TcpAddress{address, 0}).value().listen(16).value();
    (void)base::set_nonblocking(listener.get(), false);
    return listener;
  }
  explicit Greeter(base::Fd listener) : listener_(std::move(listener)), port_(port_of(listener_)) {
    thread_ = std::thread([this] {
      for (;;) {
        base::Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer.is_open()) return;
        (void)base::write_all(peer.get(), "hello\n");
      }
    });
  }

  base::Fd listener_;
  std::uint16_t port_;
  std::thread thread_;
};

constexpr const char* kGateway = "";  // the host's end of the command's own network

class NetworksTest : public testing_support::SharedTest {
 protected:
  void SetUp() override {
    SharedTest::SetUp();
    if (IsSkipped()) return;
    code_ = make_release("app", {{"file", ""}});
    static const std::string missing = why_not(*environment_);
    if (!missing.empty()) GTEST_SKIP() << missing;
  }
  static std::string why_not(Environment& environment) {
    for (const auto& fact : environment.doctor())
      if (fact.name == "network" && fact.state != Fact::State::good) return fact.found;
    return "";
  }

  // What a command of the app gets from there: "hello", or the reason why not.
  std::string connecting(const std::string& address, std::uint16_t port, NetworkSpec network = {}) {
    auto spec = run_spec("shop", code_, "");
    spec.argv = {
        "/usr/bin/python3", "-c",
        fmt::format("import socket\n"
                    "def gateway():\n"  // proc(5): in hexadecimal, as it lies in memory
                    "  for line in open('/proc/net/route'):\n"
                    "    to, by = line.split()[1:3]\n"
                    "    if to == '00000000': return socket.inet_ntoa(bytes.fromhex(by)[::-1])\n"
                    "try:\n"
                    "  with socket.create_connection(('{}' or gateway(), {}), timeout=5) as peer: print(peer.recv(9))\n"
                    "except OSError as error: print(error)\n",
                    address, port)};
    spec.network = std::move(network);
    return output_of(spec);
  }
  instance::Network outside() {
    std::optional<instance::Network> made;
    std::thread([&] { made = instance::Network::make_outside().value(); }).join();
    return std::move(*made);
  }
  InstanceSpec web() {
    auto spec = script("shop", "shop-1", "");
    spec.listen = Listen::tcp;
    spec.processes = {{.name = "web",
                       .argv = {"/bin/sh", "-c", "exec /usr/bin/python3 -m http.server --bind $HOST $PORT"},
                       .is_web = true}};
    return spec;
  }
  // Connects from the host, as this user; empty when it worked.
  static std::string knocking_as(Identity user, const Instance& instance) {
    base::Command command;
    command.argv = {"/usr/bin/python3", "-c",
                    fmt::format("import socket, time\n"
                                "for attempt in range(100):\n"
                                "  try: socket.create_connection(('{}', {}), timeout=5); break\n"
                                "  except ConnectionRefusedError: time.sleep(0.05)\n",
                                instance.address, instance.port)};
    command.in_child = [user] {
      if (::setresgid(user.gid, user.gid, user.gid) < 0 || ::setresuid(user.uid, user.uid, user.uid) < 0) ::_exit(1);
    };
    return base::run(command, std::chrono::seconds(30)).value().err;
  }

  fs::path code_;
};

TEST_F(NetworksTest, TheHostsLoopbackIsNotTheInstances) {
  Greeter service("127.0.0.1");
  EXPECT_THAT(connecting("127.0.0.1", service.port()), HasSubstr("refused"));
  EXPECT_THAT(connecting("127.0.0.1", service.port(), {.kind = NetworkKind::host, .services = {}}), HasSubstr("hello"));
}

TEST_F(NetworksTest, TheHostIsReachedByNoneOfItsAddresses) {
  Greeter service("0.0.0.0");
  EXPECT_THAT(connecting(kGateway, service.port()), HasSubstr("No route to host"));
}

TEST_F(NetworksTest, ANamedServiceIsReachedAtTheSameAddress) {
  Greeter service("127.0.0.1");
  NetworkSpec network{.kind = NetworkKind::own, .services = {{"localhost", service.port()}}};
  EXPECT_THAT(connecting("127.0.0.1", service.port(), network), HasSubstr("hello"));
  EXPECT_THAT(connecting("localhost", service.port(), network), HasSubstr("hello"));
  EXPECT_THAT(connecting("::1", service.port(), network), HasSubstr("hello"));
  NetworkSpec other{.kind = NetworkKind::own,
                    .services = {{"127.0.0.1", static_cast<std::uint16_t>(service.port() ^ 1)}}};
  EXPECT_THAT(connecting("127.0.0.1", service.port(), other), HasSubstr("refused"));
}

TEST_F(NetworksTest, WhatIsOutsideIsReachedUnderTheHostsAddress) {
  auto world = outside();
  Greeter service(world, "0.0.0.0");
  EXPECT_THAT(connecting(world.address(), service.port()), HasSubstr("hello"));
}

TEST_F(NetworksTest, AddressesAtWhichCloudsGiveOutCredentialsAreClosed) {
  for (const char* address : {"169.254.169.254", "100.100.100.200"})
    EXPECT_THAT(connecting(address, 80), HasSubstr("No route to host")) << address;
}

TEST_F(NetworksTest, AnotherInstanceIsNotReached) {
  auto instance = start(web());
  EXPECT_EQ(knocking_as({0, 0}, instance), "");
  EXPECT_THAT(connecting(instance.address, instance.port), HasSubstr("No route to host"));
}

TEST_F(NetworksTest, AnOwnServerIsReachedByTheEdgeAndRootAtItsAddress) {
  auto instance = start(web());
  EXPECT_NE(instance.address, "127.0.0.1");
  EXPECT_EQ(knocking_as({0, 0}, instance), "");
  auto identities = Identities::open(layout_).value();
  EXPECT_EQ(knocking_as(identities.edge(), instance), "");
  EXPECT_THAT(knocking_as(environment_->prepare("shop").value(), instance), HasSubstr("No route to host"));
  EXPECT_THAT(environment_->inspect("shop-1")->network, HasSubstr(instance.address));
}

TEST_F(NetworksTest, TheInterfaceGoesWithTheInstanceAlsoWhenItsSupervisorIsKilled) {
  auto first = start(script("shop", "shop-1", "exec sleep 1000"));
  auto second = start(script("shop", "shop-2", "exec sleep 1000"));
  auto interface = [&](const std::string& id) { return Record::read(layout_, id)->interface; };
  char name[IF_NAMESIZE];
  unsigned of_first = interface("shop-1"), of_second = interface("shop-2");
  ASSERT_TRUE(::if_indextoname(of_first, name));
  EXPECT_THAT(name, testing::StartsWith(instance::kInterfacePrefix));
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_FALSE(::if_indextoname(of_first, name));
  ::kill(second.supervisor, SIGKILL);
  for (int i = 0; i < 1000 && ::if_indextoname(of_second, name); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(::if_indextoname(of_second, name));
}

// The server ends on purpose, and what it wrote is longer than what the sockets' buffers of the reader hold.
TEST_F(NetworksTest, WhatAServerSentBeforeItEndedIsReadToTheEnd) {
  constexpr std::size_t kBytes = 4 << 20;
  auto spec = web();
  spec.processes.front().argv = {
      "/usr/bin/python3", "-uc",
      fmt::format("import os, socket\n"
                  "listener = socket.create_server((os.environ['HOST'], int(os.environ['PORT'])))\n"
                  "listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, {0})\n"
                  "print('listens')\n"
                  "peer = listener.accept()[0]\n"
                  "peer.setblocking(False)\n"
                  "print('sent', peer.send(bytes({0})))\n"
                  "import time; time.sleep(1000)\n",
                  kBytes)};
  auto instance = start(spec);
  wait_for_log("shop", "web", "listens");
  auto reader = net::Endpoint::of(net::TcpAddress{instance.address, instance.port}).value().connect().value();
  wait_for_log("shop", "web", "sent ");
  auto line = log("shop", "web");
  auto sent = std::stoul(line.substr(line.find("sent ") + 5));
  std::thread stopping([&] { EXPECT_TRUE(environment_->stop("shop-1")); });
  while (environment_->inspect("shop-1")->state == InstanceState::running)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(base::set_nonblocking(reader.get(), false));
  EXPECT_EQ(base::read_all(reader.get(), 2 * kBytes).value_or("").size(), sent);
  stopping.join();
}

TEST_F(NetworksTest, TheNextDaemonLetsPacketsThroughAsTheLastOneDid) {
  auto world = outside();
  Greeter service(world, "0.0.0.0");
  start(script("shop", "shop-1",
               fmt::format("while sleep 0.1; do /usr/bin/python3 -c \"import socket; "
                           "print(socket.create_connection(('{}', {})).recv(9))\" 2>&1; echo tried; done",
                           world.address(), service.port())));
  wait_for_log("shop", "main", "hello");
  new_daemon();
  fs::resize_file(layout_.log("shop", "main"), 0);
  wait_for_log("shop", "main", "hello");
}

TEST_F(NetworksTest, WithoutRootInstancesStayOnTheHostsNetwork) {
  Networks networks({.table = "serai-none", .group = 0, .edge = 0, .is_root = false});
  auto raised = networks.raise();
  ASSERT_FALSE(raised);
  EXPECT_THAT(raised.error().describe(), HasSubstr("root"));
}

TEST_F(NetworksTest, ForwardingIsSwitchedOffAgainOnceNobodyNeedsIt) {
  auto setting = [](const std::string& interface) {
    return base::read_file("/proc/sys/net/ipv4/conf/" + interface + "/forwarding").value_or("");
  };
  auto interfaces = uplinks();
  if (interfaces.empty()) GTEST_SKIP() << "this host leads nowhere";
  bool others_need_it = fs::exists("/run/serai/forwarding.json");
  auto before = setting(interfaces.front());
  Forwarding first("serai-test-first"), second("serai-test-second");
  ASSERT_TRUE(first.need());
  ASSERT_TRUE(second.need());
  EXPECT_EQ(setting(interfaces.front()), "1\n");
  ASSERT_TRUE(first.release());
  EXPECT_EQ(setting(interfaces.front()), "1\n");
  ASSERT_TRUE(second.release());
  bool they_do_now = fs::exists("/run/serai/forwarding.json");
  if (!others_need_it && !they_do_now) {
    EXPECT_EQ(setting(interfaces.front()), before);
  }
}

}  // namespace
}  // namespace environment
