"""An app behind https: the daemon's certificates reach the edge, and are renewed under its visitors."""

import os
import shutil
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from support.authority import Authority
from support.host import Host, free_port
from support.wait import until

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.url_scheme"].encode()]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("first", "site.localhost")
    made.issue("renewed", "site.localhost")
    return made


class Secure:
    """A Serai that listens for TLS; its certificate is served.crt with served.key."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self.host, self.port = authority, Host(), free_port()
        self.certificate, self.key = folder / "served.crt", folder / "served.key"
        self.use("first")
        files = ["--certificate", str(self.certificate), "--key", str(self.key)]
        self.options = ["--listen-tls", f"127.0.0.1:{self.port}", *files]

    def use(self, name: str) -> None:
        shutil.copy(self.authority.folder / f"{name}.crt", self.certificate)
        shutil.copy(self.authority.folder / f"{name}.key", self.key)
        self.key.chmod(0o600)

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return self.authority.client().wrap_socket(plain, server_hostname="site.localhost")

    def shown(self) -> str:
        with self.connect() as connection:
            certificate = connection.getpeercert()
            assert certificate
            return str(dict(field[0] for field in certificate["subject"])["commonName"])  # type: ignore[misc]

    def read_again(self) -> None:
        assert self.host.daemon
        self.host.daemon.send_signal(signal.SIGHUP)


def ask(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: site.localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"https"):
        piece = connection.recv(4096)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return answer


@pytest.fixture
def secure(authority: Authority, tmp_path: Path) -> Iterator[Secure]:
    made = Secure(authority, tmp_path)
    try:
        made.host.start(*made.options)
        yield made
    finally:
        left = made.host.stop()
        made.host.remove()
    assert not left, str(left)


def test_certificates_are_renewed_without_a_dropped_connection_and_outlive_the_edge(
    secure: Secure, write: Callable[..., Path]
) -> None:
    host = secure.host
    host.deploy(write("site", {"app.py": APP}), name="site")
    with httpx.Client(http1=False, http2=True, verify=secure.authority.client()) as browser:
        named = {"headers": {"host": "site.localhost"}, "extensions": {"sni_hostname": "site.localhost"}}
        answer = browser.get(f"https://127.0.0.1:{secure.port}/", **named)  # type: ignore[arg-type]
    assert (answer.status_code, answer.http_version, answer.text) == (200, "HTTP/2", "https")
    with secure.connect() as open_connection:
        ask(open_connection)
        secure.certificate.write_text("no certificate")
        secure.read_again()
        until(lambda: "tls.not_renewed" in host.tail(), "the daemon refuses what is no certificate")
        assert secure.shown() == "first"
        secure.use("renewed")  # noticed by itself, too, within some seconds
        secure.read_again()
        until(lambda: secure.shown() == "renewed", "new handshakes get the new certificate")
        ask(open_connection)
    os.kill(host.edge().pid, signal.SIGKILL)
    with secure.connect() as connection:
        ask(connection)
    host.stop_daemon()
    host.start(*secure.options)
    assert secure.shown() == "renewed"


def test_a_daemon_does_not_start_with_a_broken_certificate(secure: Secure) -> None:
    secure.host.stop_daemon()
    secure.key.write_text("no key")
    with pytest.raises(AssertionError, match=r"served\.key"):
        secure.host.start(*secure.options)
    assert secure.shown() == "first"
    secure.use("first")
    secure.host.start(*secure.options)
