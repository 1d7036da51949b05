"""The edge's limits as options."""

import contextlib
import socket
import subprocess
from pathlib import Path

import pytest
from support.cli import EXECUTABLE

from .door import Edge


def ends(client: socket.socket) -> bool:
    """The edge has closed this connection."""
    client.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        return client.recv(1) == b""
    return True


def test_an_address_has_as_many_connections_as_it_is_given(tmp_path: Path) -> None:
    with Edge(tmp_path, "--max-connections-per-address", "2", "--header-timeout", "60") as edge:
        clients = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(3)]
        assert ends(clients[2])
        for client in clients[:2]:
            client.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 404")
        for client in clients:
            client.close()


def test_a_head_has_as_long_as_it_is_given(tmp_path: Path) -> None:
    with (
        Edge(tmp_path, "--header-timeout", "0.5") as edge,
        socket.create_connection(("127.0.0.1", edge.port)) as client,
    ):
        client.sendall(b"GET / HT")
        client.settimeout(5)  # by default it is 10
        assert client.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("wrong", [("--max-connections", "0"), ("--keep-alive-timeout", "soon")])
def test_mistakes_are_explained(tmp_path: Path, wrong: tuple[str, str]) -> None:
    done = subprocess.run(
        [EXECUTABLE, "edge", "--folder", tmp_path, *wrong], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert wrong[0] in done.stderr
