"""Servers for the engine's tests: `asgi(...)` and `wsgi(...)` start one; after the test nothing may be left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from engine.harness import Server, Start, engine_folder, running
from engine.http2 import Http2Client


def interpreters(config: pytest.Config) -> list[str]:
    if not config.getoption("--every-python"):
        return [sys.executable]
    found = {}
    candidates = [sys.executable, *sorted(map(str, Path.home().glob(".pyenv/versions/*/bin/python3")))]
    for python in candidates:
        probe = subprocess.run(
            [python, "-c", "import sys; print(sys.implementation.cache_tag)"],
            capture_output=True,
            text=True,
            check=False,
        )
        tag = probe.stdout.strip()
        if engine_folder(tag).is_dir():
            found.setdefault(tag, python)
    return list(found.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "python" in metafunc.fixturenames:
        metafunc.parametrize("python", interpreters(metafunc.config), scope="session")


@pytest.fixture
def start(python: str, tmp_path: Path) -> Iterator[Start]:
    """Starts servers that are drained after the test; checks that each closed what it had opened."""
    servers: list[Server] = []
    with ExitStack() as stack:

        def one(app: str, interface: str, options: dict[str, Any], **more: Any) -> Server:
            server = stack.enter_context(running(python, tmp_path, app, interface, options, **more))
            servers.append(server)
            return server

        yield one
    for server in servers:
        summary = server.summary or {}
        if "left" in summary:
            assert summary["left"] == [], "descriptors left open"
            assert summary["stats"]["connections"] == 0
            assert summary["stats"]["in_flight"] == 0


@pytest.fixture
def asgi(start: Start) -> Start:
    """asgi("/path-independent app name", **options)"""
    return lambda app="asgi_app:app", lifespan="auto", interface="asgi", unix=None, loop="serai", **options: start(
        app, interface, options, lifespan=lifespan, unix=unix, loop=loop
    )


@pytest.fixture
def wsgi(start: Start) -> Start:
    return lambda app="wsgi_app:app", unix=None, **options: start(app, "wsgi", options, unix=unix)


@pytest.fixture
def client(server: Server) -> Iterator[Http2Client]:
    """One HTTP/2 connection to the module's `server`; both have said their settings."""
    client = Http2Client.to(server.address)
    client.ping()
    yield client
    client.close()
