"""The conversation with a supervisor (docs/architecture.md, "Messages")."""

import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.conftest import ASGI, Folder
from tests.serve.server import BROKEN, Server


class Supervisor:
    """Reads and writes frames: a 4-byte little-endian length, then JSON."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(15)
        self.heard: list[dict[str, Any]] = []

    def serve(self, start: Callable[..., Server], *arguments: str) -> Server:
        fd = self.theirs.fileno()
        server = start(*arguments, env={"SERAI_CONTROL_FD": str(fd)}, pass_fds=[fd])
        self.theirs.close()
        return server

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of that type."""
        while True:
            (length,) = struct.unpack("<I", self._read(4))
            message = json.loads(self._read(length))
            self.heard.append(message)
            if message["type"] == kind:
                return message

    def say(self, **message: Any) -> None:
        body = json.dumps(message).encode()
        self.ours.sendall(struct.pack("<I", len(body)) + body)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.ours.recv(count - len(data))
            assert piece, f"the master hung up after {[m['type'] for m in self.heard]}"
            data += piece
        return data


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


def test_a_start_is_told_step_by_step(serve: Callable[..., Server], supervisor: Supervisor) -> None:
    server = supervisor.serve(serve, "asgi_app:app", "--workers", "2")
    hello = supervisor.hear("hello")
    assert (hello["version"], hello["role"], hello["pid"]) == (1, "master", server.process.pid)
    supervisor.say(type="hello", version=1, role="supervisor")
    ready = supervisor.hear("ready")
    assert [m["type"] for m in supervisor.heard].count("worker_ready") == 2
    assert ready["workers"] == 2
    assert ready["interface"] == "asgi"
    assert ready["preload"] is True
    assert ready["python"] == sys.version.split()[0]
    assert ready["server_version"]
    assert ready["import_ms"] > 0
    started = {m["pid"] for m in supervisor.heard if m["type"] == "worker_started"}
    assert started == set(server.workers())


def test_commands_are_obeyed(serve: Callable[..., Server], supervisor: Supervisor) -> None:
    server = supervisor.serve(serve, "asgi_app:app")
    supervisor.hear("ready")
    supervisor.say(type="scale", workers=2)
    supervisor.hear("worker_ready")
    assert len(server.workers()) == 2
    supervisor.say(type="something_of_a_later_version")
    server.wait_for("control.unknown")
    supervisor.say(type="reload")
    assert supervisor.hear("ready")["generation"] == 2
    supervisor.say(type="drain", timeout=5)
    assert server.exit_code() == 0


def test_stop_ends_at_once(serve: Callable[..., Server], supervisor: Supervisor) -> None:
    server = supervisor.serve(serve, "asgi_app:app")
    supervisor.hear("ready")
    supervisor.say(type="stop")
    assert server.exit_code(5) == 0


def test_a_crash_is_told_with_its_cause(serve: Callable[..., Server], supervisor: Supervisor) -> None:
    server = supervisor.serve(serve, "wsgi_app:app")
    supervisor.hear("ready")
    with pytest.raises(BROKEN):
        server.get("/crash")
    cause = supervisor.hear("worker_exited")["cause"]
    assert (cause["kind"], cause["signal"]) == ("signal", 11)
    assert "wsgi_app.py" in cause["stack"]


@pytest.mark.parametrize(
    ("app", "arguments", "step", "error"),
    [
        ("import nowhere_at_all", [], "import", "nowhere_at_all"),
        ("def app(*a): pass", [], "interface", "fit more than one"),
        (ASGI.replace("startup.complete", "startup.failed"), [], "lifespan", ""),
        (ASGI, ["--bind", "fd://77"], "bind", "no socket"),
    ],
)
def test_a_failed_start_is_told_with_its_step(
    folder: Folder,
    serve: Callable[..., Server],
    supervisor: Supervisor,
    app: str,
    arguments: list[str],
    step: str,
    error: str,
) -> None:
    folder.write("failing.py", app)
    server = supervisor.serve(serve, "failing:app", *arguments)
    failed = supervisor.hear("failed")
    assert failed["step"] == step
    assert error in failed["error"]
    assert server.exit_code() in (1, 3)


def test_the_app_sees_nothing_of_the_control_channel(
    folder: Folder, serve: Callable[..., Server], supervisor: Supervisor
) -> None:
    folder.write(
        "curious.py",
        """
        import os, socket
        def app(environ, start_response):
            start_response("200 OK", [])
            paths = ["/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")]
            links = [os.readlink(path) for path in paths if os.path.lexists(path)]
            return [repr(("SERAI_CONTROL_FD" in os.environ, links)).encode()]
        """,
    )
    inode = f"socket:[{os.fstat(supervisor.theirs.fileno()).st_ino}]"
    server = supervisor.serve(serve, "curious:app")
    supervisor.hear("ready")
    shown = server.get()[1]
    assert shown.startswith("(False,")
    assert inode not in shown


def test_serving_goes_on_without_the_supervisor(serve: Callable[..., Server], supervisor: Supervisor) -> None:
    server = supervisor.serve(serve, "asgi_app:app")
    supervisor.hear("ready")
    supervisor.ours.close()
    assert server.get()[0] == 200


def test_nonsense_from_the_supervisor_does_not_stop_serving(
    serve: Callable[..., Server], supervisor: Supervisor
) -> None:
    server = supervisor.serve(serve, "asgi_app:app")
    supervisor.hear("ready")
    supervisor.ours.sendall(b"\xff\xff\xff\xff nonsense")
    server.wait_for("control.refused")
    assert server.get()[0] == 200
