"""The master's event loop: readiness, timers, signals. (asyncio would be most of the master's memory.)"""

import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable

Callback = Callable[[], None]


class Timer:
    """A call that is due. `cancel` is idempotent."""

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """It will not be called."""
        self.callback = None


class Loop:
    """Runs callbacks until one of them calls `stop`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._signals: dict[int, Callback] = {}
        self._signal_reader, self._signal_writer = socket.socketpair()
        for end in (self._signal_reader, self._signal_writer):
            end.setblocking(False)
        self._exit_code: int | None = None
        self.on_readable(self._signal_reader.fileno(), self._on_signals)

    def on_readable(self, fd: int, callback: Callback) -> None:
        """Each time that `fd` has something to read. The caller forgets it before closing it."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def forget(self, fd: int) -> None:
        """Idempotent."""
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError):
            pass

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Once, `seconds` from now."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def on_signal(self, signum: int, callback: Callback) -> None:
        """Called from the loop, not from the handler."""
        self._signals[signum] = callback
        signal.signal(signum, lambda *_: None)  # the wake-up descriptor tells us

    def run(self) -> int:
        """Until `stop`; its exit code."""
        signal.set_wakeup_fd(self._signal_writer.fileno(), warn_on_full_buffer=False)
        while self._exit_code is None:
            for key, _ in self._selector.select(self._until_next_timer()):
                if key.fd in self._selector.get_map():  # not forgotten by an earlier callback
                    key.data()
            self._run_due_timers()
        return self._exit_code

    def stop(self, exit_code: int) -> None:
        """`run` returns after the current callback. The first call counts."""
        if self._exit_code is None:
            self._exit_code = exit_code

    def close(self) -> None:
        """In a forked child: lets go of the descriptors."""
        self._selector.close()
        self._signal_reader.close()
        self._signal_writer.close()

    def _until_next_timer(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _run_due_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if callback := timer.callback:
                callback()

    def _on_signals(self) -> None:
        for signum in dict.fromkeys(self._signal_reader.recv(4096)):
            if callback := self._signals.get(signum):
                callback()
