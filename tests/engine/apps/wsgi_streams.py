"""WSGI answers that are made while they are sent, one behaviour per path. The query is what it works with."""

import os
import threading
import time
from urllib.parse import unquote

PATIENCE = 20.0

routes = {}
events = []


def route(function):
    routes["/" + function.__name__.replace("_", "-")] = function
    return function


def app(environ, start_response):
    if environ["PATH_INFO"] == "/events":
        start_response("200 OK", [])
        return [" ".join(events).encode()]
    start = lambda: start_response("200 OK", [])  # noqa: E731
    return routes[environ["PATH_INFO"]](start, unquote(environ["QUERY_STRING"]))


def sleep_until(path):
    """Until the client says so, by making a file."""
    end = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise TimeoutError(path)
        time.sleep(0.01)


class Blocks:
    """An answer that tells on which threads it was made and when it was closed."""

    def __init__(self, blocks, at_close=lambda: None):
        self.blocks = iter(blocks)
        self.at_close = at_close
        self.threads = {threading.get_ident()}

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.get_ident())
        return next(self.blocks)

    def close(self):
        self.threads.add(threading.get_ident())
        self.at_close()
        events.append(f"closed-by-{len(self.threads)}")


@route
def fast_then_asleep(start, path):
    """Blocks that come one upon the other, and then nothing until the client has them."""

    def blocks():
        for i in range(3):
            yield b"fast %d" % i
        sleep_until(path)
        yield b"last"

    start()
    return Blocks(blocks())


@route
def written_then_asleep(start, path):
    write = start()
    for i in range(3):
        write(b"fast %d" % i)
    sleep_until(path)
    return [b"last"]


@route
def many_then_asleep(start, path):
    """More than a client's buffers hold."""

    def blocks():
        for _ in range(16 * 1024):
            yield bytes(1024)
        sleep_until(path)
        yield b"last"

    start()
    return Blocks(blocks())


@route
def asleep_in_close(start, path):
    start()
    return Blocks((b"fast %d" % i for i in range(3)), at_close=lambda: sleep_until(path))


@route
def many(start, count):
    start()
    return Blocks(b"%08d" % i for i in range(int(count)))


@route
def endless(start, pause):
    def blocks():
        while True:
            yield bytes(1024)
            if pause:
                time.sleep(float(pause))

    start()
    return Blocks(blocks())


@route
def fast_then_broken(start, _):
    def blocks():
        for i in range(3):
            yield b"fast %d" % i
        raise ValueError("raised on purpose")

    start()
    return Blocks(blocks())
