"""Memory: proportional set size of all processes of a server after 10,000 requests, per idle connection, per worker.

    scripts/bench memory [--peers NAME …] [--connections N]

Shared pages count in parts (PSS), so that a server of several processes is not charged twice for one library. Idle
connections are kept alive after one request each; WebSockets after the handshake. Kernel memory is not in it.
"""

import argparse
import base64
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import contenders
import cpu
import loads
import rows
from contenders import OURS, Contender
from rows import Row
from turns import Bench, Failed, one_line

FOLDER = contenders.REPOSITORY / "build" / "bench"
REQUESTS = 10_000
HELLO = rows.chosen(["asgi-hello"])[0]
TLS_HELLO = rows.chosen(["tls-hello"])[0]
WEBSOCKET = rows.chosen(["ws-text"])[0]
WORKERS = (1, 2, 4)
SETTLING = 1.0  # seconds until a server has given back what it means to


def pss_kib(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


@dataclass
class Kind:
    """A connection that is left open."""

    name: str
    row: Row

    def open(self, port: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        if "tls" in self.row.needs:
            connection = loads.trusting().wrap_socket(connection)
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        if "websocket" in self.row.needs:
            key = base64.b64encode(os.urandom(16)).decode()
            request += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            request += f"Sec-WebSocket-Key: {key}\r\n"
        connection.sendall(request.encode() + b"\r\n")
        if not connection.recv(4096).startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")):
            raise Failed("a connection was refused")
        return connection


KINDS = [Kind("plain", HELLO), Kind("tls", TLS_HELLO), Kind("websocket", WEBSOCKET)]


class Measurement:
    """One server's figures, in KiB; what it lacks or fails at is told instead."""

    def __init__(self, bench: Bench, contender: Contender, connections: int) -> None:
        self._bench = bench
        self._contender = contender
        self._connections = connections

    def run(self) -> dict[str, float | str]:
        found: dict[str, float | str] = {"server": self._contender.name, "version": self._contender.version()}
        found["after requests"] = self._try(self._after_requests, HELLO)
        for kind in KINDS:
            found[f"idle {kind.name}"] = self._try(lambda kind=kind: self._per_connection(kind), kind.row)  # type: ignore[misc]
        if self._contender.name == OURS:
            one, two, four = (self._workers(count) for count in WORKERS)
            found |= {"one worker": one, "second worker": two - one, "each of two more": (four - two) / 2}
        return found

    def _try(self, measure, row: Row) -> float | str:  # type: ignore[no-untyped-def]
        if lack := self._contender.lacks(row):
            return lack
        try:
            return round(measure(), 2)
        except (Failed, loads.Wrong, OSError, subprocess.CalledProcessError) as failure:
            return one_line(str(failure))[:80]

    @contextlib.contextmanager
    def _serving(self, row: Row, workers: int = 1) -> Iterator[tuple[cpu.Program, int]]:
        with self._bench.serving(self._contender, row, workers) as (program, port):
            ask(port, REQUESTS, "tls" in row.needs) if not row.message else None
            time.sleep(SETTLING)
            yield program, port

    def _after_requests(self) -> float:
        with self._serving(HELLO) as (program, _):
            return pss_kib(program.pids())

    def _per_connection(self, kind: Kind) -> float:
        with self._serving(kind.row) as (program, port), contextlib.ExitStack() as stack:
            first = stack.enter_context(contextlib.closing(kind.open(port)))  # what the first one needs is no cost per
            assert first.fileno() >= 0
            time.sleep(SETTLING)
            before = pss_kib(program.pids())
            for _ in range(self._connections):
                stack.enter_context(contextlib.closing(kind.open(port)))
            time.sleep(SETTLING)
            return (pss_kib(program.pids()) - before) / self._connections

    def _workers(self, count: int) -> float:
        with self._serving(HELLO, count) as (program, _):
            return pss_kib(program.pids())


def ask(port: int, requests: int, encrypted: bool) -> None:
    scheme = "https" if encrypted else "http"
    command = ["h2load", "--h1", "-n", str(requests), "-c", "32", f"{scheme}://127.0.0.1:{port}/"]
    done = subprocess.run(["taskset", "-c", cpu.LOAD_CPU, *command], capture_output=True, text=True, check=True)
    if f"{requests} succeeded" not in done.stdout:
        raise Failed(f"not all of {requests} requests were answered")


def told(found: dict[str, float | str]) -> str:
    cells = [f"{found['server']} {found['version']}".ljust(30)]
    for name, value in found.items():
        if name not in ("server", "version"):
            cells.append(f"{name}: {value:.1f} KiB" if isinstance(value, float | int) else f"{name}: – ({value})")
    return "  ".join(cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="*", default=[], metavar="NAME", help="only these beside ours")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # servers inherit it
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, seconds=1)
    results = []
    for contender in contenders.contenders():
        wanted = contender.name == OURS or not given.peers or contender.name in given.peers
        if not wanted or contender.lacks(HELLO) or not contender.version():
            continue
        results.append(Measurement(bench, contender, given.connections).run())
        print(told(results[-1]), flush=True)
    (folder / "memory.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
