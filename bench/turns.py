"""One turn: a server is started afresh, verified, warmed up, measured and ended.

Fresh starts make rounds independent: what an unlucky hash seed or memory layout costs differs from round to round
instead of being taken for the server's speed.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cpu
import loads
import rows
from contenders import Contender, Job
from loads import Sample, Wrong
from rows import Row

START_SECONDS = 20
WARM_UP_SECONDS = 1.0
FILE_BYTES = 50 * 1024
APP_COST = Path(__file__).resolve().parent / "limit" / "app_cost.py"


class Failed(Exception):
    """A server cannot be measured on a row; the text says why, in one line."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Bench:
    """What all turns share: built tools, a certificate, the file that is served, the store that apps ask."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.seconds = seconds
        self.tools = Path(os.environ["BENCH_TOOLS"])
        self.certificate = folder / "server.pem"
        self._file = folder / "file.bin"
        self._file.write_bytes(b"x" * FILE_BYTES)
        self._misconduct: dict[str, str] = {}
        if not self.certificate.exists():
            self._make_certificate()

    def _make_certificate(self) -> None:
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "3650"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", self.certificate.with_suffix(".key"), "-out", self.certificate]
        subprocess.run(["openssl", "req", "-x509", *key, *subject, *files], check=True, capture_output=True)

    @contextlib.contextmanager
    def store(self, row: Row) -> Iterator[dict[str, str]]:
        """The environment of a row's app; with the store running on the load's CPU where it needs one."""
        env = {"BENCH_FILE": str(self._file)}
        if row.app != "roundtrips":
            yield env
            return
        port = free_port()
        with cpu.Program([self.tools / "client", "store", str(port)], cpu=cpu.LOAD_CPU) as program:
            wait_for_port(program, port)
            yield {**env, "BENCH_STUB_PORT": str(port)}

    @contextlib.contextmanager
    def serving(self, contender: Contender, row: Row, workers: int = 1) -> Iterator[tuple[cpu.Program, int]]:
        """The server, answering rightly, and its port."""
        job = Job(row, free_port(), self.certificate, workers)
        with (
            self.store(row) as env,
            cpu.Program(contender.command(job), row.folder, {**env, **contender.environment(row)}) as program,
        ):
            wait_until_right(program, row, job.port)
            yield program, job.port

    def turn(self, contender: Contender, row: Row) -> Sample:
        """Raises Failed."""
        try:
            with self.serving(contender, row) as (program, port):
                return self._measure(row, port, program)
        except (Wrong, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
            raise Failed(one_line(str(error) or repr(error))) from None

    def misconduct(self, contender: Contender, interface: str) -> str:
        """What a server saves by leaving it out; asked once per server. Django and Flask end requests in close()."""
        if interface != "wsgi":
            return ""
        if contender.name not in self._misconduct:
            try:
                with self.serving(contender, rows.CONDUCT) as (_, port):
                    says = loads.ask(port)
            except (Wrong, OSError, http.client.HTTPException) as error:
                says = repr(error).encode()
            # Verification has asked before.
            self._misconduct[contender.name] = "never calls close()" if says == b"closed 0" else ""
        return self._misconduct[contender.name]

    def _measure(self, row: Row, port: int, program: cpu.Program) -> Sample:
        loads.measure(row, port, WARM_UP_SECONDS, program.microseconds)
        return loads.measure(row, port, self.seconds, program.microseconds)

    def limit(self, row: Row) -> dict[str, float]:
        """The bare server's µs per request, and the app's own."""
        port = free_port()
        size = row.answer_bytes or self._answer_size(row)
        with cpu.Program([self.tools / "bare", str(port), str(size)]) as program:
            wait_for_port(program, port)
            bare = self._measure(row, port, program).server
        return {"bare": round(bare, 3), "app": round(self._app_cost(row), 3)}

    def _app_cost(self, row: Row) -> float:
        job = [row.folder, row.target, row.interface, row.method, str(row.body_bytes), row.path, "1"]
        command = ["taskset", "-c", cpu.SERVER_CPU, sys.executable, APP_COST, *job]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        return float(done.stdout)

    def _answer_size(self, row: Row) -> int:
        return {"fastapi": 190, "django": 330}.get(row.app, len(row.says) + 13)


def wait_for_port(program: cpu.Program, port: int) -> None:
    def connect() -> None:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()

    retry(connect, program)


def wait_until_right(program: cpu.Program, row: Row, port: int) -> None:
    retry(lambda: loads.verify(row, port), program)


def retry(attempt: Callable[[], None], program: cpu.Program) -> None:
    """Until it neither raises OSError or HTTPException, which a server does that is not up yet. Wrong is final."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
            if not program.is_running:
                raise Wrong(f"ended while it started: {last_line(program.output())}") from None
            if time.monotonic() > deadline:
                raise Wrong(
                    f"no right answer within {START_SECONDS} s: {error!r}; {last_line(program.output())}"
                ) from None
            time.sleep(0.05)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def one_line(text: str) -> str:
    return " ".join(text.split())[:300]
