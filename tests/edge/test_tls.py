"""TLS in front of the edge, as Python's ssl and the `websockets` library see it."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.authority import Authority
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from .door import Edge
from .small_app import SmallApp


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("first", "first.test", "localhost")
    made.issue("second", "second.test")
    return made


def options(authority: Authority) -> list[str]:
    found = ["--listen-tls", "127.0.0.1:0"]
    for name in ("first", "second"):
        found += ["--certificate", f"{authority.folder}/{name}.crt", "--key", f"{authority.folder}/{name}.key"]
    return found


@pytest.fixture
def edge(tmp_path: Path, authority: Authority) -> Iterator[Edge]:
    with Edge(tmp_path, *options(authority)) as running:
        yield running


def secure_socket(
    edge: Edge, authority: Authority, host: str = "first.test", session: ssl.SSLSession | None = None, **more: Any
) -> ssl.SSLSocket:
    context = more.get("context") or authority.client()
    plain = socket.create_connection(("127.0.0.1", edge.tls_port), timeout=20)
    return context.wrap_socket(plain, server_hostname=host, session=session)


def subject(connection: ssl.SSLSocket) -> str:
    certificate = connection.getpeercert()
    assert certificate
    return str(dict(field[0] for field in certificate["subject"])["commonName"])  # type: ignore[misc]


def get(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {connection.server_hostname}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert answer.status == 200
    return answer.read()


def test_each_name_has_its_certificate_and_requests_reach_the_app(
    edge: Edge, authority: Authority, tmp_path: Path
) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    edge.route(app.path)
    for host, name in (("first.test", "first"), ("second.test", "second")):
        with secure_socket(edge, authority, host) as connection:
            assert connection.version() == "TLSv1.3"
            assert subject(connection) == name
            assert [get(connection), get(connection)] == [b"one", b"one"]


def test_new_certificates_leave_open_connections_alone(edge: Edge, authority: Authority, tmp_path: Path) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    edge.route(app.path)
    authority.issue("renewed", "first.test")
    message = {"type": "certificates", "ticket_secret": "0" * 64, "ticket_period": 0}
    with secure_socket(edge, authority) as before:
        assert get(before) == b"one"
        broken = {**authority.pem("renewed"), "key": authority.pem("second")["key"]}
        refused = edge.control.ask({**message, "pairs": [broken]})
        assert refused["type"] == "error" and "renewed.crt" in refused["message"], refused
        with secure_socket(edge, authority) as between:
            assert subject(between) == "first"
        applied = edge.control.ask({**message, "pairs": [authority.pem("renewed")]})
        assert applied == {"type": "certificates_applied", "warnings": []}
        with secure_socket(edge, authority) as after:
            assert subject(after) == "renewed" and get(after) == b"one"
        assert get(before) == b"one"


def test_a_successor_resumes_the_sessions_of_the_edge_before_it(authority: Authority, tmp_path: Path) -> None:
    app = SmallApp(tmp_path / "app.sock", "one")
    context = authority.client()
    message = {
        "type": "certificates",
        "ticket_secret": "0123456789abcdef" * 4,
        "ticket_period": 0,
        "pairs": [authority.pem("first")],
    }
    session, resumed = None, []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            with Edge(folder, listen=False) as edge:
                refused = edge.control.ask({"type": "listen", "secure": [True]}, [listening.fileno()])
                assert refused["type"] == "error" and "certificates" in refused["message"], refused
                assert edge.control.ask(message)["type"] == "certificates_applied"
                assert (
                    edge.control.ask({"type": "listen", "secure": [True]}, [listening.fileno()])["type"] == "listening"
                )
                edge.route(app.path)
                with secure_socket(edge, authority, session=session, context=context) as connection:
                    assert get(connection) == b"one"
                    session = connection.session
                    resumed.append(connection.session_reused)
    assert resumed == [False, True]


def test_a_plain_request_is_told_to_use_https(edge: Edge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.tls_port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert answer.status == 400 and b"https://" in answer.read()


def test_a_websocket_passes_through_tls(edge: Edge, authority: Authority, tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        assert connection.request and connection.request.headers["X-Forwarded-Proto"] == "https"
        async for message in connection:
            await connection.send(message)

    async def talk() -> None:
        path = tmp_path / "app.sock"
        edge.route(path)
        async with (
            unix_serve(echo, str(path), max_size=None),
            connect(f"wss://localhost:{edge.tls_port}/", ssl=authority.client(), max_size=None) as client,
        ):
            for message in ("hello", b"x" * 2_000_000):
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(talk())
