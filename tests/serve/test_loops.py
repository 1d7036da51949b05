"""Whose event loop runs the app, and what apps bring to it: signal handlers, loops in threads, debug mode, coverage."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.serve.conftest import Folder
from tests.serve.server import Server, environment_of
from tests.support.wait import until

APP = """
    import asyncio, signal, sys, threading

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        body = await globals()[scope["path"][1:]]()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(body).encode()})

    async def lifespan(receive, send):
        await receive()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, lambda: open("usr2", "w").close())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: open("term", "w").close())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def loop():
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    async def slow():
        open("slow-began", "w").close()
        await asyncio.sleep(0.4)
        return "slow"

    async def debug():
        return asyncio.get_running_loop().get_debug()

    async def thread():
        async def inside():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print(6)", stdout=asyncio.subprocess.PIPE)
            await asyncio.sleep(0.01)
            return int((await process.communicate())[0])
        return await asyncio.to_thread(asyncio.run, inside())
"""
KINDS = ["auto", "asyncio", "uvloop"]


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, folder: Folder, serve: Callable[..., Server]) -> Server:
    folder.write("loops.py", APP)
    return serve("loops:app", "--loop", request.param).ready()


def test_the_loop_may_be_chosen(server: Server, request: pytest.FixtureRequest) -> None:
    expected = {"auto": "serai"}.get(kind := request.node.callspec.params["server"], kind)
    assert server.get("/loop") == (200, expected)


def test_asyncio_run_in_a_thread_with_a_subprocess_works(server: Server) -> None:
    assert server.get("/thread") == (200, "6")


def test_signal_handlers_of_the_app_are_called_and_the_worker_drains_all_the_same(
    server: Server, folder: Folder
) -> None:
    (worker,) = server.workers()
    os.kill(worker, signal.SIGUSR2)
    until((folder.path / "usr2").exists, "the app's handler is called")
    connection = server.connect()
    connection.request("GET", "/slow")
    until((folder.path / "slow-began").exists, "the request runs")
    server.signal(signal.SIGTERM)
    assert connection.getresponse().read() == b"slow"
    assert server.exit_code(5) == 0
    assert (folder.path / "term").exists()
    assert server.wait_for("worker.exited")["message"] == "worker 1 exited with code 0"


@pytest.mark.parametrize("preload", ["on", "off"])
def test_a_handler_for_sigterm_set_on_import_does_not_cut_requests_off(
    folder: Folder, serve: Callable[..., Server], preload: str
) -> None:
    folder.write(
        "exits.py",
        """
        import signal, sys
        from wsgi_app import app

        def on_term(*_):
            open("term", "w").close()
            sys.exit(5)

        signal.signal(signal.SIGTERM, on_term)
        """,
    )
    server = serve("exits:app", "--preload", preload).ready()
    connection = server.connect()
    connection.request("GET", "/slow")
    until((folder.path / "slow-began").exists, "the request runs")
    server.signal(signal.SIGTERM)
    assert connection.getresponse().status == 200
    assert server.exit_code(5) == 0
    assert (folder.path / "term").exists()


def test_asyncios_debug_mode_works(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("loops.py", APP)
    server = serve("loops:app", env={"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}).ready()
    assert [server.get("/debug"), server.get("/thread")] == [(200, "True"), (200, "6")]


def test_without_uvloop_asking_for_it_is_an_error(folder: Folder) -> None:
    hide = (
        "import sys; sys.modules['uvloop'] = None; import serai.cli; sys.exit(serai.cli.main_of_module(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", hide, "asgi_app:app", "--loop", "uvloop"],
        env=environment_of({}),
        cwd=folder.path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 1
    assert "pip install uvloop" in result.stderr


@pytest.mark.parametrize(
    ("app", "loop"), [("wsgi_app:app", "auto"), ("asgi_app:app", "auto"), ("asgi_app:app", "uvloop")]
)
def test_coverage_sees_what_requests_run(folder: Folder, serve: Callable[..., Server], app: str, loop: str) -> None:
    folder.write(".coveragerc", "[run]\nparallel = True\npatch = _exit\n")  # as for any server that forks
    server = serve(app, "--loop", loop, launcher=["-m", "coverage", "run"], python="-p")
    assert server.ready().get("/")[0] == 200
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    for command in (["combine", "-q"], ["json", "-q", "-o", "found.json"]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=folder.path, check=True, timeout=60)
    name = app.partition(":")[0] + ".py"
    found = json.loads((folder.path / "found.json").read_text())["files"][name]["executed_lines"]
    source = (folder.path / name).read_text().splitlines()
    answering = next(i for i, line in enumerate(source, 1) if "os.getpid()" in line)
    assert answering in found
