"""An edge process of its own, and the control socket as the daemon uses it."""

import array
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.cli import EXECUTABLE
from support.wait import until


class Control:
    """One conversation over control.sock: 4-byte little-endian length, JSON, descriptors on the first byte."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self.send({"type": "hello", "version": 1, "role": "test"})
        self.peer, _ = self.receive()

    def send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        text = json.dumps(message).encode()
        riding = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._socket.sendmsg([struct.pack("<I", len(text)) + text], riding)

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        head, riding, _, _ = self._socket.recvmsg(4, socket.CMSG_SPACE(64 * 4))
        (length,) = struct.unpack("<I", head)
        text = self._socket.recv(length, socket.MSG_WAITALL)
        descriptors = array.array("i")
        for _, _, data in riding:
            descriptors.frombytes(data)
        return json.loads(text), list(descriptors)

    def ask(self, message: dict[str, Any], descriptors: list[int] | None = None) -> dict[str, Any]:
        self.send(message, descriptors)
        return self.receive()[0]

    def close(self) -> None:
        self._socket.close()


class Edge:
    """`serai edge` on a loopback port. As a context manager it ends by SIGTERM and must exit with 0."""

    def __init__(self, folder: Path, *options: str, listen: bool = True) -> None:
        self.folder = folder
        self._options = [*options, *(["--listen", "127.0.0.1:0"] if listen else [])]
        """With `--listen-tls 127.0.0.1:0` among them, `tls_port` is that one's."""
        self._log = folder / "edge.log"
        self.generation = 0

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [EXECUTABLE, "edge", "--folder", self.folder, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._listens, "the edge listens")
        self.control = Control(self.folder / "control.sock")

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        with contextlib.suppress(OSError):
            Control(self.folder / "control.sock").close()
            return True
        return False

    @property
    def port(self) -> int:
        return self._port(secure=False)

    @property
    def tls_port(self) -> int:
        return self._port(secure=True)

    def _port(self, *, secure: bool) -> int:
        self.control.send({"type": "give_sockets"})
        answer, descriptors = self.control.receive()
        for descriptor in descriptors:
            os.close(descriptor)
        return int(answer["addresses"][answer["secure"].index(secure)].rpartition(":")[2])

    def route(self, upstream: Path, **more: Any) -> None:
        """Sends every host to one app."""
        self.generation += 1
        app = {"app": "app", "hosts": ["*"], "state": "up", "upstream": {"unix": str(upstream)}, **more}
        answer = self.control.ask({"type": "routes", "generation": self.generation, "apps": [app]})
        assert answer == {"type": "routes_applied", "generation": self.generation}, answer

    def counters(self) -> dict[str, Any]:
        return self.control.ask({"type": "counters"})["apps"]["app"]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.process.poll() is not None:
            return
        try:
            code = self.end()
        finally:
            self.process.kill()
        assert kind or code == 0, self._log.read_text()
