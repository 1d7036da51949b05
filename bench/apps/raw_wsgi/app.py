"""WSGI applications without a framework: what is measured is the server."""

import os
import time

BODY_10K = b"x" * (10 * 1024)
BODY_1M = b"x" * (1024 * 1024)
CHUNK = b"x" * 1024
CHUNKS = 100
FILE = os.environ.get("BENCH_FILE", "")


def respond(start_response, body):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]


def echo(environ, start_response):
    return respond(start_response, environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def upload(environ, start_response):
    """Counts the bytes as they come, keeping none. Chunked, so it is read to its end."""
    count = 0
    while block := environ["wsgi.input"].read(16 * 1024):
        count += len(block)
    return respond(start_response, b"%d bytes" % count)


def body_10k(environ, start_response):
    return respond(start_response, BODY_10K)


def body_1m(environ, start_response):
    return respond(start_response, BODY_1M)


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (CHUNK for _ in range(CHUNKS))


def file(environ, start_response):
    """By wsgi.file_wrapper where the server has it, and read as an application would otherwise."""
    length = str(os.stat(FILE).st_size)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", length)])
    source = open(FILE, "rb")  # noqa: SIM115  (whoever iterates over the wrapper closes it)
    if wrapper := environ.get("wsgi.file_wrapper"):
        return wrapper(source, 64 * 1024)
    with source:
        return [source.read()]


def block(environ, start_response):
    time.sleep(0.01)
    return respond(start_response, b"slept")


class Closing:
    """An answer that counts how often it was closed, as PEP 3333 wants it after each request."""

    closed = 0

    def __iter__(self):
        return iter([b"closed %d" % Closing.closed])

    def close(self):
        Closing.closed += 1


def conduct(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(7 + len(str(Closing.closed))))])
    return Closing()
