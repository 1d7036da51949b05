"""`--reload`: a process above the master that starts it anew when the code changes, and keeps its sockets meanwhile.

    (a master is forked) ──► serving ───────── changed, HUP ────────► ending ──► (a master is forked)
                                │ the app does not start                ▲
                                └──► showing why ── changed, HUP ───────┘

Requests that come between two masters wait in the sockets' backlog.
"""

import dataclasses
import os
import re
import signal
import socket
import time
from collections.abc import Callable

from serai import certificates, crash_page, engine, log, processes
from serai.accesslog import AccessLog
from serai.application import Application
from serai.certificates import Certificates
from serai.channel import Channel, Message
from serai.control import ControlLink
from serai.failure import FAILED
from serai.loop import Loop
from serai.master import Master
from serai.settings import Settings
from serai.sockets import Listener
from serai.watch import Watch

_INTERVAL = 0.2
"""Seconds between two looks at the files; more where a look takes long."""
_SETTLED = 0.05
"""A change counts once nothing has changed for so long: an editor or git may be writing several files."""
_GRACE = 0.5
"""Seconds that running requests have when the code changes."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}


class Developer:
    """Owns one child at a time: a master, or what shows the page."""

    def __init__(
        self, settings: Settings, listeners: list[Listener], access_log: AccessLog, tls: Certificates | None
    ) -> None:
        self._settings = dataclasses.replace(settings, graceful_timeout=min(_GRACE, settings.graceful_timeout))
        self._listeners = listeners
        self._access_log = access_log
        self._certificates = tls
        self._loop = Loop()
        self._watch = Watch(settings.reload_dir or [settings.app_dir], settings.reload_include)
        self._started = time.time()
        self._watch.add(filter(None, [settings.env_file]), self._started)
        self._child = 0
        self._channel: Channel | None = None
        self._failure: Message | None = None
        self._ending = False
        self._starting_anew = False
        self._changes: list[str] = []

    def run(self) -> int:
        """Serves until told to end; the exit code."""
        processes.set_name("serai-reload")
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self._loop.on_signal(signum, self._ends_by(signum))
        self._loop.on_signal(signal.SIGHUP, self._start_anew)
        self._loop.on_signal(signal.SIGUSR1, lambda: self._send(signal.SIGUSR1))
        self._loop.on_signal(signal.SIGCHLD, self._on_child)
        self._loop.call_later(_INTERVAL, self._look)
        self._start()
        try:
            return self._loop.run()
        finally:
            self._loop.close()

    def _ends_by(self, signum: int) -> Callable[[], None]:
        def end() -> None:
            self._ending = True
            if self._child:
                self._send(signum)
            else:
                self._loop.stop(0)

        return end

    def _send(self, signum: int) -> None:
        if self._child:
            processes.send_signal(self._child, signum)

    # --- the child

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._failure = None
        self._started = time.time()
        self._loop.on_readable(ours.fileno(), self._on_message)
        self._fork(lambda: self._be_master(Channel(theirs)))
        theirs.close()

    def _fork(self, become: Callable[[], int]) -> None:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # what comes before the child is ready to hear it, waits
        self._child = os.fork()
        if self._child == 0:
            code = FAILED
            try:
                self._forget_parent(parent)
                code = become()
            finally:
                processes.leave(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _forget_parent(self, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        self._loop.close()
        if self._channel:
            self._channel.close()
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        processes.on_parent_death(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(FAILED)

    def _be_master(self, channel: Channel) -> int:
        control = ControlLink(channel)
        return Master(self._settings, self._listeners, [], self._access_log, self._certificates, control).run()

    def _be_page(self, failure: Message) -> int:
        page = crash_page.start_failed(
            failure["tried"], failure["error"], failure["fix"], str(failure.get("traceback", ""))
        )
        app = Application(page, "wsgi", "it is ours", 0.0)
        options = engine.options(self._settings, self._access_log.fd)
        if tls := certificates.context(self._settings):
            options["tls"] = tls
        sockets = [listener.socket.fileno() for listener in self._listeners]
        server = engine.make_server(app, dataclasses.replace(self._settings, threads=1), sockets, options)
        signal.signal(signal.SIGTERM, lambda *_: server.drain(close_idle=True))
        signal.signal(signal.SIGINT, lambda *_: server.drain(close_idle=True))
        server.run(lambda: None)
        return 0

    def _on_message(self) -> None:
        messages = self._channel.receive() if self._channel else None
        if messages is None:
            return self._close_channel()
        for message in messages:
            if message["type"] == "ready":
                self._watch.add(message.get("files", []), self._started)
            elif message["type"] == "failed":
                self._failure = message
                named = re.findall(r'File "([^"<]+)", line', str(message.get("traceback", "")))
                self._watch.add(named, self._started)

    def _close_channel(self) -> None:
        if self._channel:
            self._loop.forget(self._channel.fileno())
            self._channel.close()
            self._channel = None

    def _on_child(self) -> None:
        ended = processes.reap_all()
        if self._child not in ended:
            return
        status, self._child = ended[self._child], 0
        self._on_message()  # what it said last
        self._close_channel()
        if self._ending:
            self._loop.stop(os.WEXITSTATUS(status) if os.WIFEXITED(status) and not self._failure else 0)
        elif self._starting_anew:
            self._starting_anew = False
            self._start()
        elif self._failure:
            failure = self._failure
            log.info("serve.waiting", "a page tells browsers what is wrong; the next change is tried at once")
            self._fork(lambda: self._be_page(failure))
        else:
            log.error("serve.ended", f"the server {processes.describe_exit(status)}; waiting for a change")

    # --- changes

    def _look(self) -> None:
        began = time.monotonic()
        changes = self._watch.changed()
        self._changes += changes
        if self._changes and not changes:
            self._on_changes()
        pause = _SETTLED if changes else max(_INTERVAL, 20 * (time.monotonic() - began))
        self._loop.call_later(pause, self._look)

    def _on_changes(self) -> None:
        changes, self._changes = sorted(set(self._changes)), []
        named = ", ".join(os.path.relpath(path) for path in changes[:3])
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        log.info("serve.changed", f"starting anew: {named}{more} changed")
        self._start_anew()

    def _start_anew(self) -> None:
        if self._ending:
            return
        if self._child:
            self._starting_anew = True
            self._send(signal.SIGTERM)
        else:
            self._start()


def develop(settings: Settings, listeners: list[Listener], access_log: AccessLog, tls: Certificates | None) -> int:
    """Serves with --reload until told to end; the exit code."""
    for listener in listeners:
        if listener.socket.family != socket.AF_UNIX and not _is_local(listener.socket.getsockname()[0]):
            where = listener.url(tls=tls is not None)
            log.warning("serve.exposed", f"other machines can reach {where}, and --reload shows source code")
    return Developer(settings, listeners, access_log, tls).run()


def _is_local(host: str) -> bool:
    return host == "::1" or host.startswith("127.")
