"""How a server ends: in order, at once, by mistake. Nothing is left behind."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.conftest import ASGI, Folder
from tests.serve.server import Server, ask
from tests.support import processes
from tests.support.wait import until


class Request:
    """A request in a thread of its own."""

    def __init__(self, server: Server, path: str) -> None:
        self.answer: tuple[int, str] | None = None
        self._server, self._path = server, path
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._server.get(self._path)
        except Exception:  # the test asks for the answer
            self.answer = None

    def finish(self) -> tuple[int, str] | None:
        self._thread.join(20)
        return self.answer


def begun(folder: Folder) -> None:
    until((folder.path / "slow-began").exists, "the request is in the app", every=0.01)


@pytest.mark.parametrize("app", ["wsgi_app:app", "asgi_app:app"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_is_answered_before_the_end(
    folder: Folder, serve: Callable[..., Server], app: str, signum: int
) -> None:
    server = serve(app, "--workers", "2").ready()
    request = Request(server, "/slow")
    begun(folder)
    server.signal(signum)
    answer = request.finish()
    assert answer and answer[0] == 200
    assert server.exit_code() == 0
    with pytest.raises(ConnectionRefusedError):
        server.get()


def test_idle_connections_do_not_delay_the_end(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    connection = server.connect()
    ask(connection)
    server.signal(signal.SIGTERM)
    assert server.exit_code(5) == 0
    connection.close()


def test_lifespan_shutdown_runs_at_the_end(folder: Folder, serve: Callable[..., Server]) -> None:
    server = serve("asgi_app:app").ready()
    (worker,) = server.workers()
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert (folder.path / f"shutdown-{worker}").exists()


def test_a_worker_that_does_not_end_in_time_is_killed_with_its_stack(
    folder: Folder, serve: Callable[..., Server]
) -> None:
    server = serve("wsgi_app:app", "--graceful-timeout", "100ms", "--worker-timeout", "0").ready()
    request = Request(server, "/hang")
    until((folder.path / "hang-began").exists, "the request is in the app", every=0.01)
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert request.finish() is None
    exited = server.wait_for("worker.exited")
    assert "did not end within" in exited["message"]
    assert 'wsgi_app.py", line' in exited["stack"]


def test_a_second_interrupt_ends_at_once(folder: Folder, serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app").ready()
    request = Request(server, "/slow")
    begun(folder)
    server.signal(signal.SIGINT)
    server.wait_for("serve.draining")
    server.signal(signal.SIGINT)
    assert server.exit_code(5) == 0
    assert request.finish() is None


def test_a_failed_lifespan_start_ends_with_3(folder: Folder, serve: Callable[..., Server]) -> None:
    failing = ASGI.replace('"lifespan.startup.complete"', '"lifespan.startup.failed", "message": "no database"')
    folder.write("failing.py", failing)
    server = serve("failing:app", "--workers", "2")
    assert server.exit_code() == 3
    failed = server.wait_for("serve.failed")
    assert failed["step"] == "lifespan"
    assert "no database" in failed["message"]


def test_lifespan_on_shows_the_apps_traceback(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("raising.py", "async def app(scope, receive, send):\n    raise RuntimeError('no cache')\n")
    server = serve("raising:app", "--lifespan", "on")
    assert server.exit_code() == 3
    failed = server.wait_for("serve.failed")
    assert "no cache" in failed["message"]
    assert 'raising.py", line 2' in failed["traceback"]


@pytest.mark.parametrize("app", ["wsgi_app:app", "asgi_app:app"])
def test_nothing_outlives_a_killed_master(serve: Callable[..., Server], app: str) -> None:
    server = serve(app, "--workers", "2", "--graceful-timeout", "1s").ready()
    family = server.pids()
    assert len(family) == 3
    server.process.kill()
    until(lambda: not [pid for pid in family if processes.read(pid)], "zygote and workers end", 8)


def test_nothing_outlives_a_killed_master_whose_zygote_was_killed_before(serve: Callable[..., Server]) -> None:
    server = serve("wsgi_app:app", "--workers", "2", "--graceful-timeout", "1s").ready()
    family, zygote = server.pids(), server.zygotes()[0]
    os.kill(zygote, signal.SIGSTOP)
    server.process.kill()
    os.kill(zygote, signal.SIGKILL)
    until(lambda: not [pid for pid in family if processes.read(pid)], "all of them end", 8)


def test_nothing_outlives_a_master_killed_during_the_import(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("hangs.py", "import time\nopen('began', 'w').close()\ntime.sleep(60)")
    server = serve("hangs:app")
    until((folder.path / "began").exists, "the import begins")
    family = server.pids()
    server.process.kill()
    until(lambda: not [pid for pid in family if processes.read(pid)], "the zygote ends", 8)


def test_no_probe_socket_is_left_in_the_file_system(serve: Callable[..., Server]) -> None:
    server = serve("asgi_app:app", "--health-path", "/up").ready()
    assert not list(Path("/tmp").glob(f"serai-{server.process.pid}-*"))
    server.process.kill()


def test_the_pid_file_lives_as_long_as_the_master(folder: Folder, serve: Callable[..., Server]) -> None:
    file = folder.path / "pid"
    server = serve("wsgi_app:app", "--pid-file", str(file)).ready()
    assert file.read_text() == f"{server.process.pid}\n"
    second = serve("wsgi_app:app", "--pid-file", str(file))
    assert second.exit_code() == 1
    server.signal(signal.SIGTERM)
    assert server.exit_code() == 0
    assert not file.exists()
