"""What is cheap to send and dear to serve (CVE-2023-44487, CVE-2024-27316, CVE-2019-9512 to 9518, CVE-2025-8671): the
connection ends with ENHANCE_YOUR_CALM, the server stays well."""

import socket
import threading
from collections.abc import Callable

import h2.errors
import pytest
from engine.harness import Server, Start
from engine.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Client,
    block,
    frame,
    pseudo,
)
from engine.test_leaks import resident_kib

GET = block(pseudo())
POST = block(pseudo("/echo", "POST"))
CALM = int(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
FLOW_CONTROL_ERROR = int(h2.errors.ErrorCodes.FLOW_CONTROL_ERROR)
MANY = 20_000


def each(count: int, make: Callable[[int], bytes]) -> bytes:
    """For the first `count` streams of a client."""
    return b"".join(make(2 * index + 1) for index in range(count))


FLOODS = {
    "rapid reset": each(
        MANY,
        lambda stream: (
            frame(HEADERS, END_HEADERS | END_STREAM, stream, GET) + frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))
        ),
    ),
    "made you reset": each(
        MANY,
        lambda stream: frame(HEADERS, END_HEADERS, stream, POST) + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff"),
    ),
    "continuation": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, block([("x-a", "b" * 100)])) * MANY,
    "empty continuation": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1) * MANY,
    "ping": frame(PING, 0, 0, b"12345678") * MANY,
    "settings": frame(SETTINGS, 0, 0) * MANY,
    "priority": each(1, lambda stream: frame(HEADERS, END_HEADERS, stream, POST))
    + frame(PRIORITY, 0, 1, bytes(5)) * MANY,
    "window update": frame(WINDOW_UPDATE, 0, 0, (1).to_bytes(4, "big")) * MANY,
    "empty data": frame(HEADERS, END_HEADERS, 1, POST) + frame(DATA, 0, 1) * MANY,
    "padding only": frame(HEADERS, END_HEADERS, 1, POST) + frame(DATA, 8, 1, b"\2ab") * MANY,
    "malformed": each(MANY, lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, block([(":path", "/")]))),
    "hopeless heads": each(
        MANY // 100, lambda stream: frame(HEADERS, END_HEADERS, stream, GET + block([("x-a", "b" * 100)] * 120))
    ),
}


@pytest.fixture(scope="module", params=["asgi", "wsgi-threads"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def flood(server: Server, frames: bytes) -> Http2Client:
    """Sends it from a thread, since the server need not read to the end."""
    client = Http2Client.to(server.address)
    client.ping()
    sender = threading.Thread(target=client.raw, args=(frames,), daemon=True)
    sender.start()
    client.wait_for_end(only_goaway=True)
    client.close()
    sender.join(20)
    return client


def test_floods_end_the_connection(kind: str, asgi: Start, wsgi: Start) -> None:
    limit = {"max_header_bytes": 2000}
    server = asgi(**limit) if kind == "asgi" else wsgi(threads=2, **limit)
    good = Http2Client.to(server.address)
    good.request()
    memory = resident_kib(server)
    ends = {}
    for name, frames in FLOODS.items():
        ends[name] = flood(server, frames).goaway
        assert good.request().body == b"hello", f"after {name}"
    calm = dict.fromkeys(FLOODS, CALM)
    # Later nghttp2 holds a window that overflows against the whole connection, and ends it at the first.
    assert ends in (calm, {**calm, "made you reset": FLOW_CONTROL_ERROR})
    assert resident_kib(server) - memory < 4000
    good.close()
    server.stop()
    assert server.summary and server.summary["stats"]["in_flight"] == 0


def test_pings_that_are_not_read_are_not_answered_for_ever(asgi: Start) -> None:
    server = asgi()
    hostile = socket.create_connection(server.address)  # type: ignore[arg-type]
    hostile.settimeout(20)
    hostile.sendall(PREFACE + frame(SETTINGS, 0, 0))
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(10_000):
            hostile.sendall(frame(PING, 0, 0, b"12345678") * 100)
    hostile.close()
    assert Http2Client.to(server.address).request().body == b"hello"


def test_tiny_windows_do_not_make_tiny_frames_for_ever(asgi: Start) -> None:
    """CVE-2019-9511: a byte of window at a time costs the peer its allowance."""
    server = asgi("http2_app:app")
    client = Http2Client.to(server.address, {4: 1})
    client.ping()
    stream = client.begin("/megabyte")
    client.held.add(stream)
    sender = threading.Thread(
        target=client.raw, args=(frame(WINDOW_UPDATE, 0, stream, (1).to_bytes(4, "big")) * MANY,), daemon=True
    )
    sender.start()
    assert client.wait_for_end() == CALM
    sender.join(20)
    assert len(client.answers[stream].body) < MANY


def test_a_busy_but_honest_client_is_left_alone(asgi: Start) -> None:
    """Many requests, now and then one given up, a ping for each: what browsers and proxies do."""
    client = Http2Client.to(asgi().address)
    for turn in range(1500):
        stream = client.begin("/slow?0" if turn % 50 == 0 else "/")
        if turn % 50 == 0:
            client.reset(stream)
        else:
            assert client.response(stream).status == 200
        if turn % 5 == 0:
            client.ping()
    assert client.goaway is None
