"""What rights the live processes have, in lines that can be compared: one set of facts for each role."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attack.scene import Scene, status_of
from support import processes
from support.leftovers import SUPERVISOR

LIMITS = {"Max open files": "open files", "Max core file size": "core", "Max locked memory": "locked memory"}
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def posture(scene: Scene) -> str:
    """Sections by role, from the daemon down to the worker."""
    users = {0: "root", scene.host.identity.first_uid: "edge", scene.host.identity.first_uid + SUPERVISOR: "supervisor"}
    users[scene.init.uid] = "app"
    sections = []
    for role, pid in roles(scene).items():
        facts = [*rights(pid, users), f"namespaces of its own: {own_namespaces(pid, os.getpid())}"]
        facts += limits(pid) if users.get(int(status_of(pid)["Uid"].split()[0])) == "app" else []
        facts += [f"open: {name}" for name in descriptors(pid, scene)]
        if role == "init":
            facts += [f"mount: {mount}" for mount in mounts(pid)]
        sections.append("\n".join([f"[{role}]", *facts]))
    return "\n\n".join(sections) + "\n"


def roles(scene: Scene) -> dict[str, int]:
    assert scene.host.daemon
    found = {
        "daemon": scene.host.daemon.pid,
        "edge": scene.host.edge().pid,
        "supervisor": scene.init.parent,
        "init": scene.init.pid,
    }
    at = scene.init.pid
    for role in ("master", "zygote", "worker"):
        children = [process for process in processes.everyone() if process.parent == at]
        assert len(children) == 1, f"the parent of the {role} has {len(children)} children"
        at = found[role] = children[0].pid
    return found


def rights(pid: int, users: dict[int, str]) -> Iterator[str]:
    status = status_of(pid)
    for kind in ("Uid", "Gid"):
        names = {users.get(int(number), "somebody else") for number in status[kind].split()}
        yield f"{kind.lower()}: {' '.join(sorted(names))}"
    if status["Uid"].split()[0] != "0":
        yield f"supplementary groups: {len(status['Groups'].split())}"
        yield f"capabilities: {' '.join(name for name in CAPABILITIES if int(status[name], 16)) or 'none'}"
        # Of a process that cannot be dumped the files below /proc belong to root.
        yield f"hidden from its user: {'yes' if Path(f'/proc/{pid}/environ').stat().st_uid == 0 else 'no'}"
    yield f"no new privileges: {'yes' if status['NoNewPrivs'] == '1' else 'no'}"
    yield f"system call filters: {status.get('Seccomp_filters', status['Seccomp'])}"


def own_namespaces(pid: int, beside: int) -> str:
    def namespace(of: int, name: str) -> str:
        return os.readlink(f"/proc/{of}/ns/{name}")

    return " ".join(name for name in NAMESPACES if namespace(pid, name) != namespace(beside, name)) or "none"


def limits(pid: int) -> Iterator[str]:
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        for name, word in LIMITS.items():
            if line.startswith(name):
                yield f"limit of {word}: {line.removeprefix(name).split()[0]}"


def descriptors(pid: int, scene: Scene) -> list[str]:
    """Kinds of what is open, and each file by its name, with what differs from run to run taken out."""
    kinds = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        target = re.sub(r":\[\d+\]$", "", target).removesuffix(" (deleted)")
        target = target.replace(str(scene.host.folder), "FOLDER")
        if target.startswith("FOLDER/root/trash/"):
            continue  # it is being emptied just now
        kinds.add(re.sub(r"(instances/)[^/]+", r"\1ID", target))
    return sorted(kinds)


def mounts(pid: int) -> list[str]:
    """Where, and what cannot be done there. What is shown of /etc is one line if all of it is alike."""
    lines = set()
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        where, options = line.split()[4:6]
        words = [word for word in ("ro", "nosuid", "nodev", "noexec") if word in options.split(",")]
        where = "/etc/…" if where.startswith("/etc/") else re.sub(r"^/app/.+", "/app/…", where)
        lines.add(f"{where} {' '.join(words)}")
    return sorted(lines)
