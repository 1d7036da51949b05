"""Workers are replaced by requests, age, memory or stuck threads: one at a time, and nobody notices."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Load, Server
from tests.support.wait import until

GROWING = """
    import os, threading, time

    kept = []

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/grow":
            kept.append(os.urandom(64 << 20))
        if path == "/stick":
            end = time.monotonic() + 30
            while time.monotonic() < end:
                try:
                    time.sleep(30)
                except BaseException:
                    pass  # cannot be told
        start_response("200 OK", [])
        return [b"%d" % os.getpid()]
"""


def test_workers_are_replaced_after_so_many_requests(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--workers", "2", "--max-requests", "200").ready()
    before = set(server.workers())
    with Load(server) as load:
        until(lambda: not before & set(server.workers()), "both workers are replaced")
    assert load.failures == []
    recycled = server.wait_for("worker.recycled", 2)
    assert "requests (--max-requests)" in recycled["message"]
    names = [event["event"] for event in server.events]
    exits = [i for i, name in enumerate(names) if name == "worker.exited"]
    for count, exit_at in enumerate(exits, 1):  # a successor serves before its worker ends
        assert names[:exit_at].count("worker.ready") >= 2 + count
    assert all("code 0" in event["message"] for event in server.named("worker.exited"))


def test_workers_are_replaced_when_they_are_old(serve: Callable[..., Server]) -> None:
    server = serve("asgi_app:app", "--max-worker-age", "1s").ready()
    with Load(server) as load:
        server.wait_for("worker.recycled", 2)
    assert load.failures == []


def test_workers_are_replaced_when_they_have_grown(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("growing.py", GROWING)
    server = serve("growing:app", "--max-worker-memory", "150MiB").ready()
    old = server.get()[1]
    for _ in range(3):
        server.get("/grow")
    assert "of memory (--max-worker-memory)" in server.wait_for("worker.recycled")["message"]
    server.wait_for("worker.exited")
    assert server.get()[1] != old


def test_a_worker_with_a_stuck_thread_is_replaced(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("growing.py", GROWING)
    server = serve("growing:app", "--request-timeout", "300ms", "--threads", "2").ready()
    statuses: list[int] = []
    stuck = threading.Thread(target=lambda: statuses.append(server.get("/stick")[0]))
    stuck.start()
    with Load(server) as load:
        stuck.join(5)
        assert statuses == [504]
        assert "do not come back" in server.wait_for("worker.recycled")["message"]
        server.wait_for("worker.exited")
    assert load.failures == []
    assert "GET /stick took longer than 0.3 s" in server.log()


BLOCKING = """
    import os, time

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        if scope["path"] == "/stick":
            end = time.monotonic() + 60
            while time.monotonic() < end:
                time.sleep(0.1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
"""


@pytest.mark.slow  # the grace of five seconds
def test_a_worker_whose_event_loop_is_blocked_answers_and_is_replaced(
    folder: Folder, serve: Callable[..., Server]
) -> None:
    folder.write("blocking.py", BLOCKING)
    server = serve("blocking:app", "--request-timeout", "300ms", "--graceful-timeout", "1s").ready()
    began = time.monotonic()
    assert server.get("/stick")[0] == 504
    assert time.monotonic() - began < 5
    assert "do not come back" in server.wait_for("worker.recycled")["message"]
    assert server.get()[0] == 200  # by the successor
    server.wait_for("worker.exited")
    assert "the event loop is blocked here" in server.log()
