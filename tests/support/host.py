"""A private Serai: its own root folder, a daemon and an edge on a loopback port."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import leftovers
from .cli import EXECUTABLE, CommandFailed, Outcome, run
from .leftovers import Identity, Leftovers
from .places import scratch_folder
from .processes import Process
from .wait import until
from .web import Browser


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Host:
    """Everything of one Serai. As a context manager it starts the daemon and stops everything at the end."""

    def __init__(self, root: Path | None = None) -> None:
        self.folder = (
            Path(tempfile.mkdtemp(prefix="serai-test-", dir=scratch_folder())) if root is None else root.parent
        )
        self.root = root or self.folder / "root"
        self.folder.chmod(0o755)  # apps' users pass through it
        self.port = free_port()
        self.log = self.folder / "daemon.log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.within: list[str] = []  # a command that ends by becoming the daemon
        self._not_its = leftovers.everybodys_groups() if root is None else frozenset[Path]()

    # -- the daemon ---------------------------------------------------------------------------------------------------

    def start(self, *options: str) -> None:
        """Starts a daemon; it adopts what an earlier one left running."""
        assert self.daemon is None or self.daemon.poll() is not None, "a daemon is running"
        listen = ["--listen", f"127.0.0.1:{self.port}", "--log-format", "json"]
        command = [*self.within, EXECUTABLE, "daemon", "--root", self.root, *listen, *options]
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, f"the daemon answers\n{self.tail()}")

    def _answers(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() not in (None, -signal.SIGKILL):
            raise AssertionError(f"the daemon ended with {self.daemon.returncode}\n{self.tail()}")
        return (self.root / "api.sock").exists() and self.attempt("apps", "--json").code == 0

    def kill_daemon(self) -> None:
        """kill -9: the data plane must not notice."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def stop_daemon(self) -> None:
        """SIGTERM: ends the control plane only."""
        assert self.daemon is not None
        self.daemon.terminate()
        self.daemon.wait(timeout=30)

    def stop(self) -> Leftovers:
        """Stops everything, by force where that is needed; says what the polite way left behind."""
        identity = self.identity
        if self.daemon and self.daemon.poll() is not None and leftovers.running(identity):
            with contextlib.suppress(AssertionError):
                self.start()
        if self.daemon and self.daemon.poll() is None:
            self.attempt("daemon", "stop", "--all", timeout=60)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(timeout=30)
        with contextlib.suppress(AssertionError):
            until(lambda: not leftovers.after_stop(identity), "everything is gone", seconds=5)
        left = leftovers.after_stop(identity)
        self._force(identity)
        return left

    def _force(self, identity: Identity) -> None:
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        for process in leftovers.running(identity):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def tail(self, lines: int = 40) -> str:
        """The daemon's last words."""
        if not self.log.exists():
            return "(no daemon log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def identity(self) -> Identity:
        return Identity.of(self.root, self._not_its)

    # -- the user's commands ------------------------------------------------------------------------------------------

    def attempt(self, *arguments: str, stdin: str = "", timeout: float = 300) -> Outcome:
        return run(self.root, *arguments, stdin=stdin, timeout=timeout)

    def do(self, *arguments: str, stdin: str = "", timeout: float = 300) -> Outcome:
        """A command that must succeed."""
        outcome = self.attempt(*arguments, stdin=stdin, timeout=timeout)
        if outcome.code != 0:
            raise CommandFailed(f"{outcome}\n-- the daemon said\n{self.tail()}")
        return outcome

    def deploy(self, folder: Path, *options: str, name: str = "", **env: str) -> Outcome:
        return self.do(*deploy_arguments(folder, *options, name=name, **env))

    def try_deploy(self, folder: Path, *options: str, name: str = "", **env: str) -> Outcome:
        return self.attempt(*deploy_arguments(folder, *options, name=name, **env))

    def status(self, app: str) -> dict[str, Any]:
        return dict(self.do("status", app, "--json").json)

    def apps(self) -> set[str]:
        answer = self.do("apps", "--json").json
        listed = answer["apps"] if isinstance(answer, dict) else answer
        return {item["app"] if "app" in item else item["name"] for item in listed}

    def destroy(self, app: str) -> None:
        self.do("destroy", app, "--yes")

    def browser(self, app: str, *, timeout: float = 30) -> Browser:
        return Browser(self.port, f"{app}.localhost", timeout=timeout)

    # -- what runs ----------------------------------------------------------------------------------------------------

    def processes(self) -> list[Process]:
        return leftovers.running(self.identity)

    def edge(self) -> Process:
        found = [process for process in self.processes() if process.command[1:2] == ("edge",)]
        assert len(found) == 1, f"expected one edge, found {[str(process) for process in found]}"
        return found[0]

    def groups(self) -> list[Path]:
        return leftovers.groups(self.identity)

    def ports(self) -> list[int]:
        """TCP ports on which the apps' users listen."""
        return leftovers.ports(self.identity)

    def address(self, app: str) -> str:
        """Where the app is reached on the host: in its own network, or on the host's loopback."""
        kind, _, address = self.status(app)["network"].partition(", ")
        return str(address) if kind == "its own" else "127.0.0.1"

    def instances(self) -> list[str]:
        folder = self.root / "instances"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def left_behind(self) -> Leftovers:
        """What is below the root, or runs, and belongs to no running app."""
        apps = self.apps()
        instances = self.instances()
        left = leftovers.beside(self.identity, apps, set(instances))
        states = [self.status(app) for app in apps]
        running = sum((state.get("state") == "running") + bool(state.get("split")) for state in states)
        if len(instances) != running:
            left.found.append(f"{len(instances)} instances for {running} running apps: {', '.join(instances)}")
        return left

    def alerts(self, offset: int = 0) -> list[str]:
        """The errors that the daemon and the edge logged behind `offset` bytes of their log."""
        with self.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        return [line for line in lines if '"level":"error"' in line or not line.startswith("{")]

    # -- lifetime -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        left = self.stop()
        if error is None:
            self.remove()
            assert not left, str(left)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def deploy_arguments(folder: Path, *options: str, name: str = "", **env: str) -> list[str]:
    named = ["--name", name] if name else []
    return ["deploy", str(folder), "--yes", *named, *options, *(f"--env={key}={value}" for key, value in env.items())]
