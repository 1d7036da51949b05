"""The server inside a program: `serai.serve` and `serai.running`."""

import asyncio
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import ENGINE, Server, environment_of
from tests.support.wait import until


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["loop"] = asyncio.get_running_loop()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    same = scope["state"]["loop"] is asyncio.get_running_loop()
    if scope["path"] == "/slow":
        await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"asgi {same} {threading.current_thread().name}".encode()})


def wsgi(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    return [f"wsgi {threading.current_thread().name}".encode()]


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


def get(url: str, path: str = "/") -> str:
    host = url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(host, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


async def fetch(port: int, path: str = "/") -> str:
    """With streams of the running loop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]


@pytest.mark.parametrize(("app", "answer"), [(asgi, "asgi True serai"), (wsgi, "wsgi serai")])
def test_a_block_has_a_server_on_a_thread_of_its_own(app: Any, answer: str) -> None:
    import serai

    with serai.running(app, threads=1) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        url = server.url
        assert [get(url) for _ in range(3)] == [answer] * 3
    with pytest.raises(OSError):
        get(url)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_an_asgi_app_shares_the_running_loop(kind: str) -> None:
    import serai

    async def main() -> None:
        for _ in range(2):
            async with serai.running(asgi) as server:
                answers = await asyncio.gather(*(fetch(server.port) for _ in range(20)))
                assert answers == ["asgi True MainThread"] * 20
                slow = asyncio.ensure_future(fetch(server.port, "/slow"))
                await asyncio.sleep(0.05)
            assert (await slow) == "asgi True MainThread"  # it was finished

    run_in(kind, main())


def run_in(kind: str, coroutine: Any) -> None:
    if kind == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(coroutine)
    finally:
        loop.close()


def test_a_wsgi_app_is_served_beside_the_running_loop() -> None:
    import serai

    async def main() -> None:
        async with serai.running(wsgi) as server:
            assert (await fetch(server.port)).startswith("wsgi serai")

    asyncio.run(main())


def test_an_app_that_cannot_start_is_an_error() -> None:
    import serai

    async def main() -> None:
        async with serai.running(refuses):
            pass

    with pytest.raises(serai.Failure, match="no database"):
        asyncio.run(main())
    with pytest.raises(serai.Failure, match="no database"), serai.running(refuses):
        pass


def test_nothing_is_left_open() -> None:
    import serai

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def main() -> None:
        async with serai.running(asgi) as server:
            await fetch(server.port)

    before = descriptors()
    for _ in range(3):
        asyncio.run(main())
        with serai.running(wsgi, access_log="/dev/null") as server:
            get(server.url)
    assert descriptors() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("serai")]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"workrs": 2}, "no such setting"),
        ({"workers": 2}, "an app that each worker can import"),
        ({"max_requests": 5}, "an app that each worker can import"),
        ({"interface": "rack"}, "none of auto, wsgi, asgi, asgi2"),
        ({"max_body": "lots"}, "32MiB"),
        ({"bind": "127.0.0.1"}, "is no port"),
    ],
)
def test_mistakes_are_failures(chosen: dict[str, Any], found: str) -> None:
    import serai

    with pytest.raises(serai.Failure, match=found), serai.running(wsgi, **chosen):
        pass


SCRIPT = """
    import os, sys
    import serai
    from wsgi_app import app

    if __name__ == "__main__":
        code = serai.serve(app if {object} else "wsgi_app:app", bind=["127.0.0.1:0"], log_format="json", {more})
        open("code", "w").write(str(code))
"""


@pytest.mark.parametrize(("is_object", "more"), [(True, "threads=2"), (False, "workers=2")])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_serve_blocks_until_a_signal_and_finishes_requests(
    folder: Folder, is_object: bool, more: str, signum: signal.Signals
) -> None:
    folder.write("script.py", SCRIPT.format(object=is_object, more=more))
    with Script(folder) as server:
        ready = server.wait_for("serve.ready" if is_object else "serve.starting")
        if not is_object:
            server.ready()
        connection = http.client.HTTPConnection(ready["url"].removeprefix("http://"), timeout=20)
        connection.request("GET", "/slow")
        until((folder.path / "slow-began").exists, "the request runs")
        server.signal(signum)
        assert connection.getresponse().status == 200
        assert server.exit_code(10) == 0
        assert (folder.path / "code").read_text() == "0"


class Script(Server):
    """script.py of the folder, in place of `python -m serai`."""

    def __init__(self, folder: Folder) -> None:
        launch = "import os, sys; os.execv(sys.executable, [sys.executable, 'script.py'])"
        super().__init__(folder.path, launcher=["-c", launch], bind=False)


def test_importing_the_package_is_quick() -> None:
    """Less than 30 ms, and less than a fifth of what importing asyncio and ssl costs."""
    code = """
import time
began = time.process_time(); import serai; ours = time.process_time() - began
began = time.process_time(); import asyncio, ssl, http.client; theirs = time.process_time() - began
print(ours, theirs)
"""
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.run(command, env=environment_of({}), capture_output=True, text=True, check=True) for _ in range(3)
    ]
    ours, theirs = min(tuple(map(float, run.stdout.split())) for run in runs)
    assert ours < 0.03
    assert ours < theirs / 5
    assert (ENGINE / "serai/py.typed").exists()
