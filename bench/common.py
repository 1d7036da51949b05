"""What the benchmarks share: workloads, CPU time of process trees, load by wrk, interleaved rounds, the table.

CPU time per request is the figure: it stays steady on a noisy machine, and ratios taken side by side in one run
compare programs rather than machines. Every answer is verified before it is timed.
"""

import contextlib
import http.client
import os
import platform
import re
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpu import LOAD_CPU, SERVER_CPU, ticks, tree

REPOSITORY = Path(__file__).resolve().parent.parent
APPS = REPOSITORY / "bench" / "apps"
RELEASE = REPOSITORY / "build" / "release"
PEERS = Path(sys.executable).parent  # scripts/bench runs us in the virtual environment that has them
CONNECTIONS = 32


@dataclass(frozen=True)
class Workload:
    """One app of bench/apps, and what must be in its answer to `path`."""

    name: str
    interface: str  # "asgi" or "wsgi"
    says: bytes
    path: str = "/?q=hello"

    @property
    def folder(self) -> Path:
        return APPS / self.name


WORKLOADS = [
    Workload("plain_asgi", "asgi", b"Hello, World!"),
    Workload("starlette", "asgi", b'"q":"hello"'),
    Workload("fastapi", "asgi", b'"name":"hello"'),
    Workload("plain_wsgi", "wsgi", b"Hello, World!"),
    Workload("flask", "wsgi", b'"q":"hello"'),
    Workload("django", "wsgi", b"row &lt;9&gt;"),
]


@dataclass
class Contender:
    """A running program, or several that serve a request together."""

    name: str
    port: int
    process_ids: Callable[[], Iterable[int]]  # of everything that works for a request
    host: str = "127.0.0.1"
    scheme: str = "http"
    costs: list[float] = field(default_factory=list)  # µs of CPU per request, one per round
    rates: list[float] = field(default_factory=list)  # requests per second

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)


class Wrong(Exception):
    """A contender answers something else, or not at all: its figures would mean nothing."""


# -- processes --------------------------------------------------------------------------------------------------------


class Program:
    """A program pinned to the servers' CPU, ended with all its children when the block ends."""

    def __init__(self, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            ["taskset", "-c", SERVER_CPU, *command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def process_ids(self) -> list[int]:
        return tree(self._process.pid)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def pin(pids: Iterable[int], cpu: str = SERVER_CPU) -> None:
    """Moves running processes, with all their threads, to a CPU."""
    for pid in pids:
        subprocess.run(["taskset", "-a", "-p", "-c", cpu, str(pid)], capture_output=True, check=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# -- asking -----------------------------------------------------------------------------------------------------------


def wait_until_answers(contender: Contender, workload: Workload, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return verify(contender, workload)
        except (OSError, http.client.HTTPException, Wrong):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def verify(contender: Contender, workload: Workload) -> None:
    """Asks a few times on one kept-alive connection."""
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=10)
    if contender.scheme == "https":
        trusting = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", contender.port, timeout=10, context=trusting)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", workload.path, headers={"Host": contender.host})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or workload.says not in body:
                raise Wrong(f"{contender.name} answered {answer.status} to {workload.path}: {body[:200]!r}")


def wrk(contender: Contender, workload: Workload, seconds: int) -> int:
    """Asks as fast as it can for some seconds; how many answers came. A single wrong one is an error."""
    url = f"{contender.scheme}://127.0.0.1:{contender.port}{workload.path}"
    command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    done = subprocess.run([*command, "-H", f"Host: {contender.host}", url], capture_output=True, text=True, check=True)
    if re.search(r"Non-2xx|Socket errors", done.stdout):
        raise Wrong(f"{contender.name} under load:\n{done.stdout}")
    answers = re.search(r"(\d+) requests in", done.stdout)
    assert answers, done.stdout
    return int(answers[1])


def measure(contender: Contender, workload: Workload, seconds: int) -> None:
    """One round: adds a cost and a rate."""
    verify(contender, workload)
    before = ticks(contender.process_ids())
    begun = time.monotonic()
    answers = wrk(contender, workload, seconds)
    elapsed = time.monotonic() - begun
    contender.costs.append((ticks(contender.process_ids()) - before) / answers)
    contender.rates.append(answers / elapsed)


def interleave(contenders: Sequence[Contender], workload: Workload, rounds: int, seconds: int) -> None:
    """Rounds in which each contender has its turn, after one that warms up and does not count."""
    for contender in contenders:
        wait_until_answers(contender, workload)
        wrk(contender, workload, 1)
    for _ in range(rounds):
        for contender in contenders:
            measure(contender, workload, seconds)


# -- telling ----------------------------------------------------------------------------------------------------------


def print_machine() -> None:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    print(f"{os.cpu_count()} × {model[1] if model else platform.machine()}, Linux {platform.release()}")


def print_table(workload: Workload, contenders: Sequence[Contender], ours: str) -> None:
    """Costs with their spread, and each as a multiple of ours."""
    reference = next(contender.cost for contender in contenders if contender.name == ours)
    print(f"\n{workload.name}: µs of CPU per request, median [lowest–highest] of {len(contenders[0].costs)} rounds")
    for contender in contenders:
        spread = f"[{min(contender.costs):.1f}–{max(contender.costs):.1f}]"
        rate = statistics.median(contender.rates)
        print(
            f"  {contender.name:<22}{contender.cost:8.1f}  {spread:<18}{contender.cost / reference:6.2f} × {ours}"
            f"{rate:10.0f} requests/s"
        )
