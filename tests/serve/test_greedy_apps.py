"""Applications that only ever wait for a client that never lets them wait: others are served all the same."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.priority import put_ahead
from support.steady import Steady

from tests.serve.bad_clients import HANDSHAKE, Door, masked
from tests.serve.conftest import Folder
from tests.serve.server import ENGINE, Server
from tests.support.wait import until

SECONDS = 0.6
"""After which the application is interrupted by its own timeout."""
MOST_LATER_MS = 10

APP = f"""
    import asyncio, time
    from load_apps import asgi

    async def app(scope, receive, send):
        loop = LOOPS.get(scope.get("path"))
        if loop is None:
            return await asgi(scope, receive, send)
        begun = time.monotonic()
        try:
            async with asyncio.timeout({SECONDS}):
                await loop(receive, send)
        except TimeoutError:
            with open("timeouts", "a") as file:
                print(time.monotonic() - begun, file=file)

    async def sends(receive, send):
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        while True:
            await send({{"type": "http.response.body", "body": PIECE, "more_body": True}})

    async def receives(receive, send):
        while (await receive())["type"] == "http.request":
            pass

    async def accepts(receive, send):
        await receive()
        await send({{"type": "websocket.accept"}})

    async def sends_messages(receive, send):
        await accepts(receive, send)
        while True:
            await send({{"type": "websocket.send", "bytes": PIECE}})

    async def receives_messages(receive, send):
        await accepts(receive, send)
        while (await receive())["type"] == "websocket.receive":
            pass

    PIECE = b"x" * 1000
    LOOPS = {{"/send": sends, "/receive": receives, "/ws-send": sends_messages, "/ws-receive": receives_messages}}
"""


@dataclass
class Fast:
    """A client that takes all that it gets, or gives all that is taken, until it is told to stop."""

    opening: bytes
    gives: bytes = b""
    over: bool = False

    def run(self, door: Door) -> None:
        pieces = self.gives * ((1 << 18) // max(1, len(self.gives)))
        with contextlib.suppress(OSError), door.open_plain() as client:
            client.sendall(self.opening)
            while not self.over:
                if pieces:
                    client.sendall(pieces)
                elif not client.recv(1 << 20):
                    return


def websocket(path: bytes) -> bytes:
    return HANDSHAKE.replace(b"GET /", b"GET " + path, 1)


UPLOAD = b"POST /receive HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
FAST_CLIENTS: dict[str, Callable[[], Fast]] = {
    "send": lambda: Fast(b"GET /send HTTP/1.1\r\nHost: test\r\n\r\n"),
    "receive": lambda: Fast(UPLOAD, b"400\r\n" + bytes(1024) + b"\r\n"),
    "websocket send": lambda: Fast(websocket(b"/ws-send")),
    "websocket receive": lambda: Fast(websocket(b"/ws-receive"), masked(0x82, bytes(100))),
}


@pytest.mark.parametrize("loop", ["serai", "uvloop"])
def test_a_greedy_app_keeps_nobody_waiting(folder: Folder, serve: Callable[..., Server], loop: str) -> None:
    folder.write("greedy.py", APP)
    timeouts = folder.path / "timeouts"
    server = serve("greedy:app", "--loop", loop, "--max-body", "0", env={"PYTHONPATH": python_path()}).ready()
    door = Door(server.port, patience=2)
    put_ahead(*server.workers())
    with Steady(server.port, 4, rest_ms=5, ahead=True) as good:
        for number, (name, make) in enumerate(FAST_CLIENTS.items(), 1):
            without = p99_ms(good, SECONDS)
            fast = make()
            thread = threading.Thread(target=fast.run, args=(door,), daemon=True)
            thread.start()
            beside = p99_ms(good, SECONDS)
            until(lambda number=number: len(lines(timeouts)) == number, f"asyncio.timeout fires in {name}", 10)
            fast.over = True
            thread.join(10)
            late = lines(timeouts)[-1] - SECONDS
            print(f"{loop}, {name}: p99 {without:.1f} ms, {beside:.1f} ms beside it; timeout {late * 1000:.1f} ms late")
            assert late < 0.5, name
            assert beside - without <= MOST_LATER_MS, name
    assert not good.last.failed, good.last.failures


def python_path() -> str:
    return f"{ENGINE}:{Path(__file__).parent}"


def p99_ms(good: Steady, seconds: float) -> float:
    good.report()
    time.sleep(seconds)
    return good.report().p99_ms


def lines(file: Path) -> list[float]:
    return [float(line) for line in file.read_text().split()] if file.exists() else []
