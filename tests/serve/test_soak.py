"""Reloads, recycling and crashes under load, with clients that keep their connections and never retry.

`make soak` runs the long ones: a million requests over 200 reloads each for WSGI and ASGI; REQUESTS, RELOADS and
CRASHES change that. Every test prints what it counted.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.steady import Steady

from tests.serve.server import Server
from tests.support.wait import until

REQUESTS = int(os.environ.get("REQUESTS", 1_000_000))
RELOADS = int(os.environ.get("RELOADS", 200))
CRASHES = int(os.environ.get("CRASHES", 20))

APPS = ["--app-dir", str(Path(__file__).parent)]

pytestmark = pytest.mark.parametrize("kind", ["asgi", "wsgi"])


@dataclass
class Clients:
    """Busy ones, and more of them that rest between their requests: those are idle when their worker ends."""

    groups: list[Steady]

    @property
    def count(self) -> int:
        return sum(group.connections for group in self.groups)

    def total(self) -> int:
        return sum(group.report().total for group in self.groups)

    @property
    def failed(self) -> int:
        return sum(group.last.failed for group in self.groups)

    @property
    def idle_closes(self) -> int:
        return sum(group.last.idle_closes for group in self.groups)

    def failures(self) -> list[str]:
        return [failure for group in self.groups for failure in group.last.failures]

    def failures_of(self) -> dict[int, int]:
        counts: dict[int, int] = {}
        for group in self.groups:
            for worker, count in group.last.failures_of.items():
                counts[worker] = counts.get(worker, 0) + count
        return counts


@contextmanager
def clients_of(server: Server) -> Iterator[Clients]:
    """After the block the last reports are there."""
    with ExitStack() as running:
        groups = [Steady(server.port, 16), Steady(server.port, 48, rest_ms=25), Steady(server.port, 16, rest_ms=400)]
        yield Clients([running.enter_context(group) for group in groups])


def say(kind: str, what: str, clients: Clients, begun: float) -> None:
    requests = sum(group.last.total for group in clients.groups)
    print(
        f"\n{kind}: {requests} requests, {what}: {clients.failed} failed, {clients.idle_closes} idle connections cut, "
        f"slowest since the last look {max(group.last.slowest_ms for group in clients.groups):.0f} ms, "
        f"{time.monotonic() - begun:.0f} s"
    )


def reload_under_load(serve: Callable[..., Server], kind: str, reloads: int, requests: int) -> None:
    server = serve(f"load_apps:{kind}", *APPS, "--workers", "2", "--health-path", "/echo/up").ready()
    begun, done = time.monotonic(), 0
    with clients_of(server) as clients:
        while done < reloads or clients.total() < requests:
            server.signal(signal.SIGHUP)
            done += 1
            server.wait_for("serve.reloaded", done, seconds=60)
            clients.total()
            assert not clients.failed, clients.failures()
    say(kind, f"{done} reloads", clients, begun)
    assert (clients.failed, clients.idle_closes) == (0, 0), clients.failures()
    assert sum(len(group.last.workers) for group in clients.groups) > done  # new workers took part
    until(lambda: len(server.workers()) == 2, "the last old worker ends")


def test_reloads_fail_no_request(serve: Callable[..., Server], kind: str) -> None:
    reload_under_load(serve, kind, reloads=5, requests=5_000)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_many_reloads_fail_no_request(serve: Callable[..., Server], kind: str) -> None:
    reload_under_load(serve, kind, RELOADS, REQUESTS)


def recycle_under_load(serve: Callable[..., Server], kind: str, workers: int, each: int) -> None:
    server = serve(f"load_apps:{kind}", *APPS, "--workers", "2", "--max-requests", str(each)).ready()
    begun = time.monotonic()
    with clients_of(server) as clients:
        for done in range(1, workers + 1):
            server.wait_for("worker.recycled", done, seconds=60)
            clients.total()
            assert not clients.failed, clients.failures()
    say(kind, f"{workers} workers recycled", clients, begun)
    assert (clients.failed, clients.idle_closes) == (0, 0), clients.failures()


def test_recycling_fails_no_request(serve: Callable[..., Server], kind: str) -> None:
    recycle_under_load(serve, kind, workers=3, each=1_000)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_much_recycling_fails_no_request(serve: Callable[..., Server], kind: str) -> None:
    recycle_under_load(serve, kind, RELOADS, each=5_000)


def crash_under_load(serve: Callable[..., Server], kind: str, crashes: int) -> None:
    """Only what was under way in a killed worker may fail: at most one request per connection that it held."""
    server = serve(f"load_apps:{kind}", *APPS, "--workers", "2").ready()
    begun, killed = time.monotonic(), set()
    with clients_of(server) as clients:
        for done in range(1, crashes + 1):
            victim = server.workers()[0]
            killed.add(victim)
            before = clients.total()
            os.kill(victim, signal.SIGKILL)
            server.wait_for("worker.ready", 2 + done, seconds=60)
            until(lambda before=before: clients.total() > before + 200, "the load flows on", every=0.02)
    say(kind, f"{crashes} workers killed", clients, begun)
    failures = clients.failures_of()
    assert set(failures) <= killed | {0}, (clients.failures(), killed)  # 0: its connection was just made
    assert clients.failed <= crashes * clients.count


def test_a_crash_fails_the_requests_of_its_worker_only(serve: Callable[..., Server], kind: str) -> None:
    crash_under_load(serve, kind, crashes=3)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_many_crashes_fail_the_requests_of_their_workers_only(serve: Callable[..., Server], kind: str) -> None:
    crash_under_load(serve, kind, CRASHES)
