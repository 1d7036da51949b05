"""The server inside a program: `serai.serve(app)` until it is told to end, `serai.running(app)` as long as a block.

An app that is named, "module:name", is served by `serve` as the command line does it, with master and workers. An
application object is served in the calling process itself, by the engine alone.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from serai import application, certificates, engine, interface, log, sources, start
from serai.accesslog import AccessLog
from serai.application import Application
from serai.failure import LIFESPAN_FAILED, Failure, wrong_use
from serai.settings import Settings
from serai.settings import options as schema
from serai.sockets import Listener, open_listeners

if TYPE_CHECKING:
    from serai._engine import AsgiServer, WsgiServer

_NEED_PROCESSES = {"workers", "preload", "post_fork", "health_path", "reload"}
_NEED_PROCESSES |= {"max_requests", "max_worker_age", "max_worker_memory", "metrics_bind"}
"""Settings that mean something only where there is a master; for an object they stay at their defaults."""


def serve(app: Any, **chosen: Any) -> int:
    """Serves until SIGTERM or SIGINT; the exit code. To be called in the main thread.

    `app` is "module:name", as on the command line, or an application object. `chosen` are the settings of
    `serai serve`, with underscores; files and variables are not read. Raises Failure.
    """
    if isinstance(app, str):
        settings = sources.from_keywords(app, chosen)
        log.set_format(settings.log_format)
        with _signals_restored():
            return start.start(settings)
    settings = _settings_for_object(app, chosen)
    log.set_format(settings.log_format)
    if settings.umask is not None:
        os.umask(settings.umask)
    with start.pid_file(settings.pid_file), _Served(app, settings) as served:
        return served.run_in_main_thread()


def running(app: Any, **chosen: Any) -> "Running":
    """A server that runs as long as a `with` or `async with` block, on a free port of this machine; for tests.

    `async with` serves an ASGI app in the running event loop, whatever its kind; otherwise the server has a thread and
    a loop of its own. Arguments as for `serve`, but an app that is named is imported here, too.
    """
    settings = _settings_for_object(app, {"bind": ["127.0.0.1:0"], "graceful_timeout": 5, **chosen})
    return Running(app, settings)


class Running:
    """Made by `running`."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._served: _Served | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[tuple[int, str | None]] | None = None
        self._error: BaseException | None = None

    @property
    def url(self) -> str:
        """Where it listens: http://127.0.0.1:40123, https://… or unix:/path. The first place, if there are several."""
        return self._running().urls()[0]

    @property
    def port(self) -> int:
        """Of the first place."""
        return int(self._running().listeners[0].socket.getsockname()[1])

    def _running(self) -> "_Served":
        if self._served is None:
            raise RuntimeError("the server runs inside the with block only")
        return self._served

    def __enter__(self) -> "Running":
        self._served = _Served(self._app, self._settings)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._served, ready), name="serai", daemon=True)
        self._thread.start()
        ready.wait()
        if self._error:
            error = self._error
            self._end_thread()
            raise error
        return self

    def _run(self, served: "_Served", ready: threading.Event) -> None:
        try:
            served.run(ready.set)
        except BaseException as error:
            self._error = error
        finally:
            ready.set()

    def __exit__(self, *_: object) -> None:
        self._end_thread()

    def _end_thread(self) -> None:
        served, self._served = self._served, None
        if served and self._thread:
            served.server.drain(close_idle=True)
            self._thread.join()
            served.close()

    async def __aenter__(self) -> "Running":
        served = _Served(self._app, self._settings)
        if served.app.interface == "wsgi":
            served.close()
            return await asyncio.to_thread(self.__enter__)
        from serai import _asgi

        self._served = served
        ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(_asgi.serve(served.server, lambda: ready.set_result(None)))
        await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await self._end_task()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            await self._end_task()
        else:
            await asyncio.to_thread(self._end_thread)

    async def _end_task(self) -> None:
        served, self._served = self._served, None
        if served and self._task:
            try:
                served.server.drain(close_idle=True)
                served.check(*await self._task)
            finally:
                served.close()


class _Served:
    """An application with its sockets and its server, in this process."""

    def __init__(self, app: Any, settings: Settings) -> None:
        """Raises Failure."""
        application.apply_environment(settings)
        self.app = _application(app, settings)
        self._settings = settings
        self._access_log = AccessLog(settings.access_log)
        tls = certificates.context(settings)
        self._is_secure = tls is not None
        self.listeners: list[Listener] = open_listeners(settings.bind, {})
        options = engine.options(settings, self._access_log.fd)
        if tls:
            options["tls"] = tls
        sockets = [listener.socket.fileno() for listener in self.listeners]
        try:
            self.server: AsgiServer | WsgiServer = engine.make_server(self.app, settings, sockets, options)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "_Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """After the server has ended, or where it did not run."""
        for listener in self.listeners:
            listener.close()
        self._access_log.close()

    def urls(self) -> list[str]:
        """Where it listens."""
        return [listener.url(tls=self._is_secure) for listener in self.listeners]

    def run(self, on_ready: Callable[[], object]) -> int:
        """The engine's outcome. Raises Failure where the app's lifespan start-up failed."""
        outcome = self.server.run(on_ready)
        self.check(outcome, getattr(self.server, "startup_error", None))
        return outcome

    def check(self, outcome: int, startup_error: str | None) -> None:
        """Raises Failure where the app's lifespan start-up failed."""
        if outcome == LIFESPAN_FAILED:
            found = startup_error or "the app reported that it could not start"
            fix = 'correct the app\'s start-up; lifespan="off" serves without it'
            raise Failure("running the app's lifespan start-up", found, fix, exit_code=LIFESPAN_FAILED)

    def run_in_main_thread(self) -> int:
        """Until SIGTERM or SIGINT; a second SIGINT ends at once."""
        with _signals_restored():
            signal.signal(signal.SIGTERM, lambda *_: self.server.drain(close_idle=True))
            signal.signal(signal.SIGINT, self._on_interrupt)
            self.run(self._on_ready)
        log.info("serve.ended", "ended as asked")
        return 0

    def _on_interrupt(self, *_: Any) -> None:
        signal.signal(signal.SIGINT, lambda *_: self.server.stop())
        self.server.drain(close_idle=True)

    def _on_ready(self) -> None:
        where = ", ".join(self.urls())
        sentence = f"serving {self._settings.app} on {where}: {self.app.interface}, for {self.app.reason}"
        log.info("serve.ready", sentence, pid=os.getpid(), url=where)


def _settings_for_object(app: Any, chosen: dict[str, Any]) -> Settings:
    settings = sources.from_keywords(app if isinstance(app, str) else _name_of(app), chosen)
    for setting, default, _ in schema():
        if setting in _NEED_PROCESSES and getattr(settings, setting) != default:
            fix = 'use serai.serve("module:name", …), which starts worker processes'
            raise wrong_use(f"reading the argument {setting}", "it needs an app that each worker can import", fix)
    return settings


def _name_of(app: Any) -> str:
    named = app if hasattr(app, "__qualname__") else type(app)
    return f"{named.__module__}.{named.__qualname__}"


def _application(app: Any, settings: Settings) -> Application:
    if isinstance(app, str):
        return application.load(settings)
    found = app() if settings.factory else app
    if settings.interface != "auto":
        return Application(found, settings.interface, "the argument interface says so", 0.0)
    return Application(found, *interface.detect(found, settings.app), 0.0)


@contextlib.contextmanager
def _signals_restored() -> Iterator[None]:
    """The program goes on with its own handlers."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    wakeup_fd = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
