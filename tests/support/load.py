"""Load that verifies every answer: keep-alive connections that never retry, uploads, streams.

`Load` runs this module as a process of its own (`python -m support.load`), so that the test's own work does not slow
it down, and reads the report that it prints when its standard input ends. The site must answer `/echo/NONCE`,
`/digest` and `/stream` as those in tests/e2e/sites/*_load do.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

UPLOAD_BYTES = 200_000
STREAM_LINES = 10
STREAM_PAUSE = 0.05
MOST_FAILURES_KEPT = 20


@dataclass
class Report:
    """What the clients saw."""

    seconds: float = 0
    counts: dict[str, int] = field(default_factory=dict)  # answers by kind
    versions: dict[str, int] = field(default_factory=dict)  # answers by the release that gave them
    failed: int = 0
    failures: list[str] = field(default_factory=list)  # the first ones, as sentences
    reconnects: int = 0  # because the answer before said `Connection: close`
    slowest_ms: float = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def rate(self) -> float:
        return self.total / self.seconds

    def check(self) -> None:
        assert self.total, "the load asked nothing"
        assert not self.failed, f"{self.failed} of {self.total} requests failed:\n" + "\n".join(self.failures)


class Load:
    """Load in the background for the length of a `with` block; `report` is there afterwards.

    `rate` is in requests per second over all keep-alive connections; 0 asks as fast as it can.
    """

    def __init__(
        self, port: int, host: str, *, rate: float = 0, connections: int = 8, uploads: int = 1, streams: int = 2
    ) -> None:
        self.report = Report()
        options = {"rate": rate, "connections": connections, "uploads": uploads, "streams": streams}
        asked = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.load", str(port), host, *asked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "answered\n", "the first request of the load was not answered"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        out, _ = self._process.communicate(timeout=60)
        self.report = Report(**json.loads(out))


def capacity(port: int, host: str, seconds: float = 2) -> float:
    """Requests per second that the site answers when asked as fast as possible."""
    with Load(port, host, connections=8, uploads=0, streams=0) as load:
        time.sleep(seconds)
    load.report.check()
    return load.report.rate


# -- the generator -----------------------------------------------------------------------------------------------------


class Wrong(Exception):
    """An answer that is not what it should be."""


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One keep-alive connection. Opened when needed; a close that was not announced is an error, never retried."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.reconnects = -1

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self.reconnects += 1
        reader, writer = self._streams
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{length}\r\n".encode() + body)
        await writer.drain()
        reply = await read_reply(reader)
        if reply.closes:
            self.close()
        return reply

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = await read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(first.split()[1]), headers, body)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


class Generator:
    """All clients of one load."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._clients: dict[str, Callable[[Connection], Awaitable[None]]] = {
            "echo": self.echo,
            "digest": self.digest,
            "stream": self.stream,
        }
        self._counts: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._failures: list[str] = []
        self._failed = 0
        self._reconnects = 0
        self._slowest = 0.0
        self._started = time.monotonic()
        self._stopping = asyncio.Event()

    async def echo(self, connection: Connection) -> None:
        nonce = secrets.token_hex(8)
        reply = await connection.ask("GET", f"/echo/{nonce}")
        self._expect(reply, f"echo {nonce}\n".encode())

    async def digest(self, connection: Connection) -> None:
        body = secrets.token_bytes(UPLOAD_BYTES)
        reply = await connection.ask("POST", "/digest", body)
        self._expect(reply, hashlib.sha256(body).hexdigest().encode())

    async def stream(self, connection: Connection) -> None:
        begun = time.monotonic()
        reply = await connection.ask("GET", f"/stream?lines={STREAM_LINES}&pause={STREAM_PAUSE}")
        self._expect(reply, b"".join(b"line %d\n" % number for number in range(STREAM_LINES)))
        if time.monotonic() - begun < STREAM_LINES * STREAM_PAUSE / 2:
            raise Wrong("the stream came all at once")

    def _expect(self, reply: Reply, body: bytes) -> None:
        if reply.status != 200:
            raise Wrong(f"status {reply.status}: {reply.body[:200]!r}")
        if reply.body != body:
            raise Wrong(f"the body is {reply.body[:100]!r}, expected {body[:100]!r}")
        self._versions[reply.headers.get("x-version", "")] += 1

    async def client(self, kind: str, interval: float, offset: float) -> None:
        """One client: a request each `interval` seconds, or one after the other when it is 0."""
        connection = Connection(self._port, self._host)
        due = time.monotonic() + offset
        while not self._stopping.is_set():
            await self._wait_until(due)
            due = max(due + interval, time.monotonic() - 1)
            await self._ask(kind, connection)
        connection.close()
        self._reconnects += max(connection.reconnects, 0)

    async def _ask(self, kind: str, connection: Connection) -> None:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(30):
                await self._clients[kind](connection)
        except (Wrong, OSError, EOFError, TimeoutError, ValueError, KeyError) as error:
            self._fail(kind, error)
            connection.close()
            await asyncio.sleep(0.01)
        self._counts[kind] += 1
        self._slowest = max(self._slowest, time.monotonic() - begun)

    async def _wait_until(self, due: float) -> None:
        if (pause := due - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _fail(self, kind: str, error: Exception) -> None:
        self._failed += 1
        if len(self._failures) < MOST_FAILURES_KEPT:
            at = time.monotonic() - self._started
            self._failures.append(f"{kind} after {at:.2f} s: {type(error).__name__}: {error}")

    async def run(self, rate: float, connections: int, uploads: int, streams: int) -> Report:
        self._started = time.monotonic()
        interval = connections / rate if rate else 0
        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                group.create_task(self.client("echo", interval, interval * number / connections))
            for _ in range(uploads):
                group.create_task(self.client("digest", 0.1, 0))
            for number in range(streams):
                group.create_task(self.client("stream", 0, STREAM_PAUSE * number))
            await asyncio.to_thread(sys.stdin.read)
            self._stopping.set()
        return self.report()

    def report(self) -> Report:
        return Report(
            seconds=time.monotonic() - self._started,
            counts=dict(self._counts),
            versions=dict(self._versions),
            failed=self._failed,
            failures=self._failures,
            reconnects=self._reconnects,
            slowest_ms=self._slowest * 1000,
        )

    async def first(self) -> None:
        """One request before the load, so that whoever started us knows that the site answers."""
        connection = Connection(self._port, self._host)
        await self.echo(connection)
        connection.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description="verified load until standard input ends; prints a report as JSON")
    parser.add_argument("port", type=int)
    parser.add_argument("host")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--uploads", type=int, default=1)
    parser.add_argument("--streams", type=int, default=2)
    given = parser.parse_args()
    generator = Generator(given.port, given.host)
    await generator.first()
    print("answered", flush=True)
    report = await generator.run(given.rate, given.connections, given.uploads, given.streams)
    print(json.dumps(dataclasses.asdict(report)), flush=True)
    os._exit(0)  # a thread may still wait for standard input


if __name__ == "__main__":
    asyncio.run(main())
