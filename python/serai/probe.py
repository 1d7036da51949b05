"""The health check of a new worker, over a connection that leads to this one worker and nobody else."""

import os
import socket
from collections.abc import Callable

from serai.loop import Loop, Timer

_RETRY = 0.25
"""Seconds between two requests to a worker that is not healthy yet."""
_MAX_ANSWER = 4 * 1024**2


def private_listener() -> tuple[socket.socket, socket.socket]:
    """A listening Unix socket and a connection waiting in it. It has no name any more, so nobody else can connect.

    Raises OSError where no folder for temporary files can be written.
    """
    folder = _private_folder()
    path = folder + "/probe"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        listener.listen(1)
        connection.connect(path)
    finally:
        if os.path.lexists(path):
            os.unlink(path)
        os.rmdir(folder)
    connection.setblocking(False)
    return listener, connection


def _private_folder() -> str:
    """tempfile would do, but is half as large as all of the master's own code."""
    name = f"/serai-{os.getpid()}-{os.urandom(8).hex()}"
    for parent in (os.environ.get("TMPDIR", "/tmp"), "/tmp", "/dev/shm"):
        try:
            os.mkdir(parent + name, 0o700)
            return parent + name
        except OSError as error:
            failed = error
    raise failed


class HealthCheck:
    """Requests `path` until the answer is below 500 or the time is up; then calls `on_result` with "" or the reason."""

    def __init__(
        self, loop: Loop, connection: socket.socket, path: str, timeout: float, on_result: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._on_result = on_result
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: serai-health\r\nAccept: */*\r\n\r\n".encode()
        )
        self._received = b""
        self._last = "no answer"
        self._retry = Timer(self._ask)
        self._timeout = loop.call_later(timeout, self._on_timeout)
        loop.on_readable(connection.fileno(), self._on_readable)
        self._ask()

    def cancel(self) -> None:
        """No result will come. Closes the connection. Idempotent."""
        self._timeout.cancel()
        self._retry.cancel()
        if self._connection.fileno() >= 0:
            self._loop.forget(self._connection.fileno())
            self._connection.close()

    def _ask(self) -> None:
        self._received = b""
        try:
            self._connection.send(self._request)
        except OSError as error:
            self._finish(f"the connection broke: {error.strerror}")

    def _on_readable(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        if not data or len(self._received) > _MAX_ANSWER:
            self._finish(self._last)
        else:
            self._look()

    def _look(self) -> None:
        """The status line decides; what follows is read only to ask again on the same connection."""
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended:
            return
        status = int(head[9:12]) if head.startswith(b"HTTP/1.1 ") and head[9:12].isdigit() else 599
        if status < 500:
            self._finish("")
            return
        self._last = f"it answered {status}"
        if _is_complete(head.lower(), body):
            self._retry = self._loop.call_later(_RETRY, self._ask)

    def _on_timeout(self) -> None:
        self._finish(self._last)

    def _finish(self, reason: str) -> None:
        self.cancel()
        self._on_result(reason)


def _is_complete(head: bytes, body: bytes) -> bool:
    """Of an answer of our own engine: a length, or chunks, or (never complete then) the end of the connection."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return body == b"0\r\n\r\n" or body.endswith(b"\r\n0\r\n\r\n")
