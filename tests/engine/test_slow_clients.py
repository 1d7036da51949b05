"""Clients that take their time over an answer which the application has finished long since."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from engine.harness import Server, Start, request_bytes
from engine.http2 import Http2Client

SIZE = 32 << 20
"""More than the kernel keeps for two ends of a connection."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    with path.open("wb") as made:
        made.truncate(SIZE)
    return path


@pytest.fixture(params=["asgi", "wsgi"])
def request_of(request: pytest.FixtureRequest, file: Path) -> bytes:
    return request_bytes(f"{'/pathsend' if request.param == 'asgi' else '/file'}?{file}")


@pytest.fixture
def server(request: pytest.FixtureRequest, asgi: Start, wsgi: Start) -> Server:
    serve = asgi if request.node.callspec.params["request_of"] == "asgi" else wsgi
    return serve(keep_alive_timeout=0.3)


def test_the_idle_time_does_not_cut_an_answer(server: Server, request_of: bytes) -> None:
    client = server.client()
    client.send(request_of)
    time.sleep(1)  # not reading is the point
    assert len(client.response().body) >= SIZE - 10
    assert client.is_closed()


def test_a_drained_server_closes_once_the_answer_is_out(asgi: Start, file: Path) -> None:
    server = asgi(keep_alive_timeout=60, graceful_timeout=60)
    client = server.client()
    client.send(request_bytes(f"/pathsend?{file}"))
    assert client.head()[0] == 200
    server.signal(signal.SIGTERM)
    client.exactly(SIZE)
    assert client.is_closed()
    assert server.wait()["outcome"] == 0


def test_the_idle_time_does_not_cut_a_stream(asgi: Start, file: Path) -> None:
    client = Http2Client.to(asgi(keep_alive_timeout=0.3).address)
    stream = slow_stream(client, file)
    time.sleep(1)
    client.acknowledge(stream)
    assert len(client.response(stream).body) == SIZE
    client.wait_for_end()


def test_draining_does_not_cut_a_stream(asgi: Start, file: Path) -> None:
    server = asgi()
    client = Http2Client.to(server.address)
    stream = slow_stream(client, file)
    server.signal(signal.SIGTERM)
    client.wait(lambda: client.goaway is not None, "the first GOAWAY")
    client.ping()
    time.sleep(2.5)  # longer than an idle connection may take over its goodbye
    client.acknowledge(stream)
    assert len(client.response(stream).body) == SIZE
    client.wait_for_end()
    assert server.wait()["outcome"] == 0


def test_a_client_that_leaves_a_thread_waiting_is_noticed(wsgi: Start) -> None:
    """The stream's window is used up, so only reading tells; the only thread has it."""
    server = wsgi(max_response_spool=1 << 20)
    client = Http2Client.to(server.address)
    stream = client.begin("/megabytes")
    client.held.add(stream)
    client.wait(lambda: len(client.answers[stream].body) == 65535, "the first window")
    client.socket.shutdown(socket.SHUT_RDWR)
    assert server.get("/").status == 200


def slow_stream(client: Http2Client, file: Path) -> int:
    """Whose window is used up; the application has said all."""
    stream = client.begin(f"/pathsend?{file}")
    client.held.add(stream)
    client.wait(lambda: len(client.answers[stream].body) == 65535, "the first window")
    return stream


def test_the_access_log_tells_of_downloads_that_were_broken_off(asgi: Start, file: Path) -> None:
    server = asgi(access_log=2)
    whole, broken = server.client(), server.client()
    for client in whole, broken:
        client.send(request_bytes(f"/pathsend?{file}"))
        assert client.head()[0] == 200
    whole.exactly(SIZE)
    broken.reset()
    whole.close()
    server.stop()
    lines = [line for line in server.log().splitlines() if "/pathsend" in line]
    assert len(lines) == 2
    aborted = [line for line in lines if line.endswith(" aborted")]
    assert len(aborted) == 1
    assert f" {SIZE} " not in aborted[0]
