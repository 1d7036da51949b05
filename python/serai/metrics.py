"""Prometheus metrics, served by the master: the truth across workers, without a line of Python run in any of them.

The engine of each worker keeps its numbers on a page of shared memory (src/worker/counters.h). A scrape adds the pages
up; what a worker that ended had counted is kept, so that totals never fall.
"""

import socket
from collections.abc import Callable, Iterable, Iterator

from serai import log
from serai.counters import BOUNDS, CELLS, HISTOGRAM_CELLS, HISTOGRAMS, Cell, Page
from serai.loop import Loop, Timer

_STATUSES = ("aborted", "1xx", "2xx", "3xx", "4xx", "5xx")
_WAITING = len(_STATUSES)

_COUNTERS = (
    (Cell.REQUESTS, "requests", "Requests whose head was read."),
    (Cell.ACCEPTED, "connections_accepted", "Client connections accepted."),
    (Cell.BYTES_IN, "received_bytes", "Bytes received from clients."),
    (Cell.BYTES_OUT, "sent_bytes", "Bytes sent to clients."),
    (Cell.LIMITS_HIT, "requests_refused", "Requests refused by a limit of their size or time (408, 413, 414, 431)."),
    (Cell.TIMED_OUT, "requests_timed_out", "Requests that took longer than --request-timeout."),
    (Cell.TURNED_AWAY, "requests_turned_away", "Requests answered with 503 since too many waited, or for too long."),
)
_GAUGES = (
    (Cell.IN_FLIGHT, "requests_in_flight", "Requests that are being read or answered."),
    (Cell.CONNECTIONS, "connections", "Open client connections."),
    (Cell.THREADS_BUSY, "threads_busy", "WSGI threads inside the app."),
    (Cell.STUCK, "threads_stuck", "WSGI threads inside the app for a request that has timed out."),
    (Cell.WAITING, "requests_waiting", "Requests that wait for the app, where that is limited."),
)
_PASSING = {Cell.BUSY_SINCE, *(cell for cell, _, _ in _GAUGES)}
"""They end with their worker."""


class Totals:
    """What the workers that have ended had counted."""

    def __init__(self) -> None:
        self.sums: list[int] = [0] * CELLS
        self.workers_started = 0
        self.workers_lost = 0
        """Ended though nobody had asked them to."""

    def add(self, page: Page) -> None:
        """Of a worker that has ended."""
        for index, value in enumerate(page):
            if index not in _PASSING:
                self.sums[index] += value

    def with_living(self, pages: Iterable[Page]) -> list[int]:
        """All workers that ever were."""
        sums = list(self.sums)
        for page in pages:
            for index, value in enumerate(page):
                sums[index] += value
        return sums


def exposition(sums: list[int], gauges: dict[str, tuple[str, float]], counters: dict[str, tuple[str, float]]) -> str:
    """The text format, version 0.0.4. The dicts have further metrics: name to help and value."""
    lines: list[str] = []
    for cell, name, text in _COUNTERS:
        lines += _single(f"serai_{name}_total", "counter", text, sums[cell])
    for name, (text, value) in counters.items():
        lines += _single(f"serai_{name}_total", "counter", text, value)
    for cell, name, text in _GAUGES:
        lines += _single(f"serai_{name}", "gauge", text, sums[cell])
    for name, (text, value) in gauges.items():
        lines += _single(f"serai_{name}", "gauge", text, value)
    lines += _head("serai_request_duration_seconds", "histogram", "From a request's head to the end of its response.")
    for number, status in enumerate(_STATUSES):
        lines += _histogram("serai_request_duration_seconds", f'status="{status}"', _cells(sums, number))
    lines += _head("serai_request_wait_seconds", "histogram", "How long a request waited until the app was called.")
    lines += _histogram("serai_request_wait_seconds", "", _cells(sums, _WAITING))
    return "\n".join(lines) + "\n"


def _cells(sums: list[int], number: int) -> list[int]:
    begin = HISTOGRAMS + number * HISTOGRAM_CELLS
    return sums[begin : begin + HISTOGRAM_CELLS]


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _single(name: str, kind: str, text: str, value: float) -> list[str]:
    return [*_head(name, kind, text), f"{name} {value}"]


def _histogram(name: str, label: str, cells: list[int]) -> Iterator[str]:
    count = 0
    for bound, cell in zip((*map(str, BOUNDS), "+Inf"), cells, strict=False):
        count += cell
        yield f'{name}_bucket{{{label}{"," if label else ""}le="{bound}"}} {count}'
    braces = f"{{{label}}}" if label else ""
    yield f"{name}_sum{braces} {cells[-1] / 1e9:.9f}"
    yield f"{name}_count{braces} {count}"


_PATIENCE = 5.0
_MOST_CLIENTS = 16
_MOST_HEAD = 8192


class Exporter:
    """Answers GET /metrics in the master's loop."""

    def __init__(self, loop: Loop, listener: socket.socket, describe: Callable[[], str]) -> None:
        self._loop = loop
        self._listener = listener
        self._describe = describe
        self._clients: set[_Client] = set()
        listener.setblocking(False)
        loop.on_readable(listener.fileno(), self._on_client)

    def close(self) -> None:
        """In a forked child: lets go of the descriptors."""
        self._listener.close()
        for client in list(self._clients):
            client.socket.close()

    def _on_client(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= _MOST_CLIENTS:
            accepted.close()
            return
        self._clients.add(_Client(self._loop, accepted, self._answer, self._clients.discard))

    def _answer(self, target: str) -> tuple[str, str]:
        if target.split("?", 1)[0] != "/metrics":
            return "404 Not Found", "the metrics are at /metrics\n"
        try:
            return "200 OK", self._describe()
        except Exception as error:  # the server is worth more than its numbers
            log.error("metrics.failed", f"no metrics: {error!r}")
            return "500 Internal Server Error", "see the log\n"


class _Client:
    """One connection, for one request."""

    def __init__(
        self,
        loop: Loop,
        accepted: socket.socket,
        answer: Callable[[str], tuple[str, str]],
        forget: Callable[["_Client"], None],
    ) -> None:
        self.socket = accepted
        self._loop, self._answer, self._forget = loop, answer, forget
        self._received = b""
        accepted.settimeout(0.0)
        self._patience: Timer = loop.call_later(_PATIENCE, self._close)
        loop.on_readable(accepted.fileno(), self._on_bytes)

    def _on_bytes(self) -> None:
        try:
            data = self.socket.recv(_MOST_HEAD)
        except OSError:
            data = b""
        self._received += data
        if not data or len(self._received) > _MOST_HEAD:
            self._close()
        elif b"\r\n\r\n" in self._received:
            self._respond()
            self._close()

    def _respond(self) -> None:
        """All at once: some kilobytes fit into a socket's buffer. A client for which they do not gets them in part."""
        method, _, rest = self._received.decode("latin-1").partition(" ")
        status, body = self._answer(rest.split(" ", 1)[0]) if method == "GET" else ("405 Method Not Allowed", "")
        content = body.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        try:
            self.socket.sendall(f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
        except OSError:
            pass

    def _close(self) -> None:
        self._patience.cancel()
        self._loop.forget(self.socket.fileno())
        self.socket.close()
        self._forget(self)
