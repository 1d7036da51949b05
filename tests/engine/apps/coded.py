"""Answers to be compressed, one per path, as ASGI and as WSGI."""

import asyncio
import json
import os
import tempfile
import threading

TEXT = b"".join(b"line %d of a text that is worth compressing\n" % n for n in range(2000))  # 91 KiB
SMALL = b"x" * 100
HUGE = TEXT * 20
"""Beyond what is gathered."""
RANDOM = os.urandom(300_000)
FILE = tempfile.NamedTemporaryFile(suffix=".txt")  # noqa: SIM115
FILE.write(TEXT)
FILE.flush()

PLAIN = ("content-type", "text/plain")
# path: (status, headers, pieces)
ANSWERS = {
    "/text": (200, [PLAIN, ("etag", '"abc"'), ("accept-ranges", "bytes")], [TEXT]),
    "/length": (200, [PLAIN, ("content-length", str(len(TEXT)))], [TEXT]),
    "/huge": (200, [PLAIN], [HUGE]),
    "/pieces": (200, [PLAIN, ("content-length", str(len(TEXT)))], [TEXT[:1000], TEXT[1000:50_000], TEXT[50_000:]]),
    "/large-pieces": (200, [PLAIN], [HUGE, HUGE]),
    "/random": (200, [("content-type", "application/json")], [RANDOM]),
    "/small": (200, [PLAIN], [SMALL]),
    "/image": (200, [("content-type", "image/png")], [RANDOM]),
    "/no-type": (200, [], [TEXT]),
    "/coded": (200, [PLAIN, ("content-encoding", "x-own")], [TEXT]),
    "/no-transform": (200, [PLAIN, ("cache-control", "public, no-transform")], [TEXT]),
    "/digest": (200, [PLAIN, ("content-digest", "sha-256=:abc=:")], [TEXT]),
    "/part": (206, [PLAIN, ("content-range", "bytes 0-9/2000")], [TEXT]),
    "/vary": (200, [PLAIN, ("vary", "Cookie"), ("vary", "Origin")], [TEXT]),
    "/vary-all": (200, [PLAIN, ("vary", "*")], [TEXT]),
    "/none": (204, [], []),
    "/not-modified": (304, [("etag", '"abc"')], []),
    "/empty": (200, [PLAIN], []),
    "/error": (500, [("content-type", "application/problem+json")], [json.dumps({"a": "b" * 2000}).encode()]),
    "/id": (200, [("content-type", "text/x-own"), ("X-Request-Id", "the app's own")], [b"own"]),
}
go_on = threading.Event()


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    path = scope["path"]
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": headers.get("x-request-id", "none")})
        return await send({"type": "websocket.close"})

    async def start(status, fields):
        pairs = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": pairs, "trailers": path == "/trailers"})

    async def body(piece, more=False):
        await send({"type": "http.response.body", "body": piece, "more_body": more})

    if path in ANSWERS:
        status, fields, pieces = ANSWERS[path]
        await start(status, fields)
        for piece in pieces[:-1]:
            await body(piece, True)
        await body(pieces[-1] if pieces else b"")
    elif path == "/events":
        await start(200, [("content-type", "text/event-stream")])
        await body(b"", True)
        for n in range(5):
            await body(b"data: %d\n\n" % n, True)
            if n == 0:
                await receive()  # the request
            await asyncio.sleep(0.02)
        await body(b"")
    elif path == "/first-then-wait":
        await start(200, [PLAIN, ("content-length", str(len(TEXT)))])
        await body(TEXT[:1000], True)
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        await body(TEXT[1000:])
    elif path == "/go-on":
        go_on.set()
        await start(200, [])
        await body(b"")
    elif path == "/file":
        await start(200, [PLAIN])
        await send({"type": "http.response.pathsend", "path": FILE.name})
    elif path == "/file-within":
        await start(200, [PLAIN])
        await body(TEXT[:1000], True)
        with open(FILE.name, "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, "offset": 1000, "more_body": True})
        await body(b"end")
    elif path == "/trailers":
        await start(200, [PLAIN])
        await body(TEXT)
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"123")]})
    elif path == "/too-short":
        await start(200, [PLAIN, ("content-length", "5000")])
        await body(b"x" * 4000)
    elif path == "/too-long":
        await start(200, [PLAIN, ("content-length", "5000")])
        await body(b"x" * 6000)
    elif path == "/raises-early":
        await start(200, [PLAIN, ("content-length", "5000")])
        raise ValueError("on purpose")
    elif path == "/show-id":
        await start(200, [("content-type", "text/x-own")])
        await body(headers.get("x-request-id", "none").encode())
    else:
        raise LookupError(path)


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ANSWERS:
        status, fields, pieces = ANSWERS[path]
        start_response(f"{status} Word", list(fields))
        return iter(pieces) if len(pieces) > 1 else list(pieces)
    if path == "/events":
        start_response("200 OK", [("content-type", "text/event-stream")])
        return (b"data: %d\n\n" % n for n in range(5))
    if path == "/first-then-wait":
        start_response("200 OK", [PLAIN, ("content-length", str(len(TEXT)))])
        return wait_between()
    if path == "/go-on":
        go_on.set()
        start_response("200 OK", [])
        return []
    if path == "/file":
        start_response("200 OK", [PLAIN])
        return environ["wsgi.file_wrapper"](open(FILE.name, "rb"))
    if path == "/write":
        write = start_response("200 OK", [PLAIN])
        write(TEXT[:1000])
        write(TEXT[1000:])
        return []
    if path == "/show-id":
        start_response("200 OK", [("content-type", "text/x-own")])
        return [environ.get("HTTP_X_REQUEST_ID", "none").encode()]
    if path == "/raises-early":
        start_response("200 OK", [PLAIN, ("content-length", "5000")])
        raise ValueError("on purpose")
    raise LookupError(path)


def wait_between():
    yield TEXT[:1000]
    go_on.wait(20)
    yield TEXT[1000:]
