"""Routes that change under load: deploys, holds and restarts lose no request."""

import hashlib
import http.client
import os
import threading
from pathlib import Path

from .door import Edge
from .small_app import SmallApp

SWITCHES = 50
CLIENTS = 6


class Client(threading.Thread):
    """One kept-alive connection that never retries; every third request is an upload."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__()
        self._port, self._stop_asked = port, stop
        self.answers, self.failures = 0, []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop_asked.is_set():
            try:
                self._ask(connection)
                self.answers += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(repr(error))
                return

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        upload = os.urandom(70_000) if self.answers % 3 == 2 else None
        connection.request("POST" if upload else "GET", "/", body=upload)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body)
        if upload:
            assert body == hashlib.sha256(upload).hexdigest().encode()
        else:
            assert body.startswith(b"version "), body


def test_no_request_is_lost_through_switches_holds_and_restarts(edge: Edge, tmp_path: Path) -> None:
    app = SmallApp(tmp_path / "0.sock", "version 0")
    edge.route(app.path, instance="0")
    stop = threading.Event()
    clients = [Client(edge.port, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for number in range(1, SWITCHES + 1):
        if number % 5 == 0:  # as a restart does: nobody answers for a while
            edge.route(app.path, instance=str(number - 1), state="hold")
            app.end()
            app = SmallApp(tmp_path / f"{number}.sock", f"version {number}")
        else:  # as a deploy does: both are there
            old, app = app, SmallApp(tmp_path / f"{number}.sock", f"version {number}")
            edge.route(app.path, instance=str(number))
            old.end()
            continue
        edge.route(app.path, instance=str(number))
    stop.set()
    for client in clients:
        client.join()
    assert [failure for client in clients for failure in client.failures] == []
    assert all(client.answers > SWITCHES / 5 for client in clients)
    edge.route(tmp_path / "none.sock")
    app.end()
