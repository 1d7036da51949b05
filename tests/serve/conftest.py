"""Apps under test, written into each test's own folder."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serve.server import ENGINE, Server

sys.path.insert(0, str(ENGINE))  # for tests that call the package's functions

WSGI = """
    import os, signal, time

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/crash":
            signal.raise_signal(signal.SIGSEGV)
        if path == "/exit":
            os._exit(7)
        if path == "/hang":
            open("hang-began", "w").close()
            while True:
                time.sleep(60)
        if path == "/slow":
            open("slow-began", "w").close()
            time.sleep(0.6)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{os.getpid()} {VERSION}".encode()]

    VERSION = "one"
"""

ASGI = """
    import asyncio, os

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        status = int(os.environ.get("HEALTH", "200")) if scope["path"] == "/up" else 200
        if scope["path"] == "/slow":
            open("slow-began", "w").close()
            await asyncio.sleep(0.6)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

    async def lifespan(receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        open(f"shutdown-{os.getpid()}", "w").close()
        await send({"type": "lifespan.shutdown.complete"})
"""


class Folder:
    """Where an app lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("wsgi_app.py", WSGI)
        self.write("asgi_app.py", ASGI)

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(textwrap.dedent(text))
        return file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def serve(folder: Folder) -> Iterator[Callable[..., Server]]:
    """Starts servers in the folder; all are ended and checked for leftovers."""
    with ExitStack() as running:

        def start(*arguments: str, **options: Any) -> Server:
            return running.enter_context(Server(folder.path, *arguments, **options))

        yield start
