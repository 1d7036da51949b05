"""WSGI behaviours, one per path."""

import asyncio
import io
import json
import os
import resource
import sys
import threading
import time
from urllib.parse import unquote

from routes import Routes

routes = Routes()
route = routes.named
events = []


def app(environ, start_response):
    return routes[environ["PATH_INFO"]](environ, start_response)


def answer(start_response, body=b"", status="200 OK", headers=()):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    start_response(status, list(headers))
    return [body]


routes["/"] = lambda environ, start_response: answer(start_response, b"hello", headers=[("Content-Type", "text/plain")])


@route
def echo(environ, start_response):
    return answer(start_response, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


@route
def show_environ(environ, start_response):
    shown = {key: value for key, value in environ.items() if isinstance(value, str | bool | int | list | tuple)}
    return answer(start_response, shown)


@route
def spoil_environ(environ, start_response):
    untouched = "spoilt" not in environ
    environ["spoilt"] = True
    return answer(start_response, untouched)


@route
def show_events(environ, start_response):
    return answer(start_response, events)


@route
def input_api(environ, start_response):
    """Body: b"one\\ntwo\\nthree\\nfour"."""
    body = environ["wsgi.input"]
    found = [body.read(2), body.readline(), body.readline(2), body.readlines(1), list(body), body.read(), body.read(5)]
    return answer(start_response, repr(found).encode())


@route
def generator(environ, start_response):
    start_response("200 OK", [])
    for i in range(3):
        yield b"piece %d" % i


class Closing:
    def __init__(self, pieces, fail=False):
        self.pieces = iter(pieces)
        self.fail = fail

    def __iter__(self):
        return self

    def __next__(self):
        if self.fail:
            raise ValueError("raised on purpose")
        return next(self.pieces)

    def close(self):
        events.append("closed")


@route
def closing(environ, start_response):
    start_response("200 OK", [])
    return Closing([b"one", b"two"])


@route
def closing_on_error(environ, start_response):
    start_response("200 OK", [])
    return Closing([], fail=True)


@route
def stepwise(environ, start_response):
    """A piece is on its way before the next one is asked for."""
    start_response("200 OK", [])
    for i in range(3):
        yield b"%d" % i
        time.sleep(0.2)


@route
def thread_of_iteration(environ, start_response):
    start_response("200 OK", [])
    for _ in range(5):
        yield b"%d " % threading.get_ident()
        time.sleep(0.01)


@route
def write_forever(environ, start_response):
    write = start_response("200 OK", [])
    while True:
        write(b"x" * 1000)


@route
def write(environ, start_response):
    send = start_response("200 OK", [])
    send(b"written ")
    send(b"twice ")
    return [b"and returned"]


@route
def late_start(environ, start_response):
    yield b""
    start_response("201 Created", [("X-Late", "yes")])
    yield b"late"


@route
def exc_info_before(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("raised on purpose")
    except ValueError:
        start_response("503 Service Unavailable", [("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


@route
def exc_info_after(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    try:
        raise ValueError("raised on purpose")
    except ValueError:
        start_response("503 Service Unavailable", [], exc_info=sys.exc_info())
    yield b"never"


@route
def start_twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b""]


@route
def no_start(environ, start_response):
    return [b"body"]


@route
def raise_early(environ, start_response):
    raise ValueError("raised on purpose")


@route
def text_body(environ, start_response):
    start_response("200 OK", [])
    return ["text"]


@route
def bad_status(environ, start_response):
    start_response("OK 200", [])
    return [b""]


@route
def bad_header(environ, start_response):
    start_response("200 OK", [("X-Split", "a\r\nSet-Cookie: b")])
    return [b""]


@route
def not_latin(environ, start_response):
    start_response("200 OK", [("X-Snow", "\u2603")])
    return [b""]


@route
def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"12", b"345"]


@route
def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return [b"12345"]


@route
def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


@route
def latin(environ, start_response):
    return answer(start_response, environ["QUERY_STRING"].encode("latin-1"), headers=[("X-Latin", "caf\xe9")])


@route
def file(environ, start_response):
    start_response("200 OK", [])
    opened = open(unquote(environ["QUERY_STRING"]), "rb")  # noqa: SIM115 (the server closes it)
    opened.seek(10)
    return environ["wsgi.file_wrapper"](opened)


@route
def file_in_memory(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"in memory"), 4)


@route
def megabytes(environ, start_response):
    start_response("200 OK", [("Content-Length", "33554432")])
    for _ in range(32):
        yield bytes(1 << 20)


ONE_MEGABYTE = bytes(range(256)) * (4 << 10)


@route
def one_megabyte(environ, start_response):
    start_response("200 OK", [])
    return [ONE_MEGABYTE]


@route
def slow(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0.2))
    return answer(start_response, b"slow")


@route
def busy(environ, start_response):
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    return answer(start_response, b"busy")


barrier = threading.Barrier(3, timeout=10)


@route
def meet(environ, start_response):
    """Answers only once three requests are in here at the same time."""
    barrier.wait()
    return answer(start_response, threading.current_thread().name.encode())


@route
def current_thread(environ, start_response):
    thread = threading.current_thread()
    return answer(start_response, {"name": thread.name, "type": type(thread).__name__, "pid": os.getpid()})


@route
def leave(environ, start_response):
    raise SystemExit(5)


@route
def own_reason(environ, start_response):
    return answer(start_response, status=unquote(environ["QUERY_STRING"]))


@route
def early_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("Link", "</b.js>; rel=preload")])
    start_response("200 OK", [])
    environ["wsgi.early_hints"]([("X-Also", "before the head is sent")])
    yield b"after the hints"
    try:
        environ["wsgi.early_hints"]([("Link", "too late")])
    except RuntimeError as error:
        events.append(str(error))


@route
def early_hints_elsewhere(environ, start_response):
    def hint():
        try:
            environ["wsgi.early_hints"]([])
        except RuntimeError as error:
            events.append(str(error))

    thread = threading.Thread(target=hint)
    thread.start()
    thread.join()
    return answer(start_response, events)


@route
def hop_by_hop(environ, start_response):
    headers = [("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"), ("Transfer-Encoding", "chunked")]
    return answer(start_response, b"hop", headers=[*headers, ("X-Own", "yes")])


@route
def busy_for(environ, start_response):
    """Sends 8 MiB; afterwards /show-events tells for how long the worker seemed to hang at most."""
    page = sys.modules["__main__"].PAGE
    longest = 0
    over = threading.Event()

    def watch():
        nonlocal longest
        while not over.wait(0.01):
            since = int.from_bytes(page[:8], sys.byteorder)
            longest = max(longest, time.monotonic_ns() - since if since else 0)
        events.append(longest / 1e9)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start_response("200 OK", [("Content-Length", str(8 << 20))])
    for _ in range(128):
        yield bytes(64 << 10)
    over.set()
    watcher.join()


@route
def overstay(environ, start_response):
    """Stays until it is interrupted, and answers then; with a query it has begun to answer before."""
    events.append("began")
    if environ["QUERY_STRING"]:
        start_response("200 OK", [])(b"begun")
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            time.sleep(0.01)
        events.append("was not interrupted")
    except BaseException as error:
        events.append(type(error).__name__)
        raise
    return answer(start_response, b"too late")


@route
def oversleep(environ, start_response):
    """Cannot be interrupted in its sleep, and goes on when it is awake."""
    for step in (lambda: time.sleep(float(environ["QUERY_STRING"])), lambda: start_response("200 OK", [])):
        try:
            step()
        except BaseException as error:
            events.append(type(error).__name__)
    return [b"too late"]


@route
def cancelled(environ, start_response):
    """What async_to_sync may let through: a BaseException that asks nobody to leave."""
    raise asyncio.CancelledError


class Unclosable(Closing):
    def close(self):
        raise ValueError("raised in close")


kept = []  # a start_response that outlives its request


@route
def fails_to_close(environ, start_response):
    kept.append(start_response)
    start_response("200 OK", [("Content-Length", "3")])
    return Unclosable([b"one"])


@route
def use_kept(environ, start_response):
    try:
        kept.pop()("200 OK", [])
    except RuntimeError as error:
        return answer(start_response, str(error).encode())


closable = threading.Event()


class WorksInClose(Closing):
    def close(self):
        closable.wait(8)


@route
def works_in_close(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return WorksInClose([b"one"])


class NapsInClose(Closing):
    def close(self):
        time.sleep(0.002)


@route
def naps_in_close(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return NapsInClose([b"one"])


@route
def let_close(environ, start_response):
    closable.set()
    return answer(start_response)


@route
def no_exc_info(environ, start_response):
    write = start_response("200 OK", [])
    write(b"begun")
    start_response("500 Internal Server Error", [], (None, None, None))
    return []


@route
def few_descriptors(environ, start_response):
    """Leaves no descriptor free."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return answer(start_response)


@route
def many_descriptors(environ, start_response):
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return answer(start_response)


@route
def lines(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/csv")])
    for i in range(250_000):
        yield b"%063d\n" % i
    events.append("all lines")
