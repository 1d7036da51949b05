#include "environment/shared/firewall.h"

#include "base/child.h"
#include "base/fd.h"

namespace environment {
namespace {

base::Result<void> nft(const std::string& rules) {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  // The rules are far below a pipe's capacity: writing them first cannot block.
  if (auto written = base::write_all(pipe->write.get(), rules); !written) return written;
  pipe->write.close();
  base::Command command{.argv = {"nft", "-f", "-"}};
  command.stdin_fd = pipe->read.get();
  auto output = base::run(command, std::chrono::seconds(10));
  if (!output) {
    return std::unexpected(
        base::Error(base::Kind::unsupported, "run nft: " + output.error().message(), "install the package nftables"));
  }
  if (base::succeeded(output->status)) return {};
  return base::fail(base::Kind::unsupported, "set the firewall: {}", output->err.substr(0, output->err.find('\n')));
}

}  // namespace

base::Result<void> Firewall::guard(std::uint16_t port, uid_t app) const {
  // `add` is idempotent for tables, chains, sets and elements; the chains are emptied and written anew.
  auto rules = fmt::format(
      R"(add table inet {0}
add set inet {0} guarded {{ type inet_service; }}
add set inet {0} allowed {{ typeof meta skuid . tcp dport; }}
add set inet {0} servers {{ typeof meta skuid . tcp sport; }}
add chain inet {0} output {{ type filter hook output priority 0; policy accept; }}
add chain inet {0} input {{ type filter hook input priority 0; policy accept; }}
flush chain inet {0} output
flush chain inet {0} input
add rule inet {0} output tcp dport @guarded fib daddr type local meta skuid . tcp dport != @allowed reject with tcp reset
add rule inet {0} output tcp sport @guarded tcp flags & (syn | ack) == (syn | ack) meta skuid . tcp sport != @servers drop
add rule inet {0} input iifname != "lo" tcp dport @guarded drop
add element inet {0} guarded {{ {1} }}
add element inet {0} allowed {{ {2} . {1}, {3} . {1}, 0 . {1} }}
add element inet {0} servers {{ {2} . {1} }}
)",
      table_, port, app, edge_);
  return nft(rules);
}

// Link-local addresses are never another app's or site's business (RFC 3927); the others are single services of clouds.
base::Result<void> Firewall::close_metadata(UidRange apps) const {
  return nft(fmt::format(
      R"(add table inet {0}
add chain inet {0} metadata {{ type filter hook output priority 0; policy accept; }}
flush chain inet {0} metadata
add rule inet {0} metadata meta skuid {1}-{2} meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {0} metadata meta skuid {1}-{2} ip daddr {{ 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.192 }} reject with icmp admin-prohibited
add rule inet {0} metadata meta skuid {1}-{2} ip6 daddr {{ fd00:ec2::254, fd00:ec2::23, fd20:ce::254, fd00:c1::a9fe:a9fe }} reject with icmpv6 admin-prohibited
)",
      table_, apps.first, apps.last));
}

base::Result<void> Firewall::release(std::uint16_t port, uid_t app) const {
  return nft(
      fmt::format("delete element inet {0} guarded {{ {1} }}\n"
                  "delete element inet {0} allowed {{ {2} . {1}, {3} . {1}, 0 . {1} }}\n"
                  "delete element inet {0} servers {{ {2} . {1} }}\n",
                  table_, port, app, edge_));
}

void Firewall::remove() const { (void)nft(fmt::format("add table inet {0}\ndelete table inet {0}\n", table_)); }

base::Result<void> Firewall::probe() { return nft("list tables\n"); }

}  // namespace environment
