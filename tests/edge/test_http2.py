"""HTTP/2 in front of the edge: real clients over TLS, WebSockets on streams (RFC 8441), the conformance suite."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from engine.http2 import Http2Client, pseudo
from support.authority import Authority
from support.h2spec import CASES, JUDGED, outcome
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.frames import Frame, Opcode

from .door import Edge
from .small_app import SmallApp


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("first", "first.test", "localhost", "also.test")
    made.issue("second", "second.test")
    return made


@pytest.fixture
def edge(tmp_path: Path, authority: Authority) -> Iterator[Edge]:
    files = []
    for name in ("first", "second"):
        files += ["--certificate", f"{authority.folder}/{name}.crt", "--key", f"{authority.folder}/{name}.key"]
    with Edge(tmp_path, "--listen-tls", "127.0.0.1:0", *files) as running:
        yield running


def test_many_requests_share_a_connection_and_their_bodies_arrive_whole(
    edge: Edge, authority: Authority, tmp_path: Path
) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    edge.route(app.path)

    async def talk() -> None:
        async with httpx.AsyncClient(http1=False, http2=True, verify=authority.client(), timeout=60) as client:

            async def post(size: int) -> None:
                body = os.urandom(size)
                answer = await client.post(f"https://localhost:{edge.tls_port}/", content=body)
                assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
                assert answer.text == hashlib.sha256(body).hexdigest()

            await asyncio.gather(*(post(size) for size in [0, 1, 70_000, *range(40)]))
            # By itself, since httpx waits for ever for a window that came while another of its requests was reading.
            await post(3_000_000)

    asyncio.run(talk())
    assert edge.control.ask({"type": "counters"})["connections"] <= 1
    assert edge.counters()["requests"] == 44
    assert edge.end() == 0
    assert (tmp_path / "access.log").read_text().count('"POST / HTTP/2.0" 200 64 ') == 44


def test_a_request_for_a_host_with_another_certificate_is_misdirected(
    edge: Edge, authority: Authority, tmp_path: Path
) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    edge.route(app.path)
    with httpx.Client(http1=False, http2=True, verify=authority.client()) as client:
        statuses = [
            client.get(f"https://localhost:{edge.tls_port}/", headers={"host": host}).status_code
            for host in ("localhost", "also.test", "second.test", "second.test:443", "unknown.test")
        ]
    assert statuses == [200, 200, 421, 421, 200]


def test_a_websocket_runs_on_a_stream_beside_requests(edge: Edge, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    edge.route(path)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    def talk() -> None:
        context = authority.client()
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", edge.tls_port), timeout=20)
        client = Http2Client(context.wrap_socket(plain, server_hostname="localhost"))
        version = ("sec-websocket-version", "13")
        opening = [(":protocol", "websocket"), *pseudo("/", "CONNECT"), version, ("sec-websocket-protocol", "chat")]
        stream = client.begin_with([(n, "localhost" if n == ":authority" else v) for n, v in opening], end=False)
        answer = client.answers[stream]
        client.wait(lambda: answer.status or answer.is_over, "the handshake")
        assert answer.status == 200 and dict(answer.headers)["sec-websocket-protocol"] == "chat"
        message = os.urandom(200_000)
        client.send(stream, bytes(Frame(Opcode.BINARY, message).serialize(mask=True)))
        client.wait(lambda: len(answer.body) >= len(message) + 10, "the echo")
        assert bytes(answer.body[10:]) == message
        client.send(stream, bytes(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)))
        client.wait(lambda: answer.ended, "the end of the stream")
        client.close()

    async def run() -> None:
        async with unix_serve(echo, str(path), max_size=None, subprotocols=["chat"], compression=None):  # type: ignore[list-item]
            await asyncio.to_thread(talk)

    asyncio.run(run())
    assert edge.counters()["tunnels"] == 0


def test_a_drain_ends_connections_without_losing_a_request(edge: Edge, authority: Authority, tmp_path: Path) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    edge.route(app.path)
    client = Http2Client.to(("127.0.0.1", edge.port))
    assert client.request("/").body == b"one"
    edge.process.terminate()
    client.wait_for_end(only_goaway=True)
    assert client.goaway == 0
    assert edge.process.wait(timeout=20) == 0


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_all_of_h2spec_passes(edge: Edge, tmp_path: Path, transport: str) -> None:
    app = SmallApp(tmp_path / "app.sock", "hello h2spec " * 100)
    edge.route(app.path)
    port, options = (edge.tls_port, ["--tls", "--insecure"]) if transport == "tls" else (edge.port, [])
    count, failed = outcome(port, tmp_path / "report.xml", *options)
    assert count >= CASES
    assert failed == JUDGED[transport]
