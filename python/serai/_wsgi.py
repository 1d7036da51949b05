"""Runs a WSGI application: the engine's threads, and the few things that are better said in Python.

`WsgiServer.run` comes here. The requests themselves never do.
"""

from __future__ import annotations

import io
import logging
import os
import select
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from serai import processes

logger = logging.getLogger("serai.error")


def run(server: Any, on_ready: Callable[[], object]) -> int:
    """Serves until the server is finished; gives the outcome."""
    pid = os.getpid()
    server._open(FileWrapper, file_place, open_input, _log_error, _log_timeout)
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    on_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False) if on_main_thread else -1
    try:
        on_ready()
        if server._threads == 1:
            server._watch_signals(read_end)
            server._work()
        else:
            _work_in_threads(server, read_end, write_end)
    except BaseException as error:
        processes.leave_if_forked(pid, error)
        raise
    finally:
        if on_main_thread:
            signal.set_wakeup_fd(before)
        outcome: int = server._close()
        os.close(read_end)
        os.close(write_end)
    return outcome


def _work_in_threads(server: Any, read_end: int, write_end: int) -> None:
    """Real threading.Thread objects, so that thread locals, names and debuggers work as applications expect.

    The main thread only waits: it stays free to run signal handlers. `write_end` gets a byte for each signal (its
    number), for each thread that ends (0), and when the server is finished (255). Threads that are still in the app
    then, although their requests have timed out, are left behind.
    """
    ends: list[BaseException] = []
    pid = os.getpid()

    def work() -> None:
        try:
            server._work()
        except BaseException as error:  # KeyboardInterrupt or SystemExit raised by the application
            processes.leave_if_forked(pid, error)
            ends.append(error)
            server.stop()
        finally:
            os.write(write_end, b"\0")

    server._tell_end_to(write_end)
    threads = _start_threads(server._threads, work)
    left = len(threads)
    finished = False
    while left > (server.stats()["stuck"] if finished else 0):
        try:
            select.select([read_end], [], [])
            told = os.read(read_end, 64)
            left -= told.count(0)
            finished = finished or 255 in told
        except BaseException as error:  # raised by a signal handler; the threads must leave the server first
            ends.append(error)
            server.stop()
    if not left:
        for thread in threads:
            thread.join()
    if ends:
        raise ends[0]


def _start_threads(count: int, work: Callable[[], None]) -> list[threading.Thread]:
    """So many, or as many as the system lets us have."""
    threads: list[threading.Thread] = []
    for i in range(count):
        # A daemon, so that the interpreter's end does not wait for one that is left behind; what the app starts in it
        # must not inherit that.
        thread = threading.Thread(target=work, name=f"serai-{i + 1}", daemon=True)
        try:
            thread.start()
            thread._daemonic = False  # type: ignore[attr-defined]
        except RuntimeError as error:  # a limit of processes or memory
            if not threads:
                raise
            logger.warning("serving with %d of %d threads: %s", i, count, error)
            break
        threads.append(thread)
    return threads


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333). The engine sends real files by sendfile; others are iterated over."""

    def __init__(self, filelike: Any, block_size: int = 64 * 1024) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


def file_place(wrapper: FileWrapper) -> tuple[int, int, int] | None:
    """Where the kernel finds what is left of a file: (descriptor, offset, size). None: it must be read.

    Only plain files count: others, such as GzipFile, have a fileno() too, but of other content than their read().
    """
    file = wrapper.filelike
    file = getattr(file, "file", file)  # what tempfile wraps
    raw = file.raw if isinstance(file, io.BufferedReader | io.BufferedRandom) else file
    if not isinstance(raw, io.FileIO):
        return None
    status = os.fstat(raw.fileno())
    if not stat.S_ISREG(status.st_mode):
        return None
    offset = file.tell()
    return raw.fileno(), offset, max(0, status.st_size - offset)


def open_input(descriptor: int) -> BinaryIO:
    """A request body that was spooled to disk."""
    return open(descriptor, "rb", buffering=64 * 1024)


def _log_error(message: str, exception: BaseException | None) -> None:
    logger.error(message, exc_info=exception)


def _log_timeout(thread: int, request: str, seconds: float) -> None:
    """A request was answered with 504 while its thread is still in the app."""
    frame = sys._current_frames().get(thread)
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame))
    stack.reverse()
    ours = [i for i, entry in enumerate(stack) if entry.filename == __file__]
    text = "".join(traceback.StackSummary.from_list(stack[ours[-1] + 1 :] if ours else stack).format())
    logger.error("%s took longer than %g s (--request-timeout); its thread is here:\n%s", request, seconds, text)
