"""Runs an ASGI application: asyncio in the engine's event loop, and the lifespan protocol.

`AsgiServer.run` comes here. The requests themselves never do: the engine starts them, which drives its own event loop.
Under another loop, uvloop's or one that runs already, the engine is the loop's guest.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serai import processes
from serai.failure import Failure

DRAINED = 0
STARTUP_FAILED = 3

Message = MutableMapping[str, Any]
logger = logging.getLogger("serai.error")


class StartupFailed(Exception):
    """The application refused to start; the text says why."""


def run(server: Any, on_ready: Callable[[], object]) -> tuple[int, str | None]:
    """Serves until the server is finished; gives the outcome and, for STARTUP_FAILED, the reason."""
    if server._loop == "serai":
        return _run_in_own_loop(server, on_ready)
    loop = new_loop(server._loop)
    asyncio.set_event_loop(loop)
    before = _hear_signals(loop)
    pid = os.getpid()
    try:
        return loop.run_until_complete(serve(server, on_ready))
    except BaseException as error:
        processes.leave_if_forked(pid, error)
        raise
    finally:
        try:
            _end(loop)
        finally:
            _stop_hearing(before)
            asyncio.set_event_loop(None)
            loop.close()


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Of a kind that has the engine as its guest. Raises Failure."""
    if kind == "asyncio":
        return asyncio.SelectorEventLoop()
    try:
        import uvloop
    except ImportError as error:
        raise Failure("making uvloop's event loop (--loop uvloop)", str(error), "pip install uvloop") from None
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def serve(server: Any, on_ready: Callable[[], object]) -> tuple[int, str | None]:
    """As `run`, in the running loop, of whatever kind it is."""
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[int] = loop.create_future()
    guest = Guest(server, loop, finished)
    try:
        return await _serve(server, finished, on_ready)
    finally:
        guest.leave()


class Guest:
    """The engine in a loop that is not its own: turned when its descriptor is readable, when a time is up, or woken."""

    def __init__(self, server: Any, loop: asyncio.AbstractEventLoop, finished: asyncio.Future[int]) -> None:
        self._server = server
        self._loop = loop
        self._woken = False
        self._left = False
        self._timer: asyncio.TimerHandle | None = None
        self._fd = server._attach_guest(loop, self._wake, finished)
        loop.add_reader(self._fd, self._turn)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._left:
            return
        self._woken = False
        delay = self._server._turn()
        if delay == 0:
            self._wake()
        else:
            self._come_back(self._loop.time() + delay)

    def _come_back(self, when: float) -> None:
        """A timer that fires too early is cheaper than one that is set again each time."""
        if self._timer and self._timer.when() <= when:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._turn()

    def leave(self) -> None:
        """Before the loop goes on without us."""
        self._left = True
        self._loop.remove_reader(self._fd)
        if self._timer:
            self._timer.cancel()
        self._server._detach()


def _run_in_own_loop(server: Any, on_ready: Callable[[], object]) -> tuple[int, str | None]:
    from serai._loop import EventLoop

    loop = EventLoop(server)
    asyncio.set_event_loop(loop)
    before = _hear_signals(loop)
    finished: asyncio.Future[int] = loop.create_future()
    server._set_finished(finished)
    pid = os.getpid()
    try:
        # Inside run_until_complete, so that anyio and others find a root task that outlives the requests.
        return loop.run_until_complete(_serve(server, finished, on_ready))
    except BaseException as error:
        processes.leave_if_forked(pid, error)
        raise
    finally:
        try:
            _end(loop)
        finally:
            _stop_hearing(before)
            server._detach()
            asyncio.set_event_loop(None)
            loop.close()


def _hear_signals(loop: asyncio.AbstractEventLoop) -> int | None:
    """As loop.add_signal_handler does: a signal that comes just before the loop waits is not slept through.

    uvloop sees to that by itself, and on other threads than the main one there are none.
    """
    end = getattr(loop, "_csock", None)
    if end is None or threading.current_thread() is not threading.main_thread():
        return None
    return signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)


def _stop_hearing(before: int | None) -> None:
    if before is not None:
        signal.set_wakeup_fd(before)


async def _serve(server: Any, finished: asyncio.Future[int], on_ready: Callable[[], object]) -> tuple[int, str | None]:
    lifespan = Lifespan(server._app, server._version, server._lifespan)
    try:
        if not await lifespan.startup(until=finished):
            return finished.result(), None
    except StartupFailed as failure:
        return STARTUP_FAILED, str(failure)
    server._open(lifespan.context, lifespan.state, _as_coroutine, _log_error, _log_timeout, _log_blocked)
    on_ready()
    outcome = await finished
    await lifespan.shutdown()
    return outcome, None


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """What asyncio.run does at its end: cancel what is left, then close generators and the executor."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


async def _as_coroutine(awaitable: Awaitable[object]) -> None:
    await awaitable


def _log_error(message: str, exception: BaseException | None) -> None:
    logger.error(message, exc_info=exception)


def _log_timeout(task: asyncio.Task[object], request: str, seconds: float) -> None:
    message = "%s took longer than %g s (--request-timeout) and is cancelled; it was waiting here:\n%s"
    logger.error(message, request, seconds, _stack_of(task))


def _log_blocked(thread: int, request: str, seconds: float) -> None:
    """A request was answered with 504 while the event loop does not come back from the app."""
    message = "%s took longer than %g s (--request-timeout), and the event loop is blocked here:\n%s"
    stack = traceback.format_stack(sys._current_frames().get(thread))
    logger.error(message, request, seconds, "".join(stack[_own_depth(stack) :]))


def _own_depth(stack: list[str]) -> int:
    """Behind the event loop's own frames begins the app's."""
    ours = [i for i, frame in enumerate(stack) if f'"{__file__}"' in frame or "/asyncio/" in frame]
    return ours[-1] + 1 if ours and ours[-1] + 1 < len(stack) else 0


def _stack_of(task: asyncio.Task[object]) -> str:
    """Where a suspended task stands, from the app's own coroutine down to what it awaits, the innermost last."""
    frames: list[tuple[types.FrameType, int]] = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        for frame_name, next_name in (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")):
            if frame := getattr(awaited, frame_name, None):
                frames.append((frame, frame.f_lineno))
                awaited = getattr(awaited, next_name)
                break
        else:
            break  # a future, or an awaitable written in C
    text = "".join(traceback.StackSummary.extract(iter(frames)).format())
    return text + (f"  awaiting {awaited!r}\n" if awaited is not None else "")


class Lifespan:
    """One lifespan conversation (asgiref specs/lifespan.rst), in a task of its own.

    `auto`: an application that raises before it answered does not speak the protocol, which is no error. `on`: it is.
    """

    def __init__(self, app: Callable[..., Any], version: int, mode: str) -> None:
        self._app = app
        self._version = version
        self._mode = mode
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._failure: str | None = None
        self.state: dict[str, Any] = {}
        self.context = contextvars.copy_context()

    async def startup(self, until: asyncio.Future[int]) -> bool:
        """True once the application is ready; False when `until` was done first. Raises StartupFailed."""
        if self._mode == "off":
            return True
        loop = asyncio.get_running_loop()
        self._startup_done = loop.create_future()
        self._shutdown_done = loop.create_future()
        await self._messages.put({"type": "lifespan.startup"})
        self._task = loop.create_task(self._converse())
        await asyncio.wait({self._startup_done, until}, return_when=asyncio.FIRST_COMPLETED)
        if self._failure is not None:
            raise StartupFailed(self._failure)
        return self._startup_done.done()

    async def shutdown(self) -> None:
        """Tells the application that the server ends, and waits for its answer."""
        if self._task is None or not self._started or self._task.done():
            return
        await self._messages.put({"type": "lifespan.shutdown"})
        await self._shutdown_done

    async def _converse(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            if self._version == 2:
                await self._app(scope)(self._receive, self._send)
            else:
                await self._app(scope, self._receive, self._send)
        except Exception as error:
            self._on_error(error)
        finally:
            _resolve(self._startup_done)
            _resolve(self._shutdown_done)

    def _on_error(self, error: Exception) -> None:
        if self._started:
            logger.error("Exception in the lifespan of the ASGI application", exc_info=error)
        elif self._failure is None and self._mode == "on":
            logger.error("Exception during start-up of the ASGI application", exc_info=error)
            self._failure = "".join(traceback.format_exception(type(error), error, error.__traceback__))

    async def _receive(self) -> Message:
        return await self._messages.get()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started = True
            self.context = contextvars.copy_context()  # what start-up set, every request starts with
            _resolve(self._startup_done)
        elif kind == "lifespan.startup.failed":
            self._failure = message.get("message") or "the application sent lifespan.startup.failed"
            logger.error("ASGI application failed to start: %s", self._failure)
            _resolve(self._startup_done)
        elif kind == "lifespan.shutdown.complete":
            _resolve(self._shutdown_done)
        elif kind == "lifespan.shutdown.failed":
            logger.error("ASGI application failed to shut down: %s", message.get("message", ""))
            _resolve(self._shutdown_done)
        else:
            raise RuntimeError(f"unexpected lifespan message {kind!r}")


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
