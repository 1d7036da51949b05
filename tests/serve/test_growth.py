"""Nothing grows with the number of requests: REQUESTS of all kinds, a million unless told otherwise."""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.steady import Steady

from tests.engine.http2 import Http2Client
from tests.serve.bad_clients import HANDSHAKE, Door, masked
from tests.serve.conftest import Folder
from tests.serve.memory import proportional_kib
from tests.serve.server import Server
from tests.support.authority import Authority

REQUESTS = int(os.environ.get("REQUESTS", 1_000_000))
LAPS = 20
WARM_UP = 5
"""Laps that do not count."""
MOST_KIB = 1024
"""So much more at the end than after the warm-up, in the medians of some laps: the heaps of a WSGI worker's threads
take a million requests to fill."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(12 * 3600)]


class Others:
    """Clients that do in a second what the steady ones do not: HTTP/2, WebSockets, and connections that are cut."""

    def __init__(self, port: int, kind: str) -> None:
        self._port, self._kind = port, kind
        self._over = threading.Event()
        self.rounds = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Others":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
        assert self.rounds > 0

    def _run(self) -> None:
        while not self._over.is_set():
            self._speak_http2()
            self._leave_in_the_middle()
            if self._kind == "asgi":
                self._speak_websocket()
            self.rounds += 1

    def _speak_http2(self) -> None:
        client = Http2Client.to(("127.0.0.1", self._port))
        for number in range(20):
            assert client.request(f"/echo/{number}").body == str(number).encode()
            assert client.request("/echo", "POST", bytes(5000)).body == bytes(5000)
            client.reset(client.begin("/stream/x"))
        client.close()

    def _leave_in_the_middle(self) -> None:
        for beginning in (b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc", b"\0\r\n"):
            with Door(self._port).open_plain() as client:
                client.sendall(beginning)

    def _speak_websocket(self) -> None:
        with Door(self._port).open_plain() as client:
            client.sendall(HANDSHAKE)
            client.recv(4096)
            for _ in range(20):
                client.sendall(masked(0x82, bytes(100)))
                client.recv(4096)
            client.sendall(masked(0x88, (1000).to_bytes(2, "big")))
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass


@pytest.mark.parametrize("encryption", ["plain", "tls"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_nothing_grows(folder: Folder, serve: Callable[..., Server], kind: str, encryption: str) -> None:
    certificate = Authority(folder.path / "certificates").issue("site") if encryption == "tls" else []
    apps = [f"load_apps:{kind}", "--app-dir", str(Path(__file__).parent)]
    server = serve(*apps, *certificate, "--access-log", "access.log").ready()
    (worker,) = server.workers()
    memory: list[int] = []
    with ExitStack() as running:
        clients = running.enter_context(Steady(server.port, 32, tls=bool(certificate)))
        if not certificate:
            running.enter_context(Others(server.port, kind))
        for lap in range(1, LAPS + 1):
            while clients.report().total < REQUESTS * lap / LAPS:
                time.sleep(0.1)
            memory.append(proportional_kib(worker))
    growth = median(memory[-5:]) - median(memory[WARM_UP - 1 : WARM_UP + 4])
    print(f"{kind}, {encryption}: {clients.last.total} requests: {growth} KiB more; KiB after each twentieth: {memory}")
    assert not clients.last.failed, clients.last.failures
    assert growth < MOST_KIB


def median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
