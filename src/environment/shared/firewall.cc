#include "environment/shared/firewall.h"

#include "instance/nft.h"

namespace environment {

using instance::run_nft;

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
  return run_nft(rules);
}

base::Result<void> Firewall::close_metadata(UidRange apps) const {
  return run_nft(fmt::format(
      R"(add table inet {0}
add chain inet {0} metadata {{ type filter hook output priority 0; policy accept; }}
flush chain inet {0} metadata
add rule inet {0} metadata meta skuid {1}-{2} meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {0} metadata meta skuid {1}-{2} ip daddr {3} reject with icmp admin-prohibited
add rule inet {0} metadata meta skuid {1}-{2} ip6 daddr {4} reject with icmpv6 admin-prohibited
)",
      table_, apps.first, apps.last, kMetadataAddresses, kMetadataAddresses6));
}

base::Result<void> Firewall::release(std::uint16_t port, uid_t app) const {
  return run_nft(
      fmt::format("delete element inet {0} guarded {{ {1} }}\n"
                  "delete element inet {0} allowed {{ {2} . {1}, {3} . {1}, 0 . {1} }}\n"
                  "delete element inet {0} servers {{ {2} . {1} }}\n",
                  table_, port, app, edge_));
}

void Firewall::remove() const { (void)run_nft(fmt::format("add table inet {0}\ndelete table inet {0}\n", table_)); }

base::Result<void> Firewall::probe() { return run_nft("list tables\n"); }

}  // namespace environment
