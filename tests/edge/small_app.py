"""A small HTTP/1.1 app on a Unix socket, one thread per connection, that ends as a good instance does: it answers what
has come or still comes on its connections, and leaves it to the edge to close the idle ones."""

import contextlib
import hashlib
import socket
import threading
from pathlib import Path
from typing import BinaryIO


class SmallApp:
    """Answers GET with its name and POST with the SHA-256 of the body."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.served = 0
        self._ending = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # The edge breaks off what its client has given up.
        with contextlib.suppress(ConnectionError), connection, connection.makefile("rb") as stream:
            while request := stream.readline():
                answer, last = self._answer(request, stream)
                connection.sendall(answer)
                if last:
                    return

    def _answer(self, request: bytes, stream: BinaryIO) -> tuple[bytes, bool]:
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = stream.read(length)
        self.served += 1
        text = hashlib.sha256(body).hexdigest() if request.startswith(b"POST") else self.name
        last = self._ending
        connection = "close" if last else "keep-alive"
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\nConnection: {connection}\r\n\r\n"
        return (head + text).encode(), last

    def end(self) -> None:
        """To be called once the edge sends new requests elsewhere."""
        self._ending = True
        self._listener.shutdown(socket.SHUT_RD)  # connections that wait in it are still accepted
        for thread in self._threads:  # the first one accepts and adds to the list
            thread.join(timeout=10)
            assert not thread.is_alive(), "a request is stuck"
        self._listener.close()
        self.path.unlink()
