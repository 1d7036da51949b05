"""The zygote: imports the app once, freezes what it has, and forks a worker whenever the master asks for one.

Where the import left threads or sockets it cannot be forked. Then the zygote says so and ends, and the master starts
another one that imports nothing: its workers import for themselves.
"""

import dataclasses
import gc
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any, Literal, NoReturn

from serai import application, preload, processes
from serai.accesslog import AccessLog
from serai.application import Application
from serai.channel import Channel
from serai.failure import FAILED, Failure
from serai.settings import Settings
from serai.worker import ORPHAN_MARGIN, SIGNALS, Post, Worker, leave_to_master

Import = Literal["check", "always", "never"]
"""Import the app here, but only if the result can be forked; in any case; leave it to the workers."""


@dataclasses.dataclass
class Inheritance:
    """What the zygote has from the master's memory."""

    settings: Settings
    sockets: list[int]
    access_log: AccessLog
    importing: Import
    master: int
    """Pid."""


class Zygote:
    """Lives in the forked process only. `channel` leads to the master."""

    def __init__(self, inheritance: Inheritance, channel: Channel) -> None:
        self._inherited = inheritance
        self._channel = channel
        self._app: Application | None = None
        self._workers: dict[int, int] = {}
        """Pidfd by pid."""
        self._selector = selectors.EpollSelector()
        self._apps_on_term: Any = None

    def run(self) -> NoReturn:
        """Does not return, nor run anything that the master has on its stack."""
        code = FAILED
        try:
            code = self._run()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _run(self) -> int:
        processes.set_name("serai-zygote")
        processes.on_parent_death(signal.SIGKILL)  # while importing nobody listens to the channel
        if os.getppid() != self._inherited.master:
            return FAILED
        self._settle_signals()
        if not self._prepare():
            return 0
        if (handler := signal.getsignal(signal.SIGTERM)) is not leave_to_master and callable(handler):
            self._apps_on_term = handler
        self._settle_signals()  # the app's import may have set its own
        processes.on_parent_death(0)
        self._serve()
        return 0

    def _settle_signals(self) -> None:
        """The master alone acts on signals. Not SIG_IGN, which the app's children would inherit."""
        for signum in (
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGHUP,
            signal.SIGTTIN,
            signal.SIGTTOU,
            signal.SIGTERM,
            signal.SIGUSR1,
        ):
            signal.signal(signum, leave_to_master)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)

    def _prepare(self) -> bool:
        """Imports and reports; False where this zygote is of no use."""
        try:
            application.apply_environment(self._inherited.settings)
            from serai._engine import __version__ as version  # here, so that workers share its pages

            if self._inherited.importing == "never":
                return self._channel.send({"type": "spawner", "version": version})
            before = preload.descriptors()
            app = application.load(self._inherited.settings)
            obstacles = preload.leftovers(before)
        except Failure as failure:
            self._channel.send(application.failed_message(failure))
            return False
        if obstacles and self._inherited.importing == "check":
            self._channel.send({"type": "not_forkable", "obstacles": obstacles})
            return False
        self._app = app
        gc.collect()
        gc.freeze()
        return self._channel.send({"type": "loaded", "version": version, "obstacles": obstacles, **app.describe()})

    def _serve(self) -> None:
        """Until the master closes the channel or is gone, and no worker is left."""
        self._selector.register(self._channel.fileno(), selectors.EVENT_READ, self._on_message)
        while self._channel.fileno() in self._selector.get_map():
            for key, _ in self._selector.select():
                key.data()
        self._end_workers()

    def _on_message(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            self._selector.unregister(self._channel.fileno())
            return
        for message in messages:
            if message["type"] == "spawn":
                self._spawn(message["worker"], message["descriptors"])
            elif message["type"] == "reopen":
                self._inherited.access_log.reopen()

    def _spawn(self, worker: int, descriptors: list[int]) -> None:
        """Forks. os.fork runs the hooks of os.register_at_fork."""
        zygote = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker(zygote, descriptors)
        except OSError as error:  # a limit of processes or memory
            _close(descriptors)
            self._channel.send({"type": "not_forked", "worker": worker, "error": error.strerror})
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        pidfd = os.pidfd_open(pid)
        self._workers[pid] = pidfd
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._on_exit(worker, pid))
        _close(descriptors)
        self._channel.send({"type": "forked", "worker": worker, "pid": pid}, [pidfd])

    def _become_worker(self, zygote: int, descriptors: list[int]) -> NoReturn:
        code = FAILED
        try:
            self._forget_zygote()
            code = Worker(self._post(zygote, descriptors)).run(self._app)
        finally:
            processes.leave(code)

    def _forget_zygote(self) -> None:
        self._selector.close()
        self._channel.close()
        for pidfd in self._workers.values():
            os.close(pidfd)
        self._workers.clear()

    def _post(self, zygote: int, descriptors: list[int]) -> Post:
        status, stack_fd, page_fd, *probe = descriptors
        return Post(
            settings=self._inherited.settings,
            sockets=self._inherited.sockets,
            access_log=self._inherited.access_log,
            master=self._inherited.master,
            zygote=zygote,
            status=Channel(socket.socket(fileno=status)),
            stack_fd=stack_fd,
            page_fd=page_fd,
            probe_fd=probe[0] if probe else None,
            apps_on_term=self._apps_on_term,
        )

    def _on_exit(self, worker: int, pid: int) -> None:
        self._selector.unregister(self._workers[pid])
        os.close(self._workers.pop(pid))
        _, status = os.waitpid(pid, 0)
        self._channel.send({"type": "exited", "worker": worker, "pid": pid, "status": status})

    def _end_workers(self) -> None:
        """The master is gone, or has let go: its workers end in order, and are killed where they do not."""
        self._signal_all(signal.SIGTERM)
        self._reap_until(self._inherited.settings.graceful_timeout + ORPHAN_MARGIN)
        self._signal_all(signal.SIGKILL)
        self._reap_until(None)

    def _signal_all(self, signum: int) -> None:
        for pid in self._workers:
            processes.send_signal(pid, signum)

    def _reap_until(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._workers:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            for key, _ in self._selector.select(left):
                key.data()


def _close(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)
