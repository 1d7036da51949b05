"""A server process of the engine alone, and a client that speaks HTTP/1.1 over a raw socket."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 20.0
"""Seconds after which a test gives up on something that should happen at once."""


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    chunks: list[bytes] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. Reading past the end of the stream raises EOFError."""

    def __init__(self, address: tuple[str, int] | str) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=PATIENCE)
        self._received = b""
        self.trailers: list[tuple[str, str]] = []

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Response:
        self.send(request_bytes(target, method, body, **headers))
        return self.response(method)

    def response(self, method: str = "GET") -> Response:
        status, headers = self.head()
        while status == 100:
            status, headers = self.head()
        response = Response(status, headers, b"")
        if method == "HEAD" or status in (204, 304):
            return response
        if (response.header("transfer-encoding") or "") == "chunked":
            response.chunks = list(self.chunks())
            response.body = b"".join(response.chunks)
        elif (length := response.header("content-length")) is not None:
            response.body = self.exactly(int(length))
        else:
            response.body = self.rest()
        return response

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines[1:] if line]
        return int(lines[0].split()[1]), [(name, value.strip()) for name, value in pairs]

    def chunks(self) -> Iterator[bytes]:
        """The trailers go to `self.trailers`."""
        while size := int(self.until(b"\r\n"), 16):
            yield self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        self.trailers = []
        while line := self.until(b"\r\n").decode("latin-1").rstrip():
            name, value = line.split(":", 1)
            self.trailers.append((name, value.strip()))

    def until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._more()
        end = self._received.index(mark) + len(mark)
        found, self._received = self._received[:end], self._received[end:]
        return found

    def exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            self._more()
        found, self._received = self._received[:count], self._received[count:]
        return found

    def rest(self) -> bytes:
        try:
            while True:
                self._more()
        except EOFError:
            found, self._received = self._received, b""
            return found

    def is_closed(self) -> bool:
        """Waits for the server to close; False when it sends something instead."""
        try:
            self._more()
        except (EOFError, ConnectionResetError):
            return True
        return False

    def is_quiet(self) -> bool:
        """Nothing has come so far: no bytes and no end."""
        readable, _, _ = select.select([self.socket], [], [], 0.05)
        return not readable and not self._received

    def reset(self) -> None:
        """Closes with a reset, as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(self._received)
        self._received += data


def request_bytes(target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


@dataclass
class Server:
    process: subprocess.Popen[str]
    address: tuple[str, int] | str
    errors: Path
    """Where its standard error goes: log lines and tracebacks."""
    summary: dict[str, Any] | None = None

    def client(self) -> Client:
        return Client(self.address)

    def get(self, target: str, **headers: str) -> Response:
        client = self.client()
        try:
            return client.request(target, **headers)
        finally:
            client.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> dict[str, Any]:
        """Drains; what the server said at its end: outcome, stats, open descriptors."""
        if self.summary is None:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            out, _ = self.process.communicate(timeout=PATIENCE)
            lines = out.strip().splitlines()
            self.summary = json.loads(lines[-1]) if lines else {}
        return self.summary

    def wait(self) -> dict[str, Any]:
        """Waits for an end that was asked for otherwise."""
        self.process.wait(PATIENCE)
        return self.stop()

    def log(self) -> str:
        return self.errors.read_text()


Start = Callable[..., Server]
"""What the fixtures `asgi` and `wsgi` are: called with an app and options, they give a running server."""


def engine_folder(tag: str) -> Path:
    """The engine that was built for a CPython: of $SERAI_BUILD, by default build/release."""
    build = Path(os.environ.get("SERAI_BUILD", ROOT / "build" / "release"))
    return build / "lib" / "serai" / "engine" / tag


def environment(python: str) -> dict[str, str]:
    tag = subprocess.run(
        [python, "-c", "import sys; print(sys.implementation.cache_tag)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = engine_folder(tag)
    assert (folder / "serai").is_dir(), f"no engine for {python}: build it into {folder}"
    # The packages of the test environment last: those of pure Python serve other versions too.
    packages = [path for path in sys.path if path.endswith("site-packages")]
    paths = [str(folder), str(HERE / "apps"), *packages]
    more = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    if preload := os.environ.get("SERAI_PRELOAD"):  # scripts/sanitized-engine
        more["LD_PRELOAD"] = preload
    return {**os.environ, **more}


@contextmanager
def running(
    python: str, folder: Path, app: str, interface: str, options: dict[str, Any], **more: Any
) -> Iterator[Server]:
    errors = folder / f"stderr-{len(list(folder.iterdir()))}"
    config = json.dumps({"app": app, "interface": interface, "options": options, **more})
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [python, str(HERE / "serve_one.py"), config],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(python),
            text=True,
        )
    assert process.stdout
    line = process.stdout.readline()
    ready = json.loads(line) if line else {}
    server = Server(process, tuple(ready["address"]) if "address" in ready else ("", 0), errors)  # type: ignore[arg-type]
    if not ready:
        process.wait(PATIENCE)
        server.summary = {}
    elif "outcome" in ready:
        server.summary = ready
    elif isinstance(ready["address"], str):
        server.address = ready["address"]
    try:
        yield server
        server.stop()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
