"""The master's view of one worker process."""

import mmap
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from serai import counters, probe, processes
from serai.channel import Channel, Message
from serai.counters import Cell
from serai.loop import Callback, Loop, Timer
from serai.recycling import Recycling
from serai.worker import TELL_AND_DIE

if TYPE_CHECKING:
    from serai.generation import Generation

STOP_MARGIN = 2.0
"""Seconds beyond the graceful timeout, for the app's own shutdown, before a worker is killed."""
_DUMP_TIME = 1.0
"""Seconds that a condemned worker has for writing its stack."""
_MAX_STACK = 64 * 1024


class WorkerProcess:
    """One worker as the master sees it, from the order to fork it until it is reaped. Owns its descriptors."""

    def __init__(self, number: int, generation: "Generation", recycling: Recycling, *, probed: bool) -> None:
        self.number = number
        self.generation = generation
        self.recycling = recycling
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
        self._patience = Timer(lambda: None)
        """When the master stops waiting for it."""
        self._pidfd = -1
        self.probe_connection: socket.socket | None = None
        with ExitStack() as undo:
            self._stack_fd = os.memfd_create("serai-stack")
            undo.callback(os.close, self._stack_fd)
            page_fd = os.memfd_create("serai-page")
            undo.callback(os.close, page_fd)
            os.truncate(page_fd, mmap.PAGESIZE)
            self._page = mmap.mmap(page_fd, mmap.PAGESIZE)
            ours, theirs = socket.socketpair()
            self.status = Channel(ours)
            workers_stack_fd = os.dup(self._stack_fd)
            undo.callback(os.close, workers_stack_fd)
            passed = [theirs]
            if probed:
                listener, self.probe_connection = probe.private_listener()
                passed.append(listener)
            undo.pop_all()
        self._passed = [passed[0].detach(), workers_stack_fd, page_fd, *(end.detach() for end in passed[1:])]
        """Rides to the zygote with the order, and is closed then."""

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

    def retire(self, loop: Loop, signum: int, timeout: float) -> None:
        """Tells it to end; kills it when it takes longer than `timeout` and some time for the app's shutdown."""
        if self.check:
            self.check.cancel()
        starting, self.state = self.state == "starting", "retiring"
        self.signal(signal.SIGTERM if starting else signum)
        limit = timeout + STOP_MARGIN
        sentence = f"killed: it did not end within {limit:g} s"
        self._be_patient(loop, limit, lambda: self.condemn(loop, "hung", sentence, TELL_AND_DIE))

    def condemn(self, loop: Loop, kind: str, sentence: str, signum: int) -> None:
        """Kills it: first by `signum`, so that it can write its stack or shut the app down, then for sure."""
        if not self.condemned:
            self.condemned = kind, sentence
            self.signal(signum)
            self._be_patient(loop, _DUMP_TIME, lambda: self.signal(signal.SIGKILL))

    def kill(self) -> None:
        """At once, as somebody asked for."""
        self.state, self.condemned = "retiring", ("signal", "killed: told to end at once")
        self.signal(signal.SIGKILL)

    def _be_patient(self, loop: Loop, seconds: float, then: Callback) -> None:
        self._patience.cancel()
        self._patience = loop.call_later(seconds, then)

    def has_ended(self) -> bool:
        """Also true of a zombie."""
        return self._pidfd >= 0 and bool(select.select([self._pidfd], [], [], 0)[0])

    def counter(self, cell: Cell) -> int:
        """One of the engine's numbers."""
        return int.from_bytes(self._page[cell * 8 : cell * 8 + 8], sys.byteorder)

    def numbers(self) -> counters.Page:
        """All that the engine counts."""
        return counters.read(self._page[: counters.PAGE_BYTES])

    def resident_memory(self) -> int:
        """Bytes, pages that it shares with others included; 0 where that cannot be read."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * mmap.PAGESIZE
        except (OSError, ValueError, IndexError):
            return 0

    def busy_seconds(self) -> float:
        """For how long no thread of it has come back from the app."""
        since = self.counter(Cell.BUSY_SINCE)
        return (time.monotonic_ns() - since) / 1e9 if since else 0.0

    def stack(self) -> str:
        """What faulthandler wrote, without our own frames around the app's."""
        return _trim_stack(os.pread(self._stack_fd, _MAX_STACK, 0).decode(errors="replace").strip())

    def close(self) -> None:
        """Idempotent."""
        self._patience.cancel()
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
