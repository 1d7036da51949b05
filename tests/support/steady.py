"""Runs tests/tools/steady.cc: clients that keep their connections, check every answer and never retry."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any, Self

from .places import REPOSITORY
from .priority import put_ahead

TOOLS = REPOSITORY / os.environ.get("SERAI_BUILD", "build/release") / "test-tools"
ALL_KINDS = "get,post,stream"


@dataclass
class Report:
    """Counts since the start; latencies since the report before."""

    answers: dict[str, int]  # by kind
    failed: int
    idle_closes: int  # connections that ended between two requests, unannounced
    reconnects: int  # after `Connection: close`
    failures: list[str]  # the first ones, as sentences
    failures_of: dict[int, int]  # by the worker that answered before; 0: a new connection
    workers: dict[int, int]  # answers by worker
    lap: int  # answers since the report before
    p50_ms: float
    p99_ms: float
    slowest_ms: float

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + self.failed

    @staticmethod
    def of(line: str) -> "Report":
        values: dict[str, Any] = json.loads(line)
        for name in ("failures_of", "workers"):
            values[name] = {int(pid): count for pid, count in values[name].items()}
        return Report(**values)


@dataclass
class Steady:
    """A context. The connections rest `rest_ms` on average between two requests."""

    port: int
    connections: int = 16
    rest_ms: float = 0
    kinds: str = ALL_KINDS
    tls: bool = False
    reports: list[Report] = field(default_factory=list)
    ahead: bool = False
    """Before other processes, for tests that measure time."""

    def __enter__(self) -> Self:
        settings = [str(v) for v in (self.port, self.connections, self.rest_ms, self.kinds)]
        settings += ["tls"] if self.tls else []
        self._process = subprocess.Popen(
            [TOOLS / "steady", *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self.ahead:
            put_ahead(self._process.pid)
        if self._line() != "ready\n":
            self._process.kill()
            raise AssertionError("the clients were not all answered")
        return self

    def __exit__(self, *_: object) -> None:
        """The requests under way end; the last report is in `last`."""
        assert self._process.stdin
        self._process.stdin.close()
        if line := self._line():
            self.reports.append(Report.of(line))
        self._process.wait(60)
        assert self._process.stdout
        self._process.stdout.close()

    def report(self) -> Report:
        assert self._process.stdin
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        self.reports.append(Report.of(self._line()))
        return self.last

    @property
    def last(self) -> Report:
        return self.reports[-1]

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()
