"""One worker process: takes the application and the sockets, and lets the engine serve until it is told to end."""

import contextlib
import dataclasses
import faulthandler
import mmap
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from serai import application, engine, loading, log, processes
from serai.accesslog import AccessLog
from serai.application import Application
from serai.certificates import Inbox
from serai.channel import Channel
from serai.failure import FAILED, LIFESPAN_FAILED, Failure
from serai.settings import Settings

if TYPE_CHECKING:
    from serai._engine import AsgiServer, WsgiServer

# What the master asks a worker for by signal. SIGTERM: end, closing idle connections at once. The others are real-time
# signals, since apps use the named ones.
RETIRE = signal.SIGRTMAX - 3
"""End, but leave idle connections to their next request or the graceful timeout."""
LISTEN = signal.SIGRTMAX - 4
"""You have passed the health check: accept on the public sockets."""
CERTIFICATES = signal.SIGRTMAX - 5
"""There are new TLS certificates in your channel."""
TELL_AND_DIE = signal.SIGRTMAX - 6
"""You hang: write where each of your threads is, and die."""

SIGNALS = {signal.SIGTERM, signal.SIGUSR1, RETIRE, LISTEN, CERTIFICATES, processes.PARENT_DIED}
"""Blocked by the zygote around the fork, until the worker has handlers of its own for them."""

ORPHAN_MARGIN = 2.0
"""Seconds beyond the graceful timeout after which a worker without a master ends itself."""


@dataclasses.dataclass
class Post:
    """A worker's place: what it gets from the master through the zygote. The descriptors are the worker's to keep."""

    settings: Settings
    sockets: list[int]
    access_log: AccessLog
    master: int
    """Pid of the master."""
    zygote: int
    """Pid of the process that forked us."""
    status: Channel
    """To the master: loaded, ready, failed."""
    stack_fd: int
    """Where faulthandler writes; the master reads it when the worker died."""
    page_fd: int
    """Memory that the engine keeps its counters in; the master watches it."""
    probe_fd: int | None
    """A private listener over which the master asks for the health path, before the public sockets are served."""
    apps_on_term: Any = None
    """The handler for SIGTERM that the app's import set in the zygote."""


class Worker:
    """Lives in the forked process only. Main thread throughout."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._server: AsgiServer | WsgiServer | None = None
        self._apps_on_term = post.apps_on_term
        self._certificates = Inbox(post.settings, post.status) if post.settings.certfile else None

    def run(self, app: Application | None) -> int:
        """Serves; the exit code. Without an app (no preload) it is imported here."""
        self._settle()
        try:
            app = app or self._load()
            self._after_fork()
            return self._serve(app)
        except Failure as failure:
            self._post.status.send(application.failed_message(failure))
            return failure.exit_code
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else FAILED if ended.code else 0
        except BaseException:
            traceback.print_exc()
            return FAILED

    def _settle(self) -> None:
        """Signals, name, where crashes are reported, and what happens when the parent goes."""
        processes.set_name("serai-worker")
        self._report_crashes()
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(signum, leave_to_master)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until there is a server to drain
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, lambda *_: self._post.access_log.reopen())
        signal.signal(processes.PARENT_DIED, self._on_parent_death)
        signal.signal(CERTIFICATES, self._renew_certificates)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        processes.on_parent_death(processes.PARENT_DIED)
        if os.getppid() != self._post.zygote:  # it died before the kernel knew that we want to be told
            self._on_parent_death()

    def _report_crashes(self) -> None:
        # After a crash the other threads may run on, and reading their frames meanwhile can crash faulthandler itself.
        # The threads of a worker that hangs stand still.
        faulthandler.enable(file=self._post.stack_fd, all_threads=False)
        faulthandler.register(TELL_AND_DIE, file=self._post.stack_fd, all_threads=True, chain=True)

    def _load(self) -> Application:
        app = application.load(self._post.settings)
        self._post.status.send({"type": "loaded", **app.describe()})
        return app

    def _after_fork(self) -> None:
        if hook := self._post.settings.post_fork:
            function = loading.load_function(hook, "post-fork hook")
            try:
                function()
            except Exception as error:
                trace = loading.app_traceback(error)
                raise loading.LoadError(
                    f"calling the post-fork hook {hook}", repr(error), "see the traceback", trace
                ) from None

    def _serve(self, app: Application) -> int:
        from serai._engine import STARTUP_FAILED

        server = self._server = self._make_server(app)
        self._drain_on_term()
        signal.signal(RETIRE, lambda *_: server.drain(close_idle=False))
        signal.signal(LISTEN, lambda *_: server.listen(self._post.sockets))
        outcome = server.run(self._on_ready)
        if outcome != STARTUP_FAILED:
            return 0
        self._report_lifespan(getattr(server, "startup_error", None) or "the app reported that it could not start")
        return LIFESPAN_FAILED

    def _on_ready(self) -> None:
        self._drain_on_term()
        self._post.status.send({"type": "ready"})

    def _drain_on_term(self) -> None:
        """A handler that the app has set, on import or when it started up, is called too."""
        if (handler := signal.getsignal(signal.SIGTERM)) == self._on_term:
            return
        if callable(handler):
            self._apps_on_term = handler
        signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, signum: int, frame: Any) -> None:
        if self._server:
            self._server.drain(close_idle=True)
        if self._apps_on_term:
            with contextlib.suppress(SystemExit):  # the end is on its way, when the requests are done
                self._apps_on_term(signum, frame)

    def _make_server(self, app: Application) -> "AsgiServer | WsgiServer":
        post = self._post
        sockets = post.sockets if post.probe_fd is None else [post.probe_fd]
        options = engine.options(post.settings, post.access_log.fd)
        options["page"] = mmap.mmap(post.page_fd, mmap.PAGESIZE)
        if self._certificates:
            options["tls"] = self._certificates.wait()
            self._renew_certificates()  # what was sent before there was a context to renew
        return engine.make_server(app, post.settings, sockets, options)

    def _report_lifespan(self, error: str) -> None:
        last_line = error.rstrip().rpartition("\n")[2]
        self._post.status.send(
            {
                "type": "failed",
                "step": "lifespan",
                "tried": "running the app's lifespan start-up",
                "error": last_line,
                "fix": "correct the app's start-up; --lifespan off serves without it",
                "traceback": error if "\n" in error.rstrip() else "",
                "exit_code": LIFESPAN_FAILED,
            }
        )

    def _renew_certificates(self, *_: Any) -> None:
        if self._certificates:
            try:
                self._certificates.renew()
            except Exception as error:  # the master found them good
                log.error("tls.not_renewed", f"a worker keeps its certificates: {error}", pid=os.getpid())

    def _on_parent_death(self, *_: Any) -> None:
        """The zygote is gone. Under the master's own care serving goes on; without one the worker ends in order."""
        if os.getppid() == self._post.master:
            processes.on_parent_death(signal.SIGKILL)
            return
        patience = self._post.settings.graceful_timeout + ORPHAN_MARGIN
        faulthandler.dump_traceback_later(patience, exit=True, file=sys.__stderr__ or 2)
        if self._server is None:
            os._exit(FAILED)
        self._server.drain(close_idle=True)


def leave_to_master(*_: Any) -> None:
    """A terminal sends these to every process; the master acts on them. Not SIG_IGN, which children would inherit."""
