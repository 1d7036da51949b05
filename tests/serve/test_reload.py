"""SIGHUP takes the new code without a failed request, and keeps the old one where the new one is no good."""

import signal
import textwrap
from collections.abc import Callable

import pytest

from tests.serve.conftest import ASGI, WSGI, Folder
from tests.serve.server import Load, Server, ask
from tests.support.wait import until


def change(folder: Folder, text: str, name: str = "changing.py") -> None:
    folder.write(name, text)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_new_code_serves_after_a_reload_without_a_failed_request(
    folder: Folder, serve: Callable[..., Server], workers: str
) -> None:
    change(folder, WSGI)
    server = serve("changing:app", "--workers", workers).ready()
    before = set(server.workers())
    with Load(server) as load:
        change(folder, WSGI.replace('"one"', '"two"'))
        server.signal(signal.SIGHUP)
        server.wait_for("serve.reloaded")
        server.wait_for("worker.exited", int(workers))
        load.goes_on()
        assert server.get()[1].endswith("two")
    assert not load.failures
    assert len(server.workers()) == int(workers)
    assert not before & set(server.workers())
    until(lambda: len(server.zygotes()) == 1, "the old zygote ends")


def test_ten_reloads_under_load_fail_no_request(serve: Callable[..., Server]) -> None:
    server = serve("asgi_app:app", "--workers", "2", "--health-path", "/up").ready()
    with Load(server) as load:
        for count in range(1, 11):
            server.signal(signal.SIGHUP)
            server.wait_for("serve.reloaded", count)
            load.goes_on()
    assert not load.failures


def test_an_idle_connection_is_kept_until_its_next_request(folder: Folder, serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    connection = server.connect()
    _, first = ask(connection)
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode()) == (200, first)  # by the old worker
    assert answer.getheader("Connection") == "close"
    server.wait_for("worker.exited")
    assert server.get()[1] != first


def test_an_idle_connection_is_closed_after_the_graceful_timeout(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--graceful-timeout", "300ms").ready()
    connection = server.connect()
    ask(connection)
    server.signal(signal.SIGHUP)
    assert server.wait_for("worker.exited")["level"] == "info"
    assert connection.sock and connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize(
    ("new_code", "reason"),
    [
        ("import not_installed_anywhere", "not_installed_anywhere"),
        ("raise RuntimeError('no settings')", "no settings"),
        ("app = 3", "cannot be called"),
        ("import os; os._exit(5)", "exited with code 5"),
        (
            ASGI.replace('"lifespan.startup.complete"', '"lifespan.startup.failed", "message": "no database"'),
            "no database",
        ),
        (ASGI.replace('"HEALTH", "200"', '"HEALTH", "503"'), "it answered 503"),
    ],
)
def test_new_code_that_fails_leaves_the_old_one_serving(
    folder: Folder, serve: Callable[..., Server], new_code: str, reason: str
) -> None:
    change(folder, ASGI)
    server = serve("changing:app", "--workers", "2", "--health-path", "/up", "--health-timeout", "500ms").ready()
    before = set(server.workers())
    with Load(server) as load:
        change(folder, new_code)
        server.signal(signal.SIGHUP)
        assert reason in server.wait_for("serve.reload_failed")["message"]
        until(lambda: len(server.zygotes()) == 1, "the new zygote ends")
        load.goes_on()
    assert not load.failures
    assert set(server.workers()) == before
    change(folder, ASGI)
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")


SECOND_WORKER_FAILS = """
    async def lifespan(receive, send):
        await receive()
        await send({"type": "lifespan.startup." + ("complete" if is_first() else "failed")})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def is_first():
        try:
            return os.close(os.open("first-worker", os.O_CREAT | os.O_EXCL)) is None
        except FileExistsError:
            return False
"""


def test_a_roll_out_that_fails_half_way_is_taken_back(folder: Folder, serve: Callable[..., Server]) -> None:
    change(folder, ASGI)
    server = serve("changing:app", "--workers", "3").ready()
    with Load(server) as load:
        change(folder, ASGI.partition("async def lifespan")[0])
        with (folder.path / "changing.py").open("a") as file:
            file.write(textwrap.dedent(SECOND_WORKER_FAILS))
        server.signal(signal.SIGHUP)
        server.wait_for("serve.reload_failed")
        until(lambda: len(server.zygotes()) == 1 and len(server.workers()) == 3, "the old code fills up again")
        load.goes_on()
    assert not load.failures


def test_a_second_reload_replaces_one_that_hangs(folder: Folder, serve: Callable[..., Server]) -> None:
    change(folder, WSGI)
    server = serve("changing:app").ready()
    change(folder, "import time\nopen('began', 'w').close()\ntime.sleep(60)")
    server.signal(signal.SIGHUP)
    until((folder.path / "began").exists, "the import begins")
    change(folder, WSGI.replace('"one"', '"two"'))
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")
    server.wait_for("worker.exited")
    assert server.get()[1].endswith("two")
    until(lambda: len(server.zygotes()) == 1, "the hanging zygote ends")


def test_good_code_need_not_wait_for_the_pause_of_code_that_keeps_crashing(
    folder: Folder, serve: Callable[..., Server]
) -> None:
    crashing = """
        import os, threading
        def app(environ, start_response): ...
        def hook(): threading.Timer(0.05, os._exit, [1]).start()
    """
    change(folder, crashing)
    server = serve("changing:app", "--post-fork", "changing:hook").ready()
    server.wait_for("serve.back_off", 5)
    change(folder, WSGI + "\n    def hook(): pass\n")
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded", seconds=3)
    assert server.get()[0] == 200


def test_the_environment_file_is_read_again(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("env", "NAME=first\n")
    folder.write(
        "named.py", "import os\ndef app(e, s):\n    s('200 OK', [])\n    return [os.environ['NAME'].encode()]\n"
    )
    server = serve("named:app", "--env-file", "env").ready()
    assert server.get()[1] == "first"
    folder.write("env", "NAME=second\n")
    server.signal(signal.SIGHUP)
    server.wait_for("serve.reloaded")
    server.wait_for("worker.exited")  # until then the old one may have a connection that waited
    assert server.get()[1] == "second"
