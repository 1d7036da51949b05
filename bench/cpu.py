"""CPU time, kernel time included: of everything a server starts, of the whole machine, and who used the rest."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SERVER_CPU, LOAD_CPU = "0", "1"
CGROUPS = Path("/sys/fs/cgroup")


class Group:
    """A control group that counts CPU time in nanoseconds, of processes that have ended as well.

    Where none can be made (no root, no controller) the ticks of the processes that are alive are added up.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        v1, v2 = CGROUPS / "cpuacct", CGROUPS / "cgroup.controllers"
        parent = v1 if v1.is_dir() else CGROUPS if v2.exists() else None
        if parent:
            with contextlib.suppress(OSError):
                self._folder = Path(tempfile.mkdtemp(prefix="serai-bench-", dir=parent))

    @property
    def exists(self) -> bool:
        return self._folder is not None

    def enter(self) -> None:
        """In the child, before exec."""
        if self._folder:
            (self._folder / "cgroup.procs").write_text("0")

    def microseconds(self, pids: Sequence[int]) -> float:
        if self._folder is None:
            return ticks(pids)
        if (usage := self._folder / "cpuacct.usage").exists():
            return int(usage.read_text()) / 1e3
        return float((self._folder / "cpu.stat").read_text().split()[1])

    def close(self) -> None:
        if not self._folder:
            return
        for _ in range(100):  # the last process may still be on its way out
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.02)


class Program:
    """A program pinned to a CPU, with its output in a file, ended with all its children when the block ends."""

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        cpu: str = SERVER_CPU,
    ) -> None:
        self._group = Group()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            ["taskset", "-c", cpu, *map(str, command)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=self._group.enter,
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def counts_ended(self) -> bool:
        """Whether `microseconds` has the time of children that are gone."""
        return self._group.exists

    def pids(self) -> list[int]:
        return tree(self._process.pid)

    def microseconds(self) -> float:
        return self._group.microseconds(self.pids())

    def output(self, most: int = 2000) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-most:]

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        family = self.pids()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        for pid in family:  # some leave the session; all were ours
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._group.close()
        self._log.close()


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, …; none for a process that is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def ticks(pids: Sequence[int]) -> float:
    """User and system time of living processes, in microseconds; to 10 ms."""
    used = sum(int(value) for pid in pids for value in stat_fields(pid)[11:13])
    return used * 1e6 / os.sysconf("SC_CLK_TCK")


def machine_microseconds() -> float:
    """What all CPUs have worked since the start, in microseconds; to 10 ms."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) * 1e6 / os.sysconf("SC_CLK_TCK")


def need(tool: str, package: str) -> None:
    if not shutil.which(tool):
        raise SystemExit(f"bench: {tool} is missing; install the Debian package {package}")
