"""Answers under WSGI that are sent while the application makes them (PEP 3333, "Buffering and Streaming"): blocks that
come fast leave together, but none waits for the application."""

import socket
import struct
from pathlib import Path

import pytest
from engine.harness import Client, Server, Start, request_bytes
from engine.http2 import Http2Client

from tests.support.wait import until

STREAMS = "wsgi_streams:app"
FAST = [b"fast 0", b"fast 1", b"fast 2"]
THREADS = pytest.mark.parametrize("threads", [1, 4])


def begin(server: Server, target: str) -> Client:
    client = server.client()
    client.send(request_bytes(target))
    client.head()
    return client


def events_of(server: Server) -> list[str]:
    return server.get("/events").body.decode().split()


@THREADS
@pytest.mark.parametrize("path", ["fast-then-asleep", "written-then-asleep"])
def test_no_block_waits_for_the_application(wsgi: Start, tmp_path: Path, path: str, threads: int) -> None:
    server = wsgi(STREAMS, threads=threads)
    for number in range(3):
        seen = tmp_path / f"seen-{number}"
        chunks = begin(server, f"/{path}?{seen}").chunks()
        assert [next(chunks) for _ in FAST] == FAST
        seen.touch()
        assert list(chunks) == [b"last"]


def test_no_block_waits_over_http2_either(wsgi: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    client = Http2Client.to(wsgi(STREAMS).address)
    stream = client.begin(f"/fast-then-asleep?{seen}")
    client.wait(lambda: bytes(client.answers[stream].body) == b"".join(FAST), "the blocks before the sleep")
    seen.touch()
    client.wait(lambda: client.answers[stream].body.endswith(b"last"), "the end")


def test_blocks_that_come_fast_leave_together(wsgi: Start) -> None:
    client = begin(wsgi(STREAMS), "/many?20000")
    assert b"".join(client.chunks()) == b"".join(b"%08d" % i for i in range(20000))
    segments = struct.unpack_from("I", client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 152)[0]
    assert 0 < segments < 5000


@THREADS
def test_what_a_slow_client_has_not_taken_goes_on_while_the_application_sleeps(
    wsgi: Start, tmp_path: Path, threads: int
) -> None:
    seen = tmp_path / "seen"
    client = begin(wsgi(STREAMS, threads=threads), f"/many-then-asleep?{seen}")
    framed = b"400\r\n" + bytes(1024) + b"\r\n"
    assert client.exactly(16 * 1024 * len(framed)) == 16 * 1024 * framed
    seen.touch()
    assert list(client.chunks()) == [b"last"]


@THREADS
def test_a_streamed_answer_does_not_wait_for_close(wsgi: Start, tmp_path: Path, threads: int) -> None:
    seen = tmp_path / "seen"
    assert list(begin(wsgi(STREAMS, threads=threads), f"/asleep-in-close?{seen}").chunks()) == FAST
    seen.touch()


def test_blocks_before_an_exception_reach_the_client(wsgi: Start) -> None:
    server = wsgi(STREAMS)
    chunks = begin(server, "/fast-then-broken").chunks()
    assert [next(chunks) for _ in FAST] == FAST
    with pytest.raises((EOFError, ConnectionResetError)):
        next(chunks)
    assert events_of(server) == ["closed-by-1"]


def test_an_answer_is_made_and_closed_on_one_thread(wsgi: Start) -> None:
    server = wsgi(STREAMS, threads=4)
    clients = [server.client() for _ in range(16)]
    for client in clients:
        client.send(request_bytes("/many?3000"))
    assert [len(client.response().chunks) for client in clients] == [3000] * 16
    until(lambda: events_of(server) == ["closed-by-1"] * 16, "all answers are closed")


@THREADS
@pytest.mark.parametrize("pause", ["", "0.01"])
def test_an_answer_is_closed_when_its_client_has_left(wsgi: Start, pause: str, threads: int) -> None:
    server = wsgi(STREAMS, threads=threads)
    client = begin(server, f"/endless?{pause}")
    client.exactly(4096)
    client.reset()
    until(lambda: events_of(server) == ["closed-by-1"], "the answer is closed")


def memory_of(server: Server, kind: str) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(kind))


def test_what_is_gathered_for_a_slow_client_goes_to_disk_up_to_a_limit(wsgi: Start) -> None:
    server = wsgi(STREAMS, threads=2, max_response_spool=32 << 20, write_timeout=1)
    assert events_of(server) == []
    before = memory_of(server, "VmRSS")
    client = begin(server, "/endless")
    until(lambda: events_of(server) == ["closed-by-1"], "the client is given up")
    assert memory_of(server, "VmHWM") - before < 16 << 20
    client.close()


def test_a_time_limit_ends_an_answer_behind_the_blocks_that_were_made(wsgi: Start, tmp_path: Path) -> None:
    server = wsgi(STREAMS, threads=2, request_timeout=0.3)
    chunks = begin(server, f"/fast-then-asleep?{tmp_path / 'never'}").chunks()
    assert [next(chunks) for _ in FAST] == FAST
    with pytest.raises((EOFError, ConnectionResetError)):
        next(chunks)
    until(lambda: events_of(server) == ["closed-by-1"], "the thread comes back")
