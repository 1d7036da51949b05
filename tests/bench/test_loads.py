"""bench/loads.py: no figure comes of wrong answers; what load generators say is understood."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import loads
import pytest
import rows
from loads import Outcome, Wrong

ROW = replace(rows.chosen(["asgi-hello"])[0], answer_bytes=13)
GOOD = Outcome(answers=100, bytes=15000, seconds=1, errors=0, p50_ms=1, p99_ms=2)

H2LOAD = """
finished in 2.00s, 48211.50 req/s, 3.26MB/s
requests: 96423 total, 96551 started, 96423 done, 96423 succeeded, 1 failed, 2 errored, 0 timeout
status codes: 96423 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 6.53MB (6846573) total, 94.26KB (96523) headers (space savings 98.00%), 1.20MB (1253499) data
                     min         max         mean         sd        +/- sd
time for request:      980us     16.98ms      2.64ms       845us    77.60%
"""


@contextlib.contextmanager
def answering(body: bytes, keeps_alive: bool = True) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if not keeps_alive:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_a_right_answer_passes() -> None:
    with answering(b"Hello, World!") as port:
        loads.verify(ROW, port)


@pytest.mark.parametrize("body", [b"Hello, Moon!!", b"Hello, World! And more."])
def test_another_answer_is_wrong(body: bytes) -> None:
    with answering(body) as port, pytest.raises(Wrong, match="answered"):
        loads.verify(ROW, port)


def test_a_server_that_closes_each_connection_is_told_of() -> None:
    with answering(b"Hello, World!", keeps_alive=False) as port, pytest.raises(Wrong, match="closes the connection"):
        loads.verify(ROW, port)


@pytest.mark.parametrize(
    ("outcome", "complaint"),
    [
        (replace(GOOD, errors=1), "1 wrong answers"),
        (replace(GOOD, answers=0), "not a single answer"),
        (replace(GOOD, bytes=500), "answers under load are 5 bytes instead of 13"),
    ],
)
def test_wrong_answers_under_load_leave_no_figure(outcome: Outcome, complaint: str) -> None:
    loads.judge(ROW, GOOD)
    with pytest.raises(Wrong, match=complaint):
        loads.judge(ROW, outcome)


def test_what_h2load_says_is_understood() -> None:
    assert loads.parse_h2load(H2LOAD) == Outcome(96423, 6846573, 2.0, 3, 2.64, 0)


@pytest.mark.parametrize(("text", "value"), [("980us", 0.98), ("1.26ms", 1.26), ("1.02s", 1020)])
def test_times_of_h2load(text: str, value: float) -> None:
    assert loads.milliseconds(text) == pytest.approx(value)
