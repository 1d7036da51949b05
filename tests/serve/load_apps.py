"""What tests/tools/steady.cc asks, and what bad clients may keep busy: the same site as a WSGI and as an ASGI app."""

import os
from collections.abc import Iterable

LARGE = {"/megabyte": b"m" * (1 << 20), "/megabytes": b"m" * (8 << 20)}


def wsgi(environ, start_response) -> Iterable[bytes]:  # type: ignore[no-untyped-def]
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))]
    if path.startswith("/stream/"):
        start_response("200 OK", headers)
        return (path.removeprefix("/stream/").encode() + b"\n" for _ in range(5))
    body = body_of(path, lambda: environ["wsgi.input"].read())
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def body_of(path: str, uploaded) -> bytes:  # type: ignore[no-untyped-def]
    if path in LARGE:
        return LARGE[path]
    return path.removeprefix("/echo/").encode() if path.startswith("/echo/") else uploaded()


async def asgi(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await echo_messages(receive, send)
    path = scope["path"]
    headers = [(b"content-type", b"text/plain"), (b"x-worker", str(os.getpid()).encode())]
    if path.startswith("/stream/"):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(5):
            piece = path.removeprefix("/stream/").encode() + b"\n"
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return await send({"type": "http.response.body"})
    uploaded = bytearray()
    more = scope["method"] != "GET"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        uploaded += message.get("body", b"")
        more = message.get("more_body", False)
    body = body_of(path, lambda: bytes(uploaded))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive, send) -> None:  # type: ignore[no-untyped-def]
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def echo_messages(receive, send) -> None:  # type: ignore[no-untyped-def]
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
