"""From settings to a running master: what can be checked is checked before anything is opened."""

import contextlib
import dataclasses
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator

from serai import application, log
from serai.accesslog import AccessLog
from serai.certificates import Certificates
from serai.control import ControlLink
from serai.failure import Failure
from serai.loading import Target
from serai.master import Master
from serai.probe import private_listener
from serai.settings import Settings
from serai.sockets import open_listeners


def start(settings: Settings) -> int:
    """Serves until told to end; the exit code. Raises Failure where it cannot begin."""
    control = ControlLink.from_environment(os.environ)
    if settings.reload and control.is_open:
        log.warning("serve.no_reload", "--reload is for development: it is left out in a hosted app")
        settings = dataclasses.replace(settings, reload=False)
    with _told_to(control, "settings"):
        _check(settings)
        if settings.umask is not None:
            os.umask(settings.umask)
        certificates = Certificates.of(settings)
    with _told_to(control, "bind"):
        listeners = open_listeners(settings.bind, os.environ)
        measured = settings.metrics_bind and not settings.reload
        metrics = open_listeners([settings.metrics_bind], {}) if measured else []
    try:
        with _told_to(control, "settings"):
            access_log = AccessLog(settings.access_log)
        with pid_file(settings.pid_file):
            where = ", ".join(listener.url(tls=certificates is not None) for listener in listeners)
            log.info("serve.starting", f"serving {settings.app} on {where}", pid=os.getpid(), url=where)
            if settings.reload:
                from serai.development import develop

                return develop(settings, listeners, access_log, certificates)
            return Master(settings, listeners, metrics, access_log, certificates, control).run()
    finally:
        for listener in [*listeners, *metrics]:
            listener.close()


@contextlib.contextmanager
def _told_to(control: ControlLink, step: str) -> Iterator[None]:
    """The supervisor hears of a failure too."""
    try:
        yield
    except Failure as failure:
        told = {"type": "failed", "step": step, "tried": failure.tried, "error": failure.found, "fix": failure.fix}
        control.report({**told, "traceback": "", "exit_code": failure.exit_code})
        raise


def _check(settings: Settings) -> None:
    """Mistakes that need no process to be found."""
    Target.parse(settings.app, factory=settings.factory)
    if settings.post_fork:
        Target.parse(settings.post_fork, factory=False)
    if not os.path.isdir(settings.app_dir):
        raise Failure(f"looking for the app in {settings.app_dir}", "there is no such folder", "check --app-dir")
    if settings.env_file:
        application.read_env_file(settings.env_file)
    if settings.health_path:
        _check_probe()
    if settings.loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise Failure("looking for --loop uvloop", f"it is not installed in {sys.prefix}", "pip install uvloop")
    if importlib.util.find_spec("serai._engine") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        found = f"this package holds no engine for CPython {version} ({sys.executable})"
        raise Failure(
            "loading the engine", found, "install the wheel built for it: make wheel PYTHON=…, or pip install serai"
        )
    _check_gil()


def _check_gil() -> None:
    """A free-threaded CPython turns its lock on when it loads the engine, unless it was told never to."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return
    if getattr(sys.flags, "gil", None) == 0:
        found = "the engine needs the GIL, and PYTHON_GIL=0 or -X gil=0 keeps it off"
        raise Failure("loading the engine", found, "leave that out: it is turned on by itself")
    log.warning("serve.gil", "this CPython is free-threaded: the GIL is on all the same, since the engine needs it")


def _check_probe() -> None:
    try:
        for end in private_listener():
            end.close()
    except OSError as error:
        fix = "let TMPDIR name a folder that can be written, or leave out --health-path"
        raise Failure("making a private socket for health checks", str(error), fix) from None


@contextlib.contextmanager
def pid_file(path: str) -> Iterator[None]:
    """Holds our pid while we run. Raises Failure where another server is alive."""
    if not path:
        yield
        return
    _refuse_if_alive(path)
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        os.rename(temporary, path)
    except OSError as error:
        raise Failure(f"writing the pid file {path}", error.strerror or str(error), "check the folder") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _refuse_if_alive(path: str) -> None:
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return  # none, or of a server that is gone
    raise Failure(
        f"writing the pid file {path}", f"process {pid}, which it names, is running", "end it, or name another file"
    )
