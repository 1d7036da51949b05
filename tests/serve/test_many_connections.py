"""Ten thousand idle connections held by one worker, and what each of them costs."""

import contextlib
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.steady import Steady

from tests.serve.conftest import Folder
from tests.serve.memory import proportional_kib
from tests.serve.server import Server
from tests.support.authority import Authority
from tests.support.wait import until

MOST_BYTES = {"plain": 2048, "tls": 18 * 1024}
"""Of process memory, for a connection that has had one answer."""
REQUEST = b"GET /echo/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOME, MANY = 1000, 10_000


@contextlib.contextmanager
def descriptors(count: int) -> Iterator[None]:
    """For us and for those whom we start."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, before[1])))
    except (ValueError, PermissionError):
        pytest.skip(f"{count} descriptors are not allowed here: raise `ulimit -Hn`")
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], before[1]), max(count, before[1])))


@pytest.mark.parametrize(
    ("encryption", "count"),
    [
        ("plain", SOME),
        pytest.param("plain", MANY, marks=pytest.mark.slow),
        pytest.param("tls", MANY, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(600)
def test_idle_connections_cost_little(
    folder: Folder, serve: Callable[..., Server], encryption: str, count: int
) -> None:
    certificate = Authority(folder.path / "certificates").issue("site") if encryption == "tls" else []
    with descriptors(count + 4096), ExitStack() as held:
        apps = ["load_apps:asgi", "--app-dir", str(Path(__file__).parent)]
        server = serve(*apps, *certificate, "--keep-alive-timeout", "10m", "--access-log", "off").ready()
        (worker,) = server.workers()
        context = client_context() if certificate else None
        for _ in range(200):  # what the first ones cost is no cost of each
            held.enter_context(idle(server.port, context))
        before = proportional_kib(worker)
        for _ in range(count):
            held.enter_context(idle(server.port, context))
        each = (proportional_kib(worker) - before) * 1024 / count
        print(f"{count} idle connections, {encryption}: {each:.0f} bytes each")
        with Steady(server.port, 4, tls=bool(certificate)) as good:
            until(lambda: good.report().lap > 100, "others are served")
        assert not good.last.failed
        assert each <= MOST_BYTES[encryption]


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextlib.contextmanager
def idle(port: int, context: ssl.SSLContext | None) -> Iterator[None]:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    with context.wrap_socket(client, server_hostname="localhost") if context else client as client:
        client.sendall(REQUEST)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        yield
