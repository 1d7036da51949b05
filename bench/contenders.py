"""The servers of the table, each started with one worker as its documentation advises for speed, without access logs.

A server that has threads for WSGI runs as many as the row says; how many it runs is shown beside its figures.
"""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rows import Row

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
TAG = sys.implementation.cache_tag
ENGINE = Path(os.environ.get("SERAI_ENGINE") or REPOSITORY / "build" / "release" / "lib" / "serai" / "engine" / TAG)
OURS = "serai"

Command = list[str | Path]


@dataclass(frozen=True)
class Job:
    """What a server is started for."""

    row: Row
    port: int
    certificate: Path  # with its key beside it, as KEY
    workers: int = 1

    @property
    def key(self) -> Path:
        return self.certificate.with_suffix(".key")

    @property
    def tls(self) -> bool:
        return "tls" in self.row.needs

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Contender:
    """A server. `speaks`: what rows may need of it. `threads`: of a worker, those that it has beside WSGI's."""

    name: str
    package: str
    speaks: frozenset[str]
    command: Callable[[Job], Command]
    threads: str = ""

    def lacks(self, row: Row) -> str:
        """Why the row is not for it; empty: it is."""
        missing = sorted(row.needs - self.speaks)
        if missing:
            return "has no " + ", ".join(missing)
        if row.threads > 1 and "threads" not in self.speaks:
            return "runs WSGI on one thread"
        return ""

    def threads_for(self, row: Row) -> str:
        count = str(row.threads) if row.interface == "wsgi" else "1"
        return count + (f" + {self.threads}" if self.threads else "")

    def version(self) -> str:
        if self.name == OURS:
            return our_version()
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return ""

    def environment(self, row: Row) -> dict[str, str]:
        return {"PYTHONPATH": str(ENGINE if self.name == OURS else row.folder)}


@cache
def our_version() -> str:
    described = subprocess.run(
        ["git", "-C", REPOSITORY, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"


@cache
def our_options() -> str:
    asked = subprocess.run(
        [sys.executable, "-m", "serai", "--help"],
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout


def tls(job: Job, certificate: str, key: str) -> Command:
    return [certificate, job.certificate, key, job.key] if job.tls else []


def launcher(server: str) -> Callable[[Job], Command]:
    """For servers that are started from Python."""

    def command(job: Job) -> Command:
        row = job.row
        files = [job.certificate, job.key] if job.tls else []
        start = REPOSITORY / "bench" / "launch.py"
        return [sys.executable, start, server, row.interface, row.target, str(job.port), str(row.threads), *files]

    return command


def serai(job: Job) -> Command:
    threads = ["--threads", str(job.row.threads)] if job.row.interface == "wsgi" else []
    options = ["--bind", job.address, "--access-log", "off", "--workers", str(job.workers)]
    return [sys.executable, "-m", "serai", job.row.target, *options, *threads, *tls(job, "--certfile", "--keyfile")]


def peregrine(job: Job) -> Command:
    options: Command = ["--port", str(job.port), "--protocol", job.row.interface, "--workers", str(job.workers)]
    if job.row.interface == "wsgi":
        options += ["--wsgi-threads", str(job.row.threads)]
    compress = ["--ws-compress"] if "deflate" in job.row.needs else []
    return [BIN / "peregrine", *options, *compress, *tls(job, "--tls-cert", "--tls-key"), job.row.target]


def weft(job: Job) -> Command:
    options: Command = ["--port", str(job.port), "--protocol", job.row.interface, "--workers", str(job.workers)]
    options += ["--log-level", "warning"]
    if job.row.threads > 1:
        options += ["--wsgi-threads", str(job.row.threads)]
    compress = ["--ws-compress"] if "deflate" in job.row.needs else []
    return [BIN / "weft", *options, *compress, *tls(job, "--tls-cert", "--tls-key"), job.row.target]


def granian(job: Job) -> Command:
    row = job.row
    options: Command = [
        "--port",
        str(job.port),
        "--interface",
        row.interface,
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    options += ["--workers", str(job.workers)]
    options += ["--loop", "uvloop"] if row.interface == "asgi" else ["--blocking-threads", str(row.threads)]
    options += [] if "websocket" in row.needs else ["--no-ws"]
    files = tls(job, "--ssl-certificate", "--ssl-keyfile")
    return [BIN / "granian", row.target, *options, *files]


def uvicorn(parser: str) -> Callable[[Job], Command]:
    def command(job: Job) -> Command:
        options: Command = ["--port", str(job.port), "--loop", "uvloop", "--http", parser]
        options += ["--no-access-log", "--log-level", "warning", "--ws", "websockets-sansio"]
        options += ["--http2"] if "h2" in job.row.needs else []
        options += [] if "deflate" in job.row.needs else ["--ws-per-message-deflate", "false"]
        return [BIN / "uvicorn", job.row.target, *options, *tls(job, "--ssl-certfile", "--ssl-keyfile")]

    return command


def gunicorn(worker: str) -> Callable[[Job], Command]:
    def command(job: Job) -> Command:
        options: Command = ["--bind", job.address, "--worker-class", worker, "--workers", str(job.workers)]
        options += ["--no-control-socket", "--log-level", "warning"]
        if worker == "gthread":
            options += ["--threads", str(job.row.threads), "--keep-alive", "60"]
        options += ["--http-protocols", "h2,h1"] if "h2" in job.row.needs else []
        return [BIN / "gunicorn", job.row.target, *options, *tls(job, "--certfile", "--keyfile")]

    return command


def hypercorn(job: Job) -> Command:
    options: Command = ["--bind", job.address, "--worker-class", "uvloop", "--log-level", "warning"]
    return [BIN / "hypercorn", job.row.target, *options, *tls(job, "--certfile", "--keyfile")]


def h2corn(job: Job) -> Command:
    options: Command = ["--bind", job.address, "--runtime-threads", "1"]
    return [BIN / "h2corn", *options, *tls(job, "--certfile", "--keyfile"), job.row.target]


def falcorn(job: Job) -> Command:
    row = job.row
    options: Command = ["--host", "127.0.0.1", "--port", str(job.port), "--protocol", row.interface, "--workers", "1"]
    if row.interface == "asgi":
        options += ["--worker-class", "async", "--asgi-event-loop", "uvloop", "--async-worker-threads", "1"]
    else:
        options += ["--sync-handler-threads", str(row.threads)]
    return [BIN / "falcorn", "run", row.target, *options]


def pyuwsgi(job: Job) -> Command:
    module, _, name = job.row.target.partition(":")
    options: Command = [
        "--http11-socket",
        job.address,
        "--module",
        module,
        "--callable",
        name,
        "--master",
        "--need-app",
    ]
    options += ["--processes", "1", "--die-on-term", "--http-chunked-input", "--disable-logging"]
    options += ["--enable-threads", "--threads", str(job.row.threads)] if job.row.threads > 1 else []
    return [BIN / "pyuwsgi", *options]


def waitress(job: Job) -> Command:
    options = [f"--listen={job.address}", f"--threads={job.row.threads}"]
    return [BIN / "waitress-serve", *options, job.row.target]


def cheroot(job: Job) -> Command:
    return [BIN / "cheroot", job.row.target, "--bind", job.address, "--threads", str(job.row.threads)]


def socketify(job: Job) -> Command:
    options: Command = ["--port", str(job.port), "--interface", job.row.interface, "--disable-listen-log", "True"]
    options += ["--ws-per-message-deflate", "True"] if "deflate" in job.row.needs else []
    return [BIN / "python", "-m", "socketify", job.row.target, *options, *tls(job, "--ssl-certfile", "--ssl-keyfile")]


def all_of(*what: str) -> frozenset[str]:
    return frozenset(what)


def our_abilities() -> frozenset[str]:
    """TLS and HTTP/2 are asked of `serai --help`, so that the table is right for any version of ours."""
    found = {"tls": "--certfile", "h2": "--http2"}
    newer = [ability for ability, option in found.items() if option in our_options()]
    return all_of("asgi", "wsgi", "threads", "websocket", "deflate", *newer)


WEB = ("asgi", "websocket", "deflate", "tls")


def contenders() -> list[Contender]:
    """Ours first."""
    return [
        Contender(OURS, "serai", our_abilities(), serai),
        Contender("peregrine", "peregrine-server", all_of(*WEB, "h2", "wsgi", "threads"), peregrine),
        Contender("weft", "weft-server", all_of(*WEB, "h2", "wsgi", "threads"), weft),
        Contender("freastal", "freastal", all_of("asgi", "wsgi", "tls"), launcher("freastal")),
        Contender("fastpysgi", "fastpysgi", all_of("asgi", "wsgi", "tls"), launcher("fastpysgi")),
        Contender("granian", "granian", all_of("asgi", "wsgi", "threads", "websocket", "tls", "h2"), granian, "I/O"),
        Contender("bjoern", "bjoern", all_of("wsgi"), launcher("bjoern")),
        Contender("uvicorn", "uvicorn", all_of(*WEB), uvicorn("httptools")),
        Contender("uvicorn-zttp", "zttp", all_of(*WEB, "h2"), uvicorn("zttp")),
        Contender("gunicorn-asgi", "gunicorn", all_of(*WEB, "h2"), gunicorn("asgi")),
        Contender("gunicorn-gthread", "gunicorn", all_of("wsgi", "threads", "tls"), gunicorn("gthread")),
        Contender("hypercorn", "hypercorn", all_of(*WEB, "h2"), hypercorn),
        Contender("h2corn", "h2corn", all_of(*WEB, "h2"), h2corn, "I/O"),
        Contender("falcorn", "falcorn", all_of("asgi", "wsgi", "threads"), falcorn, "I/O"),
        Contender("socketify", "socketify", all_of(*WEB, "wsgi"), socketify),
        Contender("uwsgi", "pyuwsgi", all_of("wsgi", "threads"), pyuwsgi),
        Contender("waitress", "waitress", all_of("wsgi", "threads"), waitress, "I/O"),
        Contender("cheroot", "cheroot", all_of("wsgi", "threads"), cheroot, "I/O"),
    ]
