"""Listening sockets: made from --bind, or inherited from systemd or whoever started us."""

import dataclasses
import errno
import os
import socket
import stat
from collections.abc import MutableMapping, Sequence

from serai.failure import Failure, wrong_use

BACKLOG = 2048
_FIRST_PASSED = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_FORMS = "write HOST:PORT, [IPV6]:PORT, :PORT, unix:/PATH or fd://N"


@dataclasses.dataclass
class Listener:
    """An open listening socket, and the file to remove with it where we made one."""

    socket: socket.socket
    made_path: tuple[str, int] | None = None
    """Path and inode."""

    def url(self, *, tls: bool) -> str:
        """For people."""
        name = self.socket.getsockname()
        if self.socket.family == socket.AF_UNIX:
            return f"unix:{name if isinstance(name, str) else '@' + name[1:].decode(errors='replace')}"
        host = f"[{name[0]}]" if ":" in name[0] else name[0]
        return f"{'https' if tls else 'http'}://{host}:{name[1]}"

    def close(self) -> None:
        """Also removes the socket's file, unless another server took the name over."""
        self.socket.close()
        if self.made_path:
            path, inode = self.made_path
            try:
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
            except OSError:
                pass  # gone already


def open_listeners(bind: Sequence[str], environment: MutableMapping[str, str]) -> list[Listener]:
    """Sockets passed by systemd, then those named; the default address where there are neither. Raises Failure."""
    listeners = _passed_by_systemd(environment)
    try:
        for address in bind or ([] if listeners else ["127.0.0.1:8000"]):
            listeners.append(_open(address))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _passed_by_systemd(environment: MutableMapping[str, str]) -> list[Listener]:
    """sd_listen_fds(3). The variables are taken away, for they are not meant for the app."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "0")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()):
        return []
    return [_inherited(fd, "LISTEN_FDS") for fd in range(_FIRST_PASSED, _FIRST_PASSED + int(count))]


def _open(address: str) -> Listener:
    if address.startswith("unix:"):
        return _unix(address.removeprefix("unix:").removeprefix("//"))
    if address.startswith("fd://"):
        number = address.removeprefix("fd://")
        if not number.isdecimal():
            raise wrong_use(f"reading --bind {address}", f"{number!r} is no descriptor number", _FORMS)
        return _inherited(int(number), f"--bind {address}")
    return _tcp(address)


def _inherited(fd: int, origin: str) -> Listener:
    tried = f"taking over descriptor {fd} ({origin})"
    try:
        inherited = socket.socket(fileno=fd)
    except OSError as error:
        raise Failure(tried, f"it is no socket: {error.strerror}", "pass an open, listening socket") from None
    if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        inherited.detach()
        raise Failure(tried, "the socket does not listen", "call listen(2) on it before passing it on")
    inherited.set_inheritable(False)
    return Listener(inherited)


def _tcp(address: str) -> Listener:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise wrong_use(f"reading --bind {address}", f"{port!r} is no port", _FORMS)
    bare = host.removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(bare or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Failure(f"resolving {host} for --bind", str(error.strerror), _FORMS) from None
    preferred = _preferred_family(bare)
    family, kind, protocol, _, name = next((entry for entry in found if entry[0] == preferred), found[0])
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if not bare else 1)
        made.bind(name)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise _cannot_bind(address, error) from None
    return Listener(made)


def _preferred_family(host: str) -> socket.AddressFamily:
    """Without a host one IPv6 socket serves both families, where there is IPv6; a name prefers IPv4, as clients do."""
    return socket.AF_INET if host or not socket.has_dualstack_ipv6() else socket.AF_INET6


def _cannot_bind(address: str, error: OSError) -> Failure:
    fixes = {
        errno.EADDRINUSE: "end the other server (ss -ltnp shows it), or choose another address",
        errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE: choose a higher one",
        errno.EADDRNOTAVAIL: "this machine has no such address: see ip address",
    }
    fix = fixes.get(error.errno or 0, "choose another address")
    return Failure(f"listening on {address}", error.strerror or str(error), fix)


def _unix(path: str) -> Listener:
    if not path or path.startswith("@"):
        raise wrong_use(f"reading --bind unix:{path}", "a Unix socket needs a path", _FORMS)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        made.bind(path)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        fix = "check that the folder exists and may be written; the whole path has at most 107 bytes"
        raise Failure(f"listening on unix:{path}", error.strerror or str(error), fix) from None
    return Listener(made, (path, os.stat(path).st_ino))


def _remove_stale(path: str) -> None:
    """Removes the socket file of a server that is gone. One that still answers is an error."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Failure(
                f"listening on unix:{path}", "there is a file of that name that is no socket", "choose another path"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full
    raise Failure(f"listening on unix:{path}", "another server listens there", "end it, or choose another path")
