"""The clients of bad_clients.py, alone and all at once: they keep no good one waiting, and leave nothing behind."""

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.priority import put_ahead
from support.steady import Steady

from tests.serve.bad_clients import Door, known, let_loose
from tests.serve.conftest import Folder
from tests.serve.memory import proportional_kib
from tests.serve.server import Server
from tests.serve.test_metrics import scrape
from tests.support.authority import Authority
from tests.support.places import REPOSITORY
from tests.support.wait import until

LEFT_KIB = 8192
"""What a worker may keep after all of them: free memory of the allocators, which the next ones use."""
PAIRS = int(os.environ.get("PAIRS", 20))
BLOCK = float(os.environ.get("BLOCK", 4))
MOST_RATIO = 1.5

IMPATIENT = [
    *("--header-timeout", "500ms", "--body-timeout", "500ms", "--write-timeout", "500ms", "--max-body", "1MiB"),
    *("--ws-ping-interval", "300ms", "--ws-ping-timeout", "300ms", "--tls-handshake-timeout", "500ms"),
]

Start = Callable[..., Server]


@pytest.fixture
def start(folder: Folder, serve: Start) -> Start:
    """Starts a server of tests/serve/load_apps.py, with metrics."""

    def one(kind: str, encryption: str, *options: str) -> Server:
        certificate = Authority(folder.path / "certificates").issue("site") if encryption == "tls" else []
        metrics = ["--metrics-bind", f"unix:{folder.path}/metrics.sock"]
        return serve(f"load_apps:{kind}", "--app-dir", str(Path(__file__).parent), *metrics, *certificate, *options)

    return one


class Watch:
    """What the server holds."""

    def __init__(self, server: Server, folder: Folder) -> None:
        self._server, self._metrics = server, folder.path / "metrics.sock"

    def has_none(self) -> bool:
        """No connection and no request is left."""
        found = scrape(self._metrics)
        return found["serai_connections"] == found["serai_requests_in_flight"] == 0

    def memory_kib(self) -> int:
        return proportional_kib(*self._server.workers())


# Alone.


@pytest.mark.parametrize(("kind", "encryption"), [("asgi", "tls"), ("wsgi", "plain")])
def test_each_alone_is_dealt_with(folder: Folder, start: Start, kind: str, encryption: str) -> None:
    server = start(kind, encryption, *IMPATIENT).ready()
    watch = Watch(server, folder)
    door = Door(server.port, encryption == "tls", patience=0.6)
    warm_up(door, watch)
    before = watch.memory_kib()
    for name, attack in known(door.tls).items():
        begun = time.monotonic()
        thread = threading.Thread(target=let_loose, args=(attack, door), daemon=True)
        thread.start()
        with Steady(server.port, 1, tls=door.tls) as good:
            thread.join(10)
            assert not thread.is_alive(), f"{name} was not thrown out"
        assert not good.last.failed, (name, good.last.failures)
        until(watch.has_none, f"{name} is forgotten", seconds=5)
        seconds, kib = time.monotonic() - begun, watch.memory_kib() - before
        print(
            f"{name}: {seconds:.1f} s, the slowest of {good.last.lap} answers took {good.last.slowest_ms} ms, {kib} KiB"
        )
    assert watch.memory_kib() - before < LEFT_KIB


def warm_up(door: Door, watch: Watch) -> None:
    """What only the first one costs, such as the app's own buffers, is not what bad clients leave."""
    attacks = [threading.Thread(target=let_loose, args=(a, door), daemon=True) for a in known(door.tls).values()]
    with Steady(door.port, 4, tls=door.tls):
        for attack in attacks:
            attack.start()
        for attack in attacks:
            attack.join(20)
    until(watch.has_none, "all are forgotten")


# All at once.


@contextlib.contextmanager
def all_of_them(door: Door) -> Iterator[None]:
    """In a process of its own; leaves the block when it has ended, and its connections with it."""
    command = [sys.executable, "-m", "tests.serve.bad_clients", str(door.port), *(["--tls"] if door.tls else [])]
    loose = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE)
    with contextlib.suppress(PermissionError):  # other work of the machine should not hold them back
        os.setpriority(os.PRIO_PROCESS, loose.pid, -10)
    try:
        yield
    finally:
        loose.kill()
        loose.wait()
        assert loose.stdin
        loose.stdin.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("encryption", ["plain", "tls"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_all_at_once_do_not_keep_a_good_client_waiting(
    folder: Folder, start: Start, kind: str, encryption: str
) -> None:
    server = start(kind, encryption).ready()
    watch = Watch(server, folder)
    door = Door(server.port, encryption == "tls")
    with all_of_them(door):
        time.sleep(BLOCK)
    until(watch.has_none, "the bad clients are forgotten")
    before = watch.memory_kib()
    ratios = []
    put_ahead(*server.workers())
    with Steady(server.port, 4, rest_ms=5, tls=door.tls, ahead=True) as good:
        for _ in range(PAIRS):
            off = p99_of_a_block(good)
            with all_of_them(door):
                on = p99_of_a_block(good)
            ratios.append(on / off)
            print(f"{off:.2f} ms without, {on:.2f} ms with them; {watch.memory_kib() - before} KiB", flush=True)
    until(watch.has_none, "the bad clients are forgotten")
    left = watch.memory_kib() - before
    print(f"{kind}, {encryption}: p99 {statistics.median(ratios):.2f} times in the median of {PAIRS}, {left} KiB left")
    assert not good.last.failed, good.last.failures
    assert statistics.median(ratios) <= MOST_RATIO, sorted(ratios)
    assert left < LEFT_KIB


def p99_of_a_block(good: Steady) -> float:
    time.sleep(BLOCK / 4)
    good.report()
    time.sleep(BLOCK)
    return good.report().p99_ms
