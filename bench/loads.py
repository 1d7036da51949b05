"""Asks a running server: once to see that its answers are right, then as fast as it can for some seconds."""

import contextlib
import http.client
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cpu
from rows import Row

LOAD = Path(__file__).resolve().parent / "load"
LOCAL = "127.0.0.1"


class Wrong(Exception):
    """A server answers something else, or not at all: its figures would mean nothing."""


@dataclass
class Sample:
    """What one turn gave. Costs are µs of CPU per answer, kernel time included."""

    answers: int
    seconds: float
    server: float
    machine: float  # all CPUs, whoever worked
    client: float
    p50_ms: float
    p99_ms: float

    def dump(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


# -- is it right? -----------------------------------------------------------------------------------------------------


def trusting() -> ssl.SSLContext:
    """The certificate is our own, of a minute ago."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def connect(row: Row, port: int) -> http.client.HTTPConnection:
    if "tls" in row.needs:
        return http.client.HTTPSConnection(LOCAL, port, timeout=10, context=trusting())
    return http.client.HTTPConnection(LOCAL, port, timeout=10)


def verify(row: Row, port: int) -> None:
    """Raises Wrong, or OSError and HTTPException while the server is not up."""
    if row.message in ("text", "binary"):
        verify_echo(row, port)
    elif row.message:
        with contextlib.closing(connect(row, port)) as connection:
            connection.connect()  # that messages come is seen under load
    elif row.streams:
        verify_http2(row, port)
    else:
        verify_http(row, port)


def verify_http(row: Row, port: int) -> None:
    """Thrice on one connection, which must stay open."""
    with contextlib.closing(connect(row, port)) as connection:
        first_socket = None
        for _ in range(3):
            body = (
                (b"x" * row.chunk_bytes for _ in range(row.body_bytes // row.chunk_bytes)) if row.chunk_bytes else None
            )
            plain = b"x" * row.body_bytes if row.body_bytes and not row.chunk_bytes else None
            connection.request(row.method, row.path, body=body or plain, encode_chunked=row.chunk_bytes > 0,
                               headers={"Transfer-Encoding": "chunked"} if row.chunk_bytes else {})  # fmt: skip
            answer = connection.getresponse()
            check(row, answer.status, answer.read())
            if first_socket not in (None, connection.sock):
                raise Wrong("closed a connection that should be kept alive")
            first_socket = connection.sock
            if first_socket is None:
                raise Wrong("closes the connection after each answer")


def ask(port: int) -> bytes:
    with contextlib.closing(http.client.HTTPConnection(LOCAL, port, timeout=10)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read()


def check(row: Row, status: int, body: bytes) -> None:
    if status != 200 or row.says not in body:
        raise Wrong(f"answered {status}: {body[:100]!r}")
    if row.answer_bytes is not None and len(body) != row.answer_bytes:
        raise Wrong(f"answered {len(body)} bytes instead of {row.answer_bytes}")


def verify_http2(row: Row, port: int) -> None:
    url = f"https://{LOCAL}:{port}{row.path}"
    command = ["curl", "--silent", "--insecure", "--http2", "--write-out", "\n%{http_version} %{http_code}", url]
    done = subprocess.run(command, capture_output=True, timeout=15, check=False)
    if done.returncode:
        raise ConnectionError(f"curl ended with {done.returncode}")
    body, _, outcome = done.stdout.rpartition(b"\n")
    version, status = outcome.split()
    if version != b"2":
        raise Wrong(f"answered in HTTP/{version.decode()}")
    check(row, int(status), body)


def verify_echo(row: Row, port: int) -> None:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    compression = "deflate" if "deflate" in row.needs else None
    try:
        with connect(f"ws://{LOCAL}:{port}{row.path}", compression=compression, proxy=None) as socket:
            if compression and not socket.protocol.extensions:
                raise Wrong("does not take permessage-deflate")
            text = ("Serai → " * row.body_bytes)[: row.body_bytes]
            for message in (text, text.encode()):
                socket.send(message)
                if (answer := socket.recv(10)) != message:
                    raise Wrong(f"echoed {answer[:40]!r}")
    except WebSocketException as error:
        raise Wrong(f"WebSocket: {error}") from None


# -- how fast? --------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a load generator counted."""

    answers: int
    bytes: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float


def measure(row: Row, port: int, seconds: float, server_microseconds: Callable[[], float]) -> Sample:
    """One turn. Raises Wrong when a single answer was not right."""
    marks: list[tuple[float, float]] = []
    before = children_microseconds()
    outcome = generator(row)(
        row, port, seconds, lambda: marks.append((server_microseconds(), cpu.machine_microseconds()))
    )
    judge(row, outcome)
    server, machine = (end - begin for begin, end in zip(*marks, strict=True))
    count = outcome.answers
    client = (children_microseconds() - before) / count
    return Sample(count, outcome.seconds, server / count, machine / count, client, outcome.p50_ms, outcome.p99_ms)


def judge(row: Row, outcome: Outcome) -> None:
    if outcome.errors:
        raise Wrong(f"{outcome.errors} wrong answers or lost connections of {outcome.answers} under load")
    if not outcome.answers:
        raise Wrong("not a single answer under load")
    if row.answer_bytes and outcome.bytes < outcome.answers * row.answer_bytes * 0.99:
        raise Wrong(f"answers under load are {outcome.bytes / outcome.answers:.0f} bytes instead of {row.answer_bytes}")


def children_microseconds() -> float:
    """Of the load generators that have ended."""
    times = os.times()
    return (times.children_user + times.children_system) * 1e6


Generator = Callable[[Row, int, float, Callable[[], None]], Outcome]


def generator(row: Row) -> Generator:
    if row.message:
        return own_client
    return h2load if row.streams else wrk


def run(command: list[str | Path], mark: Callable[[], None]) -> str:
    mark()
    done = subprocess.run(
        ["taskset", "-c", cpu.LOAD_CPU, *map(str, command)], capture_output=True, text=True, check=False, timeout=300
    )
    mark()
    if done.returncode:
        raise Wrong(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[:200]}")
    return done.stdout


def wrk(row: Row, port: int, seconds: float, mark: Callable[[], None]) -> Outcome:
    scheme = "https" if "tls" in row.needs else "http"
    url = f"{scheme}://{LOCAL}:{port}{row.path}"
    options = [
        "-t1",
        f"-c{row.connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "30s",
        "-s",
        LOAD / "wrk.lua",
    ]
    said = run(["wrk", *options, url, "--", row.method, str(row.body_bytes), str(row.chunk_bytes)], mark)
    return Outcome(**json.loads(said.rstrip().rpartition("\n")[2]))


def h2load(row: Row, port: int, seconds: float, mark: Callable[[], None]) -> Outcome:
    options = [f"-c{row.connections}", f"-m{row.streams}", "-D", str(max(1, round(seconds))), "--npn-list=h2"]
    return parse_h2load(run(["h2load", "-t1", *options, f"https://{LOCAL}:{port}{row.path}"], mark))


def parse_h2load(said: str) -> Outcome:
    def find(pattern: str) -> tuple[str, ...]:
        found = re.search(pattern, said)
        if not found:
            raise Wrong(f"h2load said nothing about {pattern!r}: {said[-300:]}")
        return found.groups()

    done, failed, errored = map(int, find(r"(\d+) succeeded, (\d+) failed, (\d+) errored"))
    (seconds,) = find(r"finished in ([\d.]+)s")
    (total,) = find(r"\((\d+)\) total")
    (mean,) = find(r"time for request:\s+\S+\s+\S+\s+(\S+)")
    return Outcome(done, int(total), float(seconds), failed + errored, milliseconds(mean), 0)


def milliseconds(text: str) -> float:
    """h2load's `980us`, `1.26ms` or `1.02s`."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def client_path() -> Path:
    return Path(os.environ["BENCH_TOOLS"]) / "client"


def own_client(row: Row, port: int, seconds: float, mark: Callable[[], None]) -> Outcome:
    mode = {"listen": "listen", "events": "events"}.get(row.message, "echo")
    command = [client_path(), mode, str(port), row.path, str(row.connections), str(seconds)]
    if mode == "echo":
        command += [row.message, str(row.body_bytes), *(["deflate"] if "deflate" in row.needs else [])]
    process = subprocess.Popen(
        ["taskset", "-c", cpu.LOAD_CPU, *map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin and process.stdout and process.stderr
        if process.stdout.readline() != "ready\n":
            raise Wrong(process.stderr.read().strip()[:200])
        if row.message in ("listen", "events"):
            time.sleep(0.3)  # the news begin
        mark()
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        mark()
    return Outcome(**json.loads(line))
