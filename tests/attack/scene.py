"""One victim and one attacker, deployed beside each other, and what the attacker is taken to know."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from support import processes
from support.cli import EXECUTABLE
from support.host import Host
from support.leftovers import CGROUPS
from support.processes import Process

HERE = Path(__file__).parent
CONFINE = EXECUTABLE.parent / "test-tools" / "confine"
SECRET = "the-victims-secret-1815"
# At which clouds give out credentials; not the commonest one, which this machine may need itself.
METADATA = ("169.254.170.2", "100.100.100.200", "fd00:ec2::254")
MIB = 1 << 20


class Scene:
    """Both apps on one host. `attempt` runs probes inside of the attacker, `control` with layers taken away."""

    def __init__(self, host: Host) -> None:
        self.host = host
        # Beside the root, where the attacker's user can read it: the controls run from there without a view.
        self.folders = {name: Path(shutil.copytree(HERE / name, host.folder / name)) for name in ("victim", "attacker")}
        for path in host.folder.rglob("attacker/**"):
            path.chmod(0o755)
        for name, folder in self.folders.items():
            host.deploy(folder, SECRET=SECRET if name == "victim" else "none")
        self.victim = self._one_of("victim", "victim.py")
        self.init = self._init_of_attacker()
        self.facts = self._facts()

    # -- running probes -----------------------------------------------------------------------------------------------

    def attempt(self, names: Iterable[str]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=120)
        with contextlib.closing(connection):
            connection.request("POST", "/", self._request(names), {"Host": "attacker.localhost"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        assert answer.status == 200, f"{answer.status}: {text[-2000:]}"
        return dict(json.loads(text))

    def control(self, names: Iterable[str], without: Iterable[str]) -> dict[str, Any]:
        """The same in a process confined as the attacker's are, but for these layers."""
        layers = set(without)
        program = self.folders["attacker"] if layers & {"view", "all"} else Path("/app")
        with contextlib.ExitStack() as stack:
            left_open = [stack.enter_context(open("/dev/null")).fileno()] if "descriptors" in layers else []
            command = [
                *self._network_of_victim(layers),
                CONFINE,
                str(self.init.pid),
                str(self.init.uid),
                ",".join(layers - {"descriptors"}),
                ",".join(map(str, self._entrances(self.init))),
                "/usr/bin/python3",
                "-B",
                program / "attack.py",
            ]
            request = self._request(names, layers)
            done = subprocess.run(
                command, input=request, capture_output=True, text=True, pass_fds=left_open, check=False
            )
        assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
        return dict(json.loads(done.stdout))

    def _network_of_victim(self, without: set[str]) -> list[str]:
        """The wall between two apps' networks is gone when both have the same."""
        return ["nsenter", f"--net=/proc/{self.victim.pid}/ns/net"] if "victims_net" in without else []

    def _request(self, names: Iterable[str], without: Iterable[str] = ()) -> str:
        apart = {"filter", "privileges"} <= set(without)
        return json.dumps({"names": list(names), "facts": {**self.facts, "apart": apart}})

    # -- what there is ------------------------------------------------------------------------------------------------

    def _one_of(self, app: str, mark: str) -> Process:
        identities = json.loads((self.host.root / "identities.json").read_text())
        uid = identities["base"] + identities["apps"][app]
        found = [p for p in self.host.processes() if p.uid == uid and mark in " ".join(p.command)]
        assert found, f"no process of {app} has {mark} in its command line"
        return found[0]

    def _init_of_attacker(self) -> Process:
        """The first process in the attacker's pid namespace. It hides from its own user, so root owns its files."""
        process: Process | None = self._one_of("attacker", "python")
        while process and not _is_init(process.pid):
            process = processes.read(process.parent)
        assert process
        uid = int(status_of(process.pid)["Uid"].split()[0])
        return Process(process.pid, process.parent, uid, process.state, process.command)

    def _groups(self, process: Process) -> dict[str, Path]:
        """The process's control groups by controller; the unified hierarchy's has the name ""."""
        groups = {}
        for line in Path(f"/proc/{process.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            unified = "" if (CGROUPS / "cgroup.controllers").exists() else "unified"
            for controller in controllers.removeprefix("name=").split(","):
                groups[controller] = CGROUPS / (controller or unified) / path.lstrip("/")
        return groups

    def _entrances(self, process: Process) -> list[Path]:
        name = self.host.identity.name
        return [group / "cgroup.procs" for group in self._groups(process).values() if name in str(group)]

    def _memory_files(self, process: Process) -> tuple[Path, Path]:
        groups = self._groups(process)
        if "memory" in groups:
            return groups["memory"] / "memory.limit_in_bytes", groups["memory"] / "memory.usage_in_bytes"
        return groups[""] / "memory.max", groups[""] / "memory.current"

    def _facts(self) -> dict[str, Any]:
        root, ids = self.host.root, self.host.instances()
        victim_id = next(name for name in ids if name.startswith("victim"))
        own_id = next(name for name in ids if name.startswith("attacker"))
        own_limit, _ = self._memory_files(self.init)
        victim_limit, victim_usage = self._memory_files(self.victim)
        assert self.host.daemon
        return {
            **self.host.browser("victim").get("/").json,
            "secret": SECRET,
            "root": str(root),
            "database": str(root / "state.db"),
            "api_socket": str(root / "api.sock"),
            "edge_socket": str(root / "edge" / "control.sock"),
            "daemon_pid": self.host.daemon.pid,
            "edge_pid": self.host.edge().pid,
            "supervisor_pid": self.init.parent,
            "disk": _a_disk(),
            "victim_address": self.host.address("victim"),
            "own_gateway": str(ip_address(self.host.address("attacker")) - 1),  # network.h of src/instance
            "host_address": _an_address(),
            "victim_pid": self.victim.pid,
            "victim_group": os.getpgid(self.victim.pid),
            "victim_data": str(root / "apps" / "victim" / "data"),
            "victim_home": str(root / "apps" / "victim" / "home"),
            "victim_log": str(root / "apps" / "victim" / "logs" / "web.log"),
            "victim_code": str(next((root / "apps" / "victim" / "releases").iterdir()) / "code"),
            "victim_variables": str(next((root / "apps" / "victim" / "env").iterdir())),
            "victim_tmp": str(root / "instances" / victim_id / "own" / "tmp"),
            "victim_supervisor_socket": str(root / "instances" / victim_id / "control.sock"),
            "victim_limit": str(victim_limit),
            "victim_usage": str(victim_usage),
            "own_id": own_id,
            "own_log": str(root / "apps" / "attacker" / "logs" / "web.log"),
            "own_limit": str(own_limit),
            "own_memory": 256 * MIB,
            "own_processes": 256,
            "own_cpus": 1,
            "own_supervisor_socket": str(root / "instances" / own_id / "control.sock"),
            "own_web_socket": str(root / "instances" / own_id / "app.sock"),
            "outer_group": str(own_limit.parents[2] / "cgroup.procs"),
            "set_uid_programs": ["/app/set-uid-id", str(root / "apps" / "attacker" / "data" / "set-uid-id")],
        }


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _is_init(pid: int) -> bool:
    return status_of(pid)["NSpid"].split()[-1] == "1"


def _an_address() -> str:
    """Of the host, beside loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("192.0.2.1", 9))  # nothing is sent
        return str(connection.getsockname()[0])


def _a_disk() -> str:
    return str(next((path for path in Path("/dev").iterdir() if path.is_block_device()), "/dev/no-disk"))


# -- what the test adds to the host -----------------------------------------------------------------------------------


@contextlib.contextmanager
def set_uid_program(scene: Scene) -> Iterator[None]:
    """A program of root's with the set-uid bit among the attacker's data, as if an older Serai had left it there."""
    path = Path(scene.facts["set_uid_programs"][1])
    shutil.copy("/usr/bin/id", path)
    path.chmod(0o4755)
    yield
    path.unlink()


@contextlib.contextmanager
def services(scene: Scene) -> Iterator[None]:
    """A service of the host on loopback, and one at each address at which clouds give out credentials."""
    with contextlib.ExitStack() as stack:
        for address in METADATA:
            place = [f"{address}/{'128' if ':' in address else '32'}", "dev", "lo"]
            # One that a killed run left behind is taken over.
            subprocess.run(["ip", "address", "replace", *place, *(["nodad"] if ":" in address else [])], check=True)
            stack.callback(subprocess.run, ["ip", "address", "delete", *place], check=True)
        listener = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        port = listener.getsockname()[1]
        receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind(("", port))
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        threading.Thread(target=_answer_datagrams, args=(receiver,), daemon=True).start()
        scene.facts |= {"service_port": port, "metadata_port": port, "metadata_addresses": METADATA}
        yield


def _answer(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"a service")


def _answer_datagrams(receiver: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            receiver.sendto(b"a service", receiver.recvfrom(100)[1])


def catalogue() -> dict[str, Any]:
    """The probes by name, without running any."""
    sys.path.insert(0, str(HERE / "attacker"))
    try:
        from probes import PROBES
    finally:
        sys.path.pop(0)
    return dict(PROBES)
