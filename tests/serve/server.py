"""A `serai serve` under test: started with its log as JSON, waited for by events, looked after when it is over."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.places import REPOSITORY
from tests.support.wait import until

ENGINE = Path(
    os.environ.get("SERAI_ENGINE", REPOSITORY / "build/release/lib/serai/engine" / (sys.implementation.cache_tag or ""))
)
"""The folder that holds the package with its engine."""

BROKEN = (OSError, http.client.HTTPException)
"""What a client sees when a worker dies in the middle of its request."""

Event = dict[str, Any]


@contextlib.contextmanager
def no_more_descriptors(pid: int) -> Iterator[None]:
    """Those that the process has stay open, but it gets no others."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


class Server:
    """`python -m serai` in `folder`. A context: at its end nothing of it may be left."""

    def __init__(self, folder: Path, *arguments: str, **options: Any) -> None:
        self.events: list[Event] = []
        self.plain_lines: list[str] = []
        self._below: list[int] = []
        self.tls: ssl.SSLContext | None = options.pop("tls", None)
        """What clients connect with, where the server speaks TLS."""
        launcher = [sys.executable, *options.pop("launcher")] if "launcher" in options else []
        command = [
            *launcher,
            str(options.pop("python", sys.executable)),
            "-m",
            "serai",
            *arguments,
            "--log-format",
            "json",
        ]
        if not any(a.startswith("--bind") for a in arguments) and options.pop("bind", True):
            command += ["--bind", "127.0.0.1:0"]
        environment = environment_of(options.pop("env", {}))
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exception: object) -> None:
        self.pids()
        if self.process.poll() is None:
            self.process.kill() if exception[0] else self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
        self.process.wait()
        try:
            until(lambda: not [pid for pid in self._below if _lives(pid)], "every process of the server ends", 10)
        finally:
            for pid in filter(_lives, self._below):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(5)
        # Closing a stream that another thread still reads from would wait for ever.
        assert not self._reader.is_alive(), "something that the server started holds its log open"
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            if line.startswith('{"time"'):
                self.events.append(json.loads(line))
            else:
                self.plain_lines.append(line)

    # Waiting.

    def wait_for(self, event: str, count: int = 1, seconds: float = 15) -> Event:
        """The `count`-th event of that name."""

        def find() -> Event | None:
            found = self.named(event)
            if len(found) < count and self.process.poll() is not None:
                self._reader.join(5)
                found = self.named(event)
                assert len(found) >= count, f"ended with {self.process.returncode} before {event}:\n{self.log()}"
            return found[count - 1] if len(found) >= count else None

        return until(find, f"{event} in\n{self.log()}", seconds, every=0.01)

    def named(self, event: str) -> list[Event]:
        return [e for e in self.events if e["event"] == event]

    def log(self) -> str:
        return "\n".join([*(json.dumps(e) for e in self.events), *self.plain_lines])

    def ready(self) -> "Server":
        self.wait_for("serve.ready")
        return self

    def exit_code(self, seconds: float = 15) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    # Processes.

    def pids(self) -> list[int]:
        """Those below the master that live. The last that were seen must have ended when the server has."""
        living = [process.pid for process in processes.descendants(self.process.pid) if process.is_alive]
        self._below = living or self._below
        return living

    def named_children(self, name: str) -> list[int]:
        return [pid for pid in self.pids() if _comm(pid) == name]

    def workers(self) -> list[int]:
        return self.named_children("serai-worker")

    def zygotes(self) -> list[int]:
        return self.named_children("serai-zygote")

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    # Requests.

    @property
    def port(self) -> int:
        found = re.search(r":(\d+)$", self.wait_for("serve.starting")["url"])
        assert found
        return int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def get(self, path: str = "/") -> tuple[int, str]:
        connection = self.connect()
        try:
            return ask(connection, path)
        finally:
            connection.close()


def ask(connection: http.client.HTTPConnection, path: str = "/") -> tuple[int, str]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def ask_unix(path: Path) -> str:
    """The whole answer to GET / over a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def run(folder: Path, *arguments: str, seconds: float = 20, **env: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [sys.executable, "-m", "serai", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment_of(env), capture_output=True, text=True, timeout=seconds, check=False
    )


def environment_of(extra: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PORT", "WEB_CONCURRENCY", "LISTEN_FDS", "LISTEN_PID")}
    if preload := os.environ.get("SERAI_PRELOAD"):  # scripts/sanitized-engine
        kept["LD_PRELOAD"] = preload
    return kept | {"PYTHONPATH": str(ENGINE), "PYTHONUNBUFFERED": "1"} | extra


class Load:
    """Clients in threads, each with one keep-alive connection that is opened again only when the server says so."""

    def __init__(self, server: Server, clients: int = 4, path: str = "/") -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._server, self._path = server, path
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        until(lambda: self.answers > 20, "the load flows", every=0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def _client(self) -> None:
        connection = self._server.connect()
        while not self._over.is_set():
            try:
                status, _ = ask(connection, self._path)
                self.answers += 1
                if status != 200:
                    self.failures.append(f"status {status}")
            except BROKEN as error:
                self.failures.append(repr(error))
                connection.close()
                time.sleep(0.01)
        connection.close()

    def goes_on(self) -> None:
        """Until some more answers came."""
        target = self.answers + 40
        until(lambda: self.answers > target, "the load flows on", every=0.01)


def _comm(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    process = processes.read(pid)
    return process is not None and process.is_alive
