"""ASGI applications without a framework: what is measured is the server."""

import asyncio
import os

BODY_10K = b"x" * (10 * 1024)
BODY_1M = b"x" * (1024 * 1024)
CHUNK = b"x" * 1024
CHUNKS = 100
EVENT = b"data: " + b"x" * 56 + b"\n\n"
NEWS_INTERVAL = 0.05  # seconds between two messages to every listener
FILE = os.environ.get("BENCH_FILE", "")


def http_only(answer):
    """Refuses lifespan as an app without one does, so that the apps below are their answers only."""

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await answer(scope, receive, send)

    return app


async def start(send, length=None):
    headers = [(b"content-type", b"application/octet-stream")]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def respond(send, body):
    await start(send, len(body))
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive):
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


@http_only
async def echo(scope, receive, send):
    await respond(send, await whole_body(receive))


@http_only
async def upload(scope, receive, send):
    """Counts the bytes as they come, keeping none."""
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    await respond(send, b"%d bytes" % count)


@http_only
async def body_10k(scope, receive, send):
    await respond(send, BODY_10K)


@http_only
async def body_1m(scope, receive, send):
    await respond(send, BODY_1M)


@http_only
async def stream(scope, receive, send):
    await start(send)
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@http_only
async def file(scope, receive, send):
    """By path where the server offers it, and read as an application would otherwise."""
    await start(send, os.stat(FILE).st_size)
    if "http.response.pathsend" in (scope.get("extensions") or {}):
        return await send({"type": "http.response.pathsend", "path": FILE})
    with open(FILE, "rb") as source:
        await send({"type": "http.response.body", "body": source.read()})


@http_only
async def sleep(scope, receive, send):
    await asyncio.sleep(0.01)
    await respond(send, b"slept")


async def websocket_echo(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


class News:
    """Tells every listener the same message in intervals."""

    def __init__(self, message):
        self.message = message
        self.listeners = set()
        self.task = None

    async def listen(self, send, receive, ending):
        self.listeners.add(send)
        if self.task is None:
            self.task = asyncio.create_task(self.tell())
        while (await receive())["type"] != ending:
            pass
        self.listeners.discard(send)

    async def tell(self):
        while True:
            await asyncio.sleep(NEWS_INTERVAL)
            for send in list(self.listeners):
                try:
                    await send(self.message)
                except Exception:  # the listener has gone
                    self.listeners.discard(send)


websocket_news = News({"type": "websocket.send", "text": "x" * 64})
event_news = News({"type": "http.response.body", "body": EVENT, "more_body": True})


async def fan_out(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    await websocket_news.listen(send, receive, "websocket.disconnect")


@http_only
async def events(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await event_news.listen(send, receive, "http.disconnect")
