"""Metrics that tell the truth across workers, also of those that have ended."""

import http.client
import re
import socket
from collections.abc import Callable
from pathlib import Path

from tests.serve.conftest import Folder
from tests.serve.server import Load, Server
from tests.support.wait import until

APP = """
    import time

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/slow":
            time.sleep(0.2)
        if path == "/raise":
            raise ValueError("on purpose")
        start_response("404 Not Found" if path == "/missing" else "200 OK", [])
        return [b"0123456789"]
"""


def scrape(path: Path) -> dict[str, float]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert f"Content-Length: {len(body)}\r\n" in head + "\r\n"
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"serai_[a-z_0-9]+(\{[^{}]*\})? -?[0-9.e+-]+", line) for line in lines)
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def answered(found: dict[str, float]) -> float:
    return sum(value for name, value in found.items() if name.startswith("serai_request_duration_seconds_count"))


def test_requests_are_counted_by_status_and_time(folder: Folder, serve: Callable[..., Server]) -> None:
    folder.write("counted.py", APP)
    path = folder.path / "metrics.sock"
    server = serve("counted:app", "--metrics-bind", f"unix:{path}", "--workers", "2").ready()
    for target, count in (("/", 5), ("/missing", 2), ("/raise", 1), ("/slow", 2)):
        for _ in range(count):
            server.get(target)
    until(lambda: answered(scrape(path)) == 10, "an answer counts once it is sent")
    found = scrape(path)
    assert found["serai_requests_total"] == 10
    assert found["serai_workers"] == found["serai_workers_wanted"] == found["serai_workers_started_total"] == 2
    assert found["serai_sent_bytes_total"] > 1000
    assert found["serai_workers_memory_bytes"] > 10_000_000
    duration = "serai_request_duration_seconds"
    assert [found[f'{duration}_count{{status="{s}"}}'] for s in ("2xx", "3xx", "4xx", "5xx")] == [7, 0, 2, 1]
    within = {le: found[f'{duration}_bucket{{status="2xx",le="{le}"}}'] for le in ("0.1", "10", "+Inf")}
    assert within == {"0.1": 5, "10": 7, "+Inf": 7}
    assert 0.4 < found[f'{duration}_sum{{status="2xx"}}'] < 2
    assert found["serai_request_wait_seconds_count"] == 10


def test_totals_never_fall_when_workers_end(serve: Callable[..., Server], folder: Folder) -> None:
    path = folder.path / "metrics.sock"
    server = serve("asgi_app:app", "--metrics-bind", f"unix:{path}", "--max-requests", "100").ready()
    with Load(server) as load:
        before = 0.0
        for _ in range(20):
            found = scrape(path)["serai_requests_total"]
            assert found >= before
            before = found
            load.goes_on()
        server.wait_for("worker.exited")
    assert load.failures == []
    until(lambda: scrape(path)["serai_connections"] == 0, "the clients have left")
    found = scrape(path)
    assert found["serai_requests_total"] == load.answers
    assert found['serai_request_duration_seconds_count{status="2xx"}'] == load.answers
    assert found["serai_workers_lost_total"] == 0


def test_other_requests_are_refused(serve: Callable[..., Server]) -> None:
    server = serve("asgi_app:app", "--metrics-bind", "127.0.0.1:0").ready()
    (port,) = {
        int(line.split()[1].split(":")[1], 16)
        for line in Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
        if line.split()[9] in inodes(server.process.pid)
    } - {server.port}
    for method, target, status in (("GET", "/", 404), ("POST", "/metrics", 405), ("GET", "/metrics?x=1", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, target)
        assert connection.getresponse().status == status
        connection.close()


def inodes(pid: int) -> set[str]:
    """Of the sockets that a process has."""
    links = [link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}


def test_the_master_reads_the_page_as_the_engine_writes_it() -> None:
    from serai import _engine, counters

    names = {name.removeprefix("PAGE_"): value for name, value in vars(_engine).items() if name.startswith("PAGE_")}
    assert (names.pop("SIZE"), names.pop("HISTOGRAMS")) == (counters.PAGE_BYTES, counters.HISTOGRAMS)
    assert names == {cell.name: cell.value for cell in counters.Cell}
