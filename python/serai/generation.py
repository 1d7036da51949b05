"""The master's view of its children: a generation is one zygote, that is one import of the code, and its workers."""

import mmap
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, NoReturn

from serai import channel, probe, processes
from serai.channel import Channel, Message
from serai.loop import Timer
from serai.zygote import Import, Inheritance, Zygote

_BUSY_SINCE = 0  # serai._engine.PAGE_BUSY_SINCE; the master does not load the engine
_MAX_STACK = 64 * 1024


def _trim_stack(text: str) -> str:
    """Keeps the app's part of what faulthandler wrote: neither our frames below it, nor threads that only wait."""
    not_the_apps = (os.path.dirname(__file__) + os.sep, threading.__file__, "<frozen runpy>")
    kept = []
    for block in text.split("\n\n"):
        head, *frames = block.split("\n")
        left = [line for line in frames if not line.strip().removeprefix('File "').startswith(not_the_apps)]
        if left or not frames:
            kept.append("\n".join([head, *left]))
    return "\n\n".join(kept)


class WorkerProcess:
    """One worker as the master sees it, from the order to fork it until it is reaped. Owns its descriptors."""

    def __init__(self, number: int, generation: "Generation", *, probed: bool) -> None:
        self.number = number
        self.generation = generation
        self.state: Literal["starting", "serving", "retiring"] = "starting"
        self.started = time.monotonic()
        self.pid: int | None = None
        self.listening = False
        """It said that it has started up."""
        self.failure: Message | None = None
        """What it said before it gave up."""
        self.condemned: tuple[str, str] | None = None
        """Kind and sentence, where the master kills it."""
        self.check: probe.HealthCheck | None = None
        self.patience = Timer(lambda: None)
        """When the master stops waiting for it."""
        self._pidfd = -1
        self._stack_fd = os.memfd_create("serai-stack")
        page_fd = os.memfd_create("serai-page")
        os.truncate(page_fd, mmap.PAGESIZE)
        self._page = mmap.mmap(page_fd, mmap.PAGESIZE)
        ours, theirs = socket.socketpair()
        self.status = Channel(ours)
        self._passed = [theirs.detach(), os.dup(self._stack_fd), page_fd]
        """Rides to the zygote with the order, and is closed then."""
        self.probe_connection: socket.socket | None = None
        if probed:
            listener, self.probe_connection = probe.private_listener()
            self._passed.append(listener.detach())

    def order(self) -> None:
        """Asks the zygote to fork it."""
        self.generation.channel.send({"type": "spawn", "worker": self.number}, self._passed)
        for fd in self._passed:
            os.close(fd)
        self._passed = []

    def was_forked(self, pid: int, pidfd: int) -> None:
        """The zygote says so. A signal that was due meanwhile is sent now."""
        self.pid, self._pidfd = pid, pidfd
        if self.state == "retiring" or self.condemned:
            self.signal(signal.SIGKILL if self.condemned else signal.SIGTERM)

    def signal(self, signum: int) -> None:
        """Safe at any time."""
        if self._pidfd >= 0:
            processes.send_signal_to(self._pidfd, signum)

    def has_ended(self) -> bool:
        """Also true of a zombie."""
        return self._pidfd >= 0 and bool(select.select([self._pidfd], [], [], 0)[0])

    def busy_seconds(self) -> float:
        """For how long no thread of it has come back from the app."""
        since = int.from_bytes(self._page[_BUSY_SINCE * 8 : _BUSY_SINCE * 8 + 8], "little")
        return (time.monotonic_ns() - since) / 1e9 if since else 0.0

    def stack(self) -> str:
        """What faulthandler wrote, without our own frames below the app's."""
        return _trim_stack(os.pread(self._stack_fd, _MAX_STACK, 0).decode(errors="replace").strip())

    def close(self) -> None:
        """Idempotent."""
        self.patience.cancel()
        if self.check:
            self.check.cancel()
        if self.probe_connection:
            self.probe_connection.close()
        self.status.close()
        self._page.close()
        for fd in (self._stack_fd, self._pidfd, *self._passed):
            if fd >= 0:
                os.close(fd)
        self._stack_fd = self._pidfd = -1
        self._passed = []


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


def describe_preload(generation: Generation) -> tuple[bool, str]:
    """Whether the app is imported once for all workers, and why."""
    if generation.importing == "never":
        reason = "; ".join(generation.obstacles) if generation.obstacles else "--preload off"
        return False, reason
    return True, "--preload on" if generation.importing == "always" else "the import left no threads or sockets"
