"""An application forks, and its child leaves by sys.exit(): it ends, with its status, and its parent serves on."""

import pytest
from engine.harness import Server, Start


def check(server: Server) -> None:
    assert server.get("/fork").body.lstrip(b".") == b"7"
    assert server.get("/").body == b"hello"  # on a new connection


@pytest.mark.parametrize("threads", [1, 3])
def test_under_wsgi(wsgi: Start, threads: int) -> None:
    check(wsgi("fork_app:wsgi", threads=threads))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_child_that_returns_ends(wsgi: Start, threads: int) -> None:
    server = wsgi("fork_app:wsgi", threads=threads)
    assert server.get("/return").body == b"1"
    assert server.get("/").body == b"hello"
    assert "a child that the application forked returned into the server" in server.log()


@pytest.mark.parametrize("loop", ["serai", "asyncio"])
def test_under_asgi(asgi: Start, loop: str) -> None:
    check(asgi("fork_app:asgi", loop=loop))


def test_under_asgi_with_a_time_limit(asgi: Start) -> None:
    check(asgi("fork_app:asgi", request_timeout=30))
