"""The master's view of a generation: one zygote, that is one import of the code, and the workers that it forked."""

import os
from collections.abc import Callable
from typing import Any, NoReturn

from serai import channel
from serai.channel import Message
from serai.worker_process import WorkerProcess
from serai.zygote import Import, Inheritance, Zygote


class Generation:
    """One zygote and the workers it forked, which may outlive it."""

    def __init__(self, number: int, inheritance: Inheritance, obstacles: list[str]) -> None:
        self.number = number
        self.inheritance = inheritance
        self.obstacles = obstacles
        """Why its app is imported by each worker; empty where it is not, or where the settings say so."""
        self.workers: dict[int, WorkerProcess] = {}
        self.usable = False
        """The zygote can fork workers now."""
        self.alive = True
        self.app: dict[str, Any] = {}
        """What is known of the application: interface, reason, import_ms, version."""
        self.failure: Message | None = None
        self.channel, self._zygote_end = channel.pair()
        self.pid = 0

    def fork(self, forget: Callable[[], None]) -> None:
        """Starts the zygote. `forget` closes in the child what is the master's alone."""
        self.pid = os.fork()
        if self.pid == 0:
            self._become_zygote(forget)
        self._zygote_end.close()

    def _become_zygote(self, forget: Callable[[], None]) -> NoReturn:
        try:
            forget()
            Zygote(self.inheritance, self._zygote_end).run()
        finally:
            os._exit(1)

    @property
    def importing(self) -> Import:
        """Where the app is imported."""
        return self.inheritance.importing

    def active(self) -> list[WorkerProcess]:
        """Those that serve or are about to, oldest first."""
        return [w for w in self.workers.values() if w.state != "retiring" and not w.condemned]

    def serving(self) -> list[WorkerProcess]:
        """Those that serve, oldest first."""
        return [w for w in self.active() if w.state == "serving"]

    def close(self) -> None:
        """Lets the zygote go, if it is still there: it ends when its channel does. Idempotent."""
        self.usable = False
        self.channel.close()

    def forget(self) -> None:
        """In a forked child: closes everything."""
        self.channel.close()
        for worker in self.workers.values():
            worker.close()
