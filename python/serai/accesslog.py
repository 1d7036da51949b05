"""The access log's descriptor. The engine writes to it; here it is opened, and opened anew after a rotation."""

import os

from serai.failure import Failure


class AccessLog:
    """`fd` keeps its number for life, in the master and in every process forked from it."""

    def __init__(self, where: str) -> None:
        self._path = where if where not in ("off", "-") else ""
        self.fd = {"off": -1, "-": 1}.get(where, -1)
        if self._path:
            self.fd = self._open()

    def reopen(self) -> None:
        """The file was renamed: writes go to a new one of the old name from now on. Raises Failure."""
        if self._path:
            opened = self._open()
            os.dup2(opened, self.fd, inheritable=False)
            os.close(opened)

    def close(self) -> None:
        """Lets go of the file, if there is one; nothing may be written any more."""
        if self._path:
            os.close(self.fd)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Failure(
                f"opening the access log {self._path}",
                error.strerror or str(error),
                "check the folder and its permissions",
            ) from None
