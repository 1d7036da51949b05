"""Networks of others and of the host, and sockets that an app should not open."""

import fcntl
import socket
import struct

from . import probe
from .kernel import call

LONG = 1 << 32  # the kernel looks at the lower half of the number only


def answer_of(family, address, request=b"GET / HTTP/1.0\r\n\r\n"):
    with socket.socket(family) as connection:
        connection.settimeout(3)
        connection.connect(address)
        connection.sendall(request)
        return connection.recv(100)


# -- loopback, and Unix sockets without a file ------------------------------------------------------------------------


@probe("loopback", "victims_net")
def reaches_the_victims_web_port(facts):
    return answer_of(socket.AF_INET, ("127.0.0.1", facts.victim_port))


@probe("loopback", "victims_net")
def reaches_the_victims_web_port_by_another_address(facts):
    with socket.socket() as connection:
        connection.settimeout(3)
        connection.bind(("127.0.0.2", 0))
        connection.connect(("127.0.0.1", facts.victim_port))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(100)


@probe("loopback", "victims_net")
def reaches_another_port_of_the_victim(facts):
    return answer_of(socket.AF_INET, ("127.0.0.1", facts.victim_other_port))


def datagram_answered(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(3)
        sender.sendto(b"probe", address)
        return sender.recv(100)


@probe("loopback", "victims_net")
def sends_a_datagram_to_the_victim(facts):
    return datagram_answered(("127.0.0.1", facts.victim_datagram_port))


@probe("loopback", "net")
def reaches_a_service_of_the_host(facts):
    return answer_of(socket.AF_INET, ("127.0.0.1", facts.service_port))


@probe("loopback", "net")
def reaches_a_service_of_the_host_by_ipv6(facts):
    return answer_of(socket.AF_INET6, ("::1", facts.service_port))


@probe("loopback", "victims_net", "scope")
def reaches_the_victims_abstract_socket(facts):
    return answer_of(socket.AF_UNIX, b"\0" + facts.victim_abstract.encode())


# -- the networks between which the host passes packets on ------------------------------------------------------------


@probe("networks", "net", "privileges", walls=("firewall",))
def reaches_the_victims_web_port_at_its_address(facts):
    return answer_of(socket.AF_INET, (facts.victim_address, facts.victim_port))


@probe("networks", "net", "privileges", walls=("firewall",))
def reaches_an_open_port_of_the_victim_at_its_address(facts):
    return answer_of(socket.AF_INET, (facts.victim_address, facts.victim_open_port))


@probe("networks", "net", "privileges", walls=("firewall",))
def sends_a_datagram_to_the_victims_address(facts):
    return datagram_answered((facts.victim_address, facts.victim_open_datagram_port))


@probe("networks", "net", walls=("firewall",))
def reaches_a_service_of_the_host_at_its_gateway(facts):
    return answer_of(socket.AF_INET, (facts.own_gateway, facts.service_port))


@probe("networks", "net", walls=("firewall",))
def reaches_a_service_of_the_host_at_its_address(facts):
    return answer_of(socket.AF_INET, (facts.host_address, facts.service_port))


@probe("networks", "net", walls=("firewall",))
def sends_a_datagram_to_the_host(facts):
    return datagram_answered((facts.host_address, facts.service_port))


@probe("platform sockets", "view", "privileges")
def reaches_the_api(facts):
    return answer_of(socket.AF_UNIX, facts.api_socket)


def connected(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(path)
        return path


@probe("platform sockets", "view", "privileges")
def reaches_the_edges_control_socket(facts):
    return connected(facts.edge_socket)


@probe("platform sockets", "view", "privileges")
def reaches_the_victims_supervisor(facts):
    return connected(facts.victim_supervisor_socket)


@probe("platform sockets", "view", "privileges")
def reaches_its_own_supervisor(facts):
    return connected(facts.own_supervisor_socket)


@probe("platform sockets", "view", "privileges")
def reaches_its_own_web_socket_past_the_edge(facts):
    return connected(facts.own_web_socket)


# -- addresses at which clouds give out credentials; the test answers there -------------------------------------------


@probe("metadata", "net", "privileges", walls=("firewall",))
def reaches_the_metadata_address(facts):
    return answer_of(socket.AF_INET, (facts.metadata_addresses[0], facts.metadata_port))


@probe("metadata", "net", "privileges", walls=("firewall",))
def reaches_another_clouds_metadata_address(facts):
    return answer_of(socket.AF_INET, (facts.metadata_addresses[1], facts.metadata_port))


@probe("metadata", "net", "privileges", walls=("firewall",))
def reaches_the_metadata_address_of_ipv6(facts):
    return answer_of(socket.AF_INET6, (facts.metadata_addresses[2], facts.metadata_port))


@probe("metadata", "net", "privileges", walls=("firewall",))
def reaches_the_metadata_address_written_as_ipv6(facts):
    return answer_of(socket.AF_INET6, ("::ffff:" + facts.metadata_addresses[0], facts.metadata_port))


@probe("metadata", "net", "privileges", walls=("firewall",))
def sends_a_datagram_to_the_metadata_address(facts):
    return datagram_answered((facts.metadata_addresses[0], facts.metadata_port))


# -- families and kinds -----------------------------------------------------------------------------------------------

PACKET, NETLINK, VSOCK = 17, 16, 40
STREAM, DATAGRAM, RAW = 1, 2, 3


@probe("socket families", "filter", "privileges")
def listens_to_the_wire(facts):
    return call("socket", PACKET, DATAGRAM, 0)


@probe("socket families", "filter", "privileges")
def listens_to_the_wire_with_a_long_number(facts):
    return call("socket", PACKET | LONG, DATAGRAM, 0)


@probe("socket families", "privileges")
def sends_packets_of_its_own_making(facts):
    return call("socket", socket.AF_INET, RAW, 1)


@probe("socket families", "filter")
def talks_to_the_firewall(facts):
    return call("socket", NETLINK, RAW, 12)


@probe("socket families", "filter")
def talks_to_the_firewall_with_a_long_number(facts):
    return call("socket", NETLINK | LONG, RAW, 12)


@probe("socket families", "filter")
def lists_everybodys_sockets(facts):
    return call("socket", NETLINK, RAW, 4)


@probe("socket families", "filter")
def listens_to_devices_coming_and_going(facts):
    return call("socket", NETLINK, RAW, 15)


@probe("socket families", "filter")
def talks_to_the_hypervisor(facts):
    return call("socket", VSOCK, STREAM, 0)


@probe("socket families", "privileges")
def changes_an_interface(facts):
    with socket.socket() as handle:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack("16sh", fcntl.ioctl(handle, 0x8913, name + bytes(24))[:18])[1]
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh22x", name, flags))
    return True


@probe("socket families", "privileges")
def listens_on_a_port_of_the_system(facts):
    with socket.socket() as listener:
        listener.bind(("127.0.0.9", 89))
    return True
