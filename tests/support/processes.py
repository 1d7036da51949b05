"""Looking at /proc."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    uid: int
    state: str
    command: tuple[str, ...]

    @property
    def is_alive(self) -> bool:
        return self.state not in "ZX"

    def __str__(self) -> str:
        return f"pid {self.pid} (uid {self.uid}, {self.state}): {' '.join(self.command) or '?'}"


def read(pid: int) -> Process | None:
    """None when there is no such process (any more)."""
    folder = Path("/proc") / str(pid)
    try:
        # The name in parentheses may hold anything, so the fields are counted from the last one.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
        return Process(pid, int(fields[1]), folder.stat().st_uid, fields[0], tuple(filter(None, command)))
    except (FileNotFoundError, ProcessLookupError):
        return None


def everyone() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := read(int(entry.name))):
            yield process


def descendants(pid: int) -> list[Process]:
    """All processes below `pid`, nearest first."""
    children: dict[int, list[Process]] = {}
    for process in everyone():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(0), [])
        found += below
        queue += [process.pid for process in below]
    return found


def environment(pid: int) -> dict[str, str]:
    with contextlib.suppress(OSError):
        raw = (Path("/proc") / str(pid) / "environ").read_bytes().decode(errors="replace")
        return dict(part.partition("=")[::2] for part in raw.split("\0") if part)
    return {}


def groups(pid: int) -> set[str]:
    """The names of the control groups that it is in, without their parents'."""
    try:
        return {line.rpartition("/")[2] for line in (Path("/proc") / str(pid) / "cgroup").read_text().splitlines()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, with those of its children that were waited for."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
