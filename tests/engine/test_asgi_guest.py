"""The engine as the guest of another event loop: asyncio's own as it comes, and uvloop."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from engine.harness import Server, Start, request_bytes
from support.wait import until


@pytest.fixture(params=["asyncio", "uvloop"])
def kind(request: pytest.FixtureRequest, python: str) -> str:
    if request.param == "uvloop" and python != sys.executable:
        pytest.skip("uvloop is installed for the test environment's own CPython only")
    return str(request.param)


@pytest.fixture
def guest(asgi: Start, kind: str) -> Start:
    def start(app: str = "asgi_app:app", **options: Any) -> Server:
        return asgi(app, loop=kind, **options)

    return start


def test_the_loop_is_of_the_kind_that_was_asked_for(guest: Start, kind: str) -> None:
    server = guest("asyncio_app:app")
    assert server.get("/loop-class").body.decode().startswith(kind)


def test_requests_on_kept_and_pipelined_connections(guest: Start) -> None:
    client = guest().client()
    assert [client.request("/").body for _ in range(50)] == [b"hello"] * 50
    bodies = [b"%d" % i for i in range(200)]
    client.send(b"".join(request_bytes("/echo", "POST", body) for body in bodies))
    assert [client.response().body for _ in bodies] == bodies


def test_streams_pass_both_ways(guest: Start) -> None:
    client = guest().client()
    assert client.request("/three-chunks").chunks == [b"chunk 0", b"chunk 1", b"chunk 2"]
    body = b"x" * 1_000_000
    assert client.request("/echo-stream", "POST", body).body == body


@pytest.mark.parametrize("path", ["/current-task", "/many-tasks", "/timeout", "/awaitables", "/stream", "/subprocess"])
def test_what_apps_do_with_asyncio_works(guest: Start, path: str) -> None:
    assert guest("asyncio_app:app").get(path).status == 200


def test_anyio_works(guest: Start, python: str) -> None:
    if python != sys.executable:
        pytest.skip("anyio may need packages that the test environment, of another CPython, has not")
    client = guest("asyncio_app:app").client()
    assert client.request("/anyio-group").json == {"found": [0, 1, 2], "cancelled": True}
    assert len({client.request("/anyio-thread").body for _ in range(5)}) == 1


def test_a_greedy_task_does_not_starve_others(guest: Start) -> None:
    server = guest("asyncio_app:app")
    greedy, other = server.client(), server.client()
    greedy.send(request_bytes("/greedy"))
    greedy.head()
    other.send(request_bytes("/sniff"))
    for chunk in greedy.chunks():
        assert chunk
    assert other.response().body == b"asyncio"
    assert server.get("/show-events").json == ["greedy timed out"]


def test_time_outs_of_the_engine_hold(guest: Start) -> None:
    client = guest(header_timeout=0.3).client()
    client.send(b"GET / HTTP/1.1\r\n")
    assert client.response().status == 408


def test_idle_connections_are_closed_in_time(guest: Start) -> None:
    client = guest(keep_alive_timeout=0.3).client()
    client.request("/")
    assert client.is_closed()


def test_draining_ends_it(guest: Start) -> None:
    server = guest("asyncio_app:app")
    client = server.client()
    client.request("/current-task")
    client.send(request_bytes("/timeout"))
    until(lambda: server.get("/sniff").body, "the other request runs")
    server.signal(signal.SIGTERM)
    assert client.response().body == b"timed out"
    assert server.wait()["outcome"] == 0


def test_an_application_that_cannot_start_says_so(guest: Start) -> None:
    summary = guest("lifespan_app:fails", lifespan="on").wait()
    assert summary["outcome"] == 3
    assert summary["startup_error"]


def test_it_sleeps_while_nothing_happens(guest: Start) -> None:
    server = guest()
    server.get("/")
    before, began = cpu_seconds(server), time.monotonic()
    time.sleep(0.5)
    assert cpu_seconds(server) - before < 0.1 * (time.monotonic() - began)


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
