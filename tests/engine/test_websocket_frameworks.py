"""WebSockets of applications that frameworks make."""

from __future__ import annotations

import json
import time

import pytest
from engine.harness import PATIENCE, Server, Start
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect


def open_at(server: Server, path: str) -> ClientConnection:
    host, port = server.address
    return connect(f"ws://{host}:{port}{path}", subprotocols=["chat"], open_timeout=PATIENCE)


def heard(server: Server) -> list[list[object]]:
    until = time.monotonic() + PATIENCE
    while not (told := server.get("/heard").json):
        assert time.monotonic() < until
        time.sleep(0.01)
    return told


@pytest.mark.parametrize(("name", "refusal"), [("starlette", 418), ("fastapi", 403)])
def test_frameworks_accept_talk_refuse_and_hear_the_end(asgi: Start, name: str, refusal: int) -> None:
    server = asgi(f"websocket_frameworks:{name}")
    with open_at(server, "/talk") as ws:
        assert ws.subprotocol == "chat"
        for message in ({"a": 1}, ["zwölf", None], "x" * 5000):
            ws.send(json.dumps(message))
            assert json.loads(ws.recv(PATIENCE)) == {"echo": message}
        ws.close(4001, "done")
    assert heard(server) == [[4001, "done"]]
    with pytest.raises(InvalidStatus) as refused, open_at(server, "/refuse"):
        pass
    assert refused.value.response.status_code == refusal
    with open_at(server, "/push") as ws:
        assert len(ws.recv(PATIENCE)) == 10_000
        ws.socket.close()
    assert server.stop()["outcome"] == 0
    assert "Exception in ASGI application" not in server.log(), "a client that leaves is no error"
