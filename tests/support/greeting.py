"""A service of the host, as a database is one: on its loopback."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def greeting(address: str = "127.0.0.1") -> Iterator[int]:
    """A service of the host that says "hello" to whoever connects, at the port that is given."""
    with socket.create_server((address, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as connection:
                        connection.recv(1000)
                        connection.sendall(b"hello")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
