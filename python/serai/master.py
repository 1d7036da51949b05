"""The master: holds the listening sockets, hears signals and the supervisor, and leaves the workers to the fleet."""

import os
import signal

from serai import log, processes
from serai.accesslog import AccessLog
from serai.certificates import Certificates
from serai.control import ControlLink
from serai.failure import Failure
from serai.fleet import Fleet, Surroundings
from serai.loop import Loop
from serai.metrics import Exporter
from serai.settings import Settings
from serai.sockets import Listener
from serai.worker import RETIRE


class Master:
    """Imports nothing of the app, so that new code needs a new zygote only."""

    def __init__(
        self,
        settings: Settings,
        listeners: list[Listener],
        metrics: list[Listener],
        access_log: AccessLog,
        certificates: Certificates | None,
        control: ControlLink,
    ) -> None:
        self._settings = settings
        self._control = control
        self._access_log = access_log
        self._certificates = certificates
        self._loop = Loop()
        self._interrupted = False
        self._had_terminal = _has_terminal()
        sockets = [listener.socket.fileno() for listener in listeners]
        around = Surroundings(self._loop, settings, sockets, access_log, certificates, control.report, self._forget)
        self._fleet = Fleet(around)
        self._exporters = [Exporter(self._loop, m.socket, self._fleet.metrics) for m in metrics]

    def run(self) -> int:
        """Serves until told to end; the exit code."""
        processes.set_name("serai-master")
        processes.become_subreaper()
        for signum, callback in (
            (signal.SIGTERM, lambda: self._end(signal.SIGTERM)),
            (signal.SIGINT, self._on_interrupt),
            (signal.SIGQUIT, self._fleet.kill),
            (signal.SIGHUP, self._on_hang_up),
            (signal.SIGTTIN, lambda: self._fleet.scale_by(1)),
            (signal.SIGTTOU, lambda: self._fleet.scale_by(-1)),
            (signal.SIGUSR1, self._reopen_logs),
            (signal.SIGCHLD, self._fleet.reap),
        ):
            self._loop.on_signal(signum, callback)
        self._control.listen(self._loop, self)
        self._fleet.start()
        try:
            return self._loop.run()
        finally:
            self._loop.close()

    # What the supervisor may ask for (control.Commands).

    def drain(self, timeout: float | None) -> None:
        """Ends in order; idle connections stay until their next request, for another instance takes over."""
        self._end(RETIRE, timeout)

    def stop(self) -> None:
        """Ends at once."""
        self._fleet.kill()

    def scale(self, workers: int) -> None:
        """So many workers from now on."""
        self._fleet.scale(workers)

    def reload(self) -> None:
        """Takes the new code, and the new certificates."""
        if self._certificates and self._certificates.reload():
            self._fleet.renew_certificates()
        self._fleet.reload()

    # Signals.

    def _end(self, signum: int, timeout: float | None = None) -> None:
        patience = self._settings.graceful_timeout if timeout is None else timeout
        log.info("serve.draining", f"ending: running requests have {patience:g} s")
        self._fleet.drain(signum, patience)

    def _on_interrupt(self) -> None:
        """Ctrl-C: in order; the second time at once."""
        if self._interrupted:
            self._fleet.kill()
        else:
            self._interrupted = True
            self._end(signal.SIGTERM)

    def _on_hang_up(self) -> None:
        """A reload, unless the kernel sent it because the terminal was closed."""
        if self._had_terminal and not _has_terminal():
            self._end(signal.SIGTERM)
        else:
            self.reload()

    def _reopen_logs(self) -> None:
        try:
            self._access_log.reopen()
        except Failure as failure:
            log.error("log.reopen", f"{failure.tried}: {failure.found}; writing goes on to the old file")
            return
        self._fleet.reopen_logs()

    def _forget(self) -> None:
        """In a forked child: lets go of what is the master's alone."""
        signal.set_wakeup_fd(-1)
        self._loop.close()
        self._control.close()
        self._fleet.forget()
        for exporter in self._exporters:
            exporter.close()
        if self._certificates:
            self._certificates.close()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
        return True
    except OSError:
        return False
