"""WebSockets through the edge, with the `websockets` library at both ends."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.wait import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from .door import Edge


async def _echo(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            if message == "bye":
                return await connection.close(4000, "as you wish")
            await connection.send(message)
    return None


def _gate(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/private":
        return connection.respond(403, "members only")
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    return None


@contextlib.asynccontextmanager
async def _app(path: Path) -> AsyncIterator[None]:
    chat = [Subprotocol("chat")]
    async with unix_serve(_echo, str(path), process_request=_gate, subprotocols=chat, max_size=None, close_timeout=1):
        yield


def _through(edge: Edge, path: str = "/") -> connect:
    return connect(f"ws://127.0.0.1:{edge.port}{path}", subprotocols=[Subprotocol("chat")], max_size=None)


@pytest.fixture
def app_path(edge: Edge, tmp_path: Path) -> Path:
    path = tmp_path / "app.sock"
    edge.route(path)
    return path


def test_messages_of_all_sizes_come_back_and_the_close_code_too(edge: Edge, app_path: Path) -> None:
    async def talk() -> None:
        async with _app(app_path), _through(edge) as client:
            assert client.subprotocol == "chat"
            for size in (0, 1, 125, 126, 65_536, 3_000_000):
                message = os.urandom(size)
                await client.send(message)
                assert await client.recv() == message
            await client.send("bye")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (4000, "as you wish")

    asyncio.run(talk())
    until(lambda: edge.counters()["tunnels"] == 0, "the tunnel is counted out")
    until(lambda: " 101 " in (edge.folder / "access.log").read_text(), "the log line")


def test_many_clients_talk_at_once(edge: Edge, app_path: Path) -> None:
    async def chat(client: ClientConnection, number: int) -> None:
        for turn in range(20):
            await client.send(f"{number}.{turn}")
            assert await client.recv() == f"{number}.{turn}"

    async def talk() -> None:
        async with _app(app_path), contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(_through(edge)) for _ in range(50)]
            assert edge.counters()["tunnels"] == 50
            await asyncio.gather(*(chat(client, number) for number, client in enumerate(clients)))

    asyncio.run(talk())
    until(lambda: edge.counters()["in_flight"] == 0, "all are over")


def test_a_denial_is_an_answer_like_any_other(edge: Edge, app_path: Path) -> None:
    async def talk() -> None:
        async with _app(app_path):
            with pytest.raises(InvalidStatus) as refused:
                async with _through(edge, "/private"):
                    pass
            assert refused.value.response.status_code == 403
            assert refused.value.response.body == b"members only"

    asyncio.run(talk())


def test_a_websocket_outlives_a_change_of_routes(edge: Edge, app_path: Path, tmp_path: Path) -> None:
    async def talk() -> None:
        next_path = tmp_path / "next.sock"
        async with _app(app_path), _app(next_path), _through(edge) as old:
            edge.route(next_path, instance="next")
            async with _through(edge) as new:
                for client in (old, new):
                    await client.send("still there?")
                    assert await client.recv() == "still there?"

    asyncio.run(talk())
