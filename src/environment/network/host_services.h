// Services of the host that an instance with a network of its own reaches at the same address (instance/services.h):
// those that its owner named, and name servers that listen on the host's loopback alone (systemd-resolved at
// 127.0.0.53, a dnsmasq at 127.0.0.1).
#pragma once

#include <string_view>
#include <vector>

#include "environment/spec.h"
#include "instance/plan.h"

namespace environment {

// `resolv_conf`: the text of the host's resolv.conf(5). Each name server counts for UDP and for TCP.
std::vector<instance::Service> services_for(std::string_view resolv_conf, const std::vector<HostService>& named);

// Where those that are named at the host's 127.0.0.1 are.
std::vector<std::uint16_t> localhost_ports(const std::vector<HostService>& named);

}  // namespace environment
