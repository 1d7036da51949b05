"""What a Serai left behind: processes, mounts, control groups, sockets, folders.

A root has its own range of users and its own name for groups and firewall tables, so several Serais can be looked at
on one machine without taking one's traces for another's.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import processes

CGROUPS = Path("/sys/fs/cgroup")
UIDS_PER_ROOT = 0x1000  # as src/environment/identity.cc reserves them
SUPERVISOR, FIRST_APP = 1, 16  # offsets in the range


@dataclass(frozen=True)
class Identity:
    """How a root's traces can be told from others'."""

    root: Path
    first_uid: int = 0  # 0: it runs as its caller
    uids: int = UIDS_PER_ROOT
    name: str = ""  # of its groups; empty when unknown
    not_its: frozenset[Path] = frozenset()  # control groups that were there before it, of a run that was killed

    @staticmethod
    def of(root: Path, not_its: frozenset[Path] = frozenset()) -> "Identity":
        record = root / "identities.json"
        if not record.exists():
            return Identity(root, not_its=not_its)
        known = json.loads(record.read_text())
        base = int(known.get("base", 0))
        return Identity(root, base, UIDS_PER_ROOT, f"serai-{base // UIDS_PER_ROOT:x}" if base else "", not_its)

    def owns(self, uid: int) -> bool:
        return bool(self.first_uid) and self.first_uid <= uid < self.first_uid + self.uids


@dataclass
class Leftovers:
    """Everything that should not be there, as sentences."""

    found: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.found)

    def __str__(self) -> str:
        return "left behind:\n" + "\n".join(f"  {item}" for item in self.found)


def running(identity: Identity) -> list[processes.Process]:
    """The root's live processes, whoever started them."""
    root = str(identity.root)
    return [
        process
        for process in processes.everyone()
        if process.is_alive and process.pid != os.getpid() and (identity.owns(process.uid) or _mentions(process, root))
    ]


def _mentions(process: processes.Process, root: str) -> bool:
    return any(part == root or part.startswith(root + "/") or f"={root}" in part for part in process.command)


def mounts(identity: Identity) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if str(identity.root) in line]


def groups(identity: Identity) -> list[Path]:
    """The root's control groups, in every hierarchy."""
    return [group for group in _found_groups(identity.name) if group.name == identity.name] if identity.name else []


def everybodys_groups() -> frozenset[Path]:
    """The control groups of all Serais on this machine."""
    return frozenset(_with_those_below(_found_groups("serai-")))


def _found_groups(prefix: str) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(CGROUPS) if Path(folder).name.startswith(prefix)]


def _with_those_below(found: list[Path]) -> set[Path]:
    return {Path(folder) for group in found for folder, _, _ in os.walk(group)}


def sockets(identity: Identity) -> list[str]:
    """Unix sockets below the root, and TCP ports that its users listen on."""
    unix = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if f" {identity.root}" in line]
    return unix + [f"port {port}" for port in ports(identity)]


def ports(identity: Identity) -> list[int]:
    """TCP ports on which the root's users listen, in the host's network and in their own."""
    networks = {_network(process.pid): process.pid for process in running(identity)} | {
        _network(os.getpid()): os.getpid()
    }
    found = {each for pid in networks.values() for each in _listeners(pid)}
    return sorted(port for port, uid in found if identity.owns(uid))


def _network(pid: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return ""


def _listeners(pid: int) -> Iterator[tuple[int, int]]:
    """In the network that this process is in."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    yield int(fields[1].rpartition(":")[2], 16), int(fields[7])


def interfaces(identity: Identity) -> list[str]:
    """Of the root's instances, on the host: they carry the root's number."""
    number = str(identity.first_uid // UIDS_PER_ROOT)
    groups = {path.parent.name: path.read_text().strip() for path in Path("/sys/class/net").glob("*/netdev_group")}
    return [name for name, group in groups.items() if identity.first_uid and group == number]


def forwards(identity: Identity) -> bool:
    """Whether the host still passes packets on because of this root."""
    state = Path("/run/serai/forwarding.json")
    return state.exists() and bool(identity.name) and identity.name in json.loads(state.read_text())["users"]


def firewall(identity: Identity) -> list[str]:
    """The root's table of firewall rules."""
    if not identity.name or not shutil.which("nft"):
        return []
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout.splitlines()
    return [line for line in listed if line.split()[-1] == identity.name]


def after_stop(identity: Identity) -> Leftovers:
    """What is left once everything was stopped. The root's own files may stay."""
    left = Leftovers()
    left.found += [f"process: {process}" for process in running(identity)]
    left.found += [f"mount: {mount}" for mount in mounts(identity)]
    left.found += [f"control group: {group}" for group in _with_those_below(groups(identity)) - identity.not_its]
    left.found += [f"socket: {socket}" for socket in sockets(identity)]
    left.found += [f"firewall: {table}" for table in firewall(identity)]
    left.found += [f"interface: {interface}" for interface in interfaces(identity)]
    left.found += ["forwarding of packets"] if forwards(identity) else []
    return left


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def beside(identity: Identity, apps: set[str], instances: set[str]) -> Leftovers:
    """What should be gone while exactly `apps` are hosted, by exactly `instances`."""
    left = Leftovers()
    left.found += _folders(identity.root, apps)
    left.found += [f"mount: {mount}" for mount in mounts(identity)]
    left.found += [f"user of an app that is gone: {app}" for app in sorted(_users(identity) - apps)]
    below = _with_those_below(groups(identity)) - set(groups(identity)) - identity.not_its
    left.found += [f"control group: {group}" for group in below if group.name not in instances]
    left.found += [f"process: {process}" for process in _strays(identity, instances)]
    if len(found := interfaces(identity)) > len(instances):
        left.found.append(f"{len(found)} interfaces for {len(instances)} instances")
    return left


def _folders(root: Path, apps: set[str]) -> list[str]:
    builds = [path for path in _entries(root / "builds") if path.name.rpartition("-")[0] not in apps]
    return [
        *(f"upload: {path}" for path in _entries(root / "uploads")),
        *(f"app that is gone: {path}" for path in _entries(root / "apps") if path.name not in apps),
        *(f"build of an app that is gone: {path}" for path in builds),
        *(f"unfinished: {path}" for path in root.glob("builds/*.partial")),
        *(f"unfinished: {path}" for path in root.glob("apps/*/releases/*.partial")),
    ]


def _users(identity: Identity) -> set[str]:
    """The apps that have a user."""
    record = identity.root / "identities.json"
    return set(json.loads(record.read_text())["apps"]) if record.exists() else set()


def _strays(identity: Identity, instances: set[str]) -> list[processes.Process]:
    """Processes of apps' users outside the running instances, and supervisors that no instance needs."""
    found = running(identity) if identity.first_uid else []
    outside = [
        process
        for process in found
        if process.uid >= identity.first_uid + FIRST_APP and not processes.groups(process.pid) & instances
    ]
    supervisors = [process for process in found if process.uid == identity.first_uid + SUPERVISOR]
    return outside + (supervisors if len(supervisors) > len(instances) else [])
