#include "instance/netlink.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

namespace instance {
namespace {

// A message of netlink(7): a header, a body of the request's type, attributes, which may nest.
class Request {
 public:
  template <typename Body>
  Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    append(&header, sizeof header);
    append(&body, sizeof body);
  }

  void add(std::uint16_t type, const void* value, std::size_t size) {
    auto at = begin(type);
    append(value, size);
    end(at);
  }
  template <typename Value>
  void add(std::uint16_t type, const Value& value) {
    add(type, &value, sizeof value);
  }
  void add_text(std::uint16_t type, const std::string& text) { add(type, text.c_str(), text.size() + 1); }

  // What is added between the two is inside of it.
  std::size_t begin(std::uint16_t type) {
    auto at = bytes_.size();
    rtattr head{0, type};
    append(&head, sizeof head);
    return at;
  }
  void end(std::size_t at) {
    auto length = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &length, sizeof length);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }
  template <typename Body>
  void append_body(const Body& body) {
    append(&body, sizeof body);
  }

  std::string take() { return std::move(bytes_); }

 private:
  void append(const void* value, std::size_t size) { bytes_.append(static_cast<const char*>(value), size); }
  std::string bytes_;
};

ifinfomsg interface_message(unsigned index = 0) {
  ifinfomsg message{};
  message.ifi_family = AF_UNSPEC;
  message.ifi_index = static_cast<int>(index);
  return message;
}

}  // namespace

base::Result<Netlink> Netlink::open() {
  base::Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.is_open()) return base::errno_error("talk to the kernel about networks");
  return Netlink(std::move(socket));
}

base::Result<int> Netlink::ask(std::string request) {
  nlmsghdr header;
  std::memcpy(&header, request.data(), sizeof header);
  header.nlmsg_len = static_cast<std::uint32_t>(request.size());
  header.nlmsg_seq = ++sequence_;
  std::memcpy(request.data(), &header, sizeof header);
  if (::send(socket_.get(), request.data(), request.size(), 0) < 0) return base::errno_error("ask about a network");
  alignas(nlmsghdr) char answer[8192];
  for (;;) {
    auto count = ::recv(socket_.get(), answer, sizeof answer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return base::errno_error("hear about a network");
    auto left = static_cast<unsigned>(count);
    for (auto* one = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(one, left); one = NLMSG_NEXT(one, left)) {
      if (one->nlmsg_type != NLMSG_ERROR || one->nlmsg_seq != sequence_) continue;
      return -reinterpret_cast<nlmsgerr*>(reinterpret_cast<char*>(one) + NLMSG_HDRLEN)->error;
    }
  }
}

base::Result<void> Netlink::must(std::string request, const char* what) {
  auto number = ask(std::move(request));
  if (!number) return std::unexpected(number.error());
  if (*number != 0) return std::unexpected(base::Error::from_errno(what, *number));
  return {};
}

base::Result<void> Netlink::add_pair(const Pair& pair) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, interface_message());
  request.add_text(IFLA_IFNAME, pair.name);
  request.add(IFLA_GROUP, pair.group);
  auto information = request.begin(IFLA_LINKINFO);
  request.add_text(IFLA_INFO_KIND, "veth");
  auto data = request.begin(IFLA_INFO_DATA);
  auto peer = request.begin(VETH_INFO_PEER);
  request.append_body(interface_message());
  request.add_text(IFLA_IFNAME, pair.peer);
  request.add(IFLA_NET_NS_FD, pair.peer_namespace);
  for (auto at : {peer, data, information}) request.end(at);
  return must(request.take(), "join the instance's network to the host's");
}

base::Result<void> Netlink::remove(unsigned index) {
  auto number = ask(Request(RTM_DELLINK, 0, interface_message(index)).take());
  if (!number) return std::unexpected(number.error());
  if (*number == 0 || *number == ENODEV) return {};
  return std::unexpected(base::Error::from_errno("remove an instance's interface", *number));
}

base::Result<void> Netlink::set_up(unsigned index) {
  auto message = interface_message(index);
  message.ifi_flags = message.ifi_change = IFF_UP;
  return must(Request(RTM_NEWLINK, 0, message).take(), "switch an instance's interface on");
}

base::Result<void> Netlink::set_alias(unsigned index, const std::string& alias) {
  Request request(RTM_NEWLINK, 0, interface_message(index));
  request.add(IFLA_IFALIAS, alias.data(), alias.size());
  return must(request.take(), "write beside an interface whose it is");
}

base::Result<void> Netlink::add_address(unsigned index, std::uint32_t address, unsigned char prefix) {
  ifaddrmsg message{};
  message.ifa_family = AF_INET;
  message.ifa_prefixlen = prefix;
  message.ifa_index = index;
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, message);
  request.add(IFA_LOCAL, htonl(address));
  request.add(IFA_ADDRESS, htonl(address));
  return must(request.take(), "give an instance's interface an address");
}

base::Result<void> Netlink::add_default_route(unsigned index, std::uint32_t gateway) {
  rtmsg message{};
  message.rtm_family = AF_INET;
  message.rtm_table = RT_TABLE_MAIN;
  message.rtm_protocol = RTPROT_BOOT;
  message.rtm_scope = RT_SCOPE_UNIVERSE;
  message.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_CREATE, message);
  request.add(RTA_GATEWAY, htonl(gateway));
  request.add(RTA_OIF, index);
  return must(request.take(), "lead an instance's packets to the host");
}

unsigned interface_index(const std::string& name) { return ::if_nametoindex(name.c_str()); }

void remove_interface(unsigned index) {
  if (auto netlink = Netlink::open()) (void)netlink->remove(index);
}

}  // namespace instance
