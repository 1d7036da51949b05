"""ASGI behaviours, one per path."""

import asyncio
import contextvars
import json
import os
import time

from routes import Routes

routes = Routes()
route = routes.at
events = []  # what happened, for /events
started_with = contextvars.ContextVar("started_with", default="nothing")
seen = contextvars.ContextVar("seen", default=0)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await routes[scope["path"].split(";")[0]](scope, receive, send)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["shared"] = {"requests": 0}
    scope["state"]["number"] = 7
    started_with.set("lifespan")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, body=b"", status=200, headers=()):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read_all(receive):
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return body


@route("/")
async def hello(scope, receive, send):
    await answer(send, b"hello", headers=[(b"content-type", b"text/plain")])


@route("/scope")
@route("/sc ope/é")
async def show_scope(scope, receive, send):
    shown = {key: value for key, value in scope.items() if key != "state"}
    shown["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    shown["raw_path"] = scope["raw_path"].decode()
    shown["query_string"] = scope["query_string"].decode()
    shown["types"] = {key: type(value).__name__ for key, value in scope.items()}
    await answer(send, shown)


@route("/spoil-scope")
async def spoil_scope(scope, receive, send):
    untouched = "spoilt" not in scope and (b"spoilt", b"") not in scope["headers"] and "spoilt" not in scope["state"]
    untouched = untouched and "spoilt" not in scope["extensions"] and "spoilt" not in scope["asgi"]
    for part in (scope, scope["state"], scope["extensions"], scope["asgi"]):
        part["spoilt"] = True
    scope["headers"].append((b"spoilt", b""))
    scope["state"]["shared"]["requests"] += 1
    await answer(send, {"untouched": untouched, "requests": scope["state"]["shared"]["requests"]})


@route("/echo")
async def echo(scope, receive, send):
    await answer(send, await read_all(receive))


@route("/echo-stream")
async def echo_stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        message = await receive()
        await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
        if not message["more_body"]:
            return


@route("/three-chunks")
async def three_chunks(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    for i in range(3):
        await send({"type": "http.response.body", "body": b"chunk %d" % i, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@route("/on-demand")
async def on_demand(scope, receive, send):
    """Sends one piece of response per piece of request."""
    await send({"type": "http.response.start", "status": 200})
    while (message := await receive())["more_body"] or message["body"]:
        await send({"type": "http.response.body", "body": b"got " + message["body"], "more_body": True})
        if not message["more_body"]:
            break
    await send({"type": "http.response.body"})


@route("/megabytes")
async def megabytes(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"33554432")]})
    sent = 0
    while sent < 32:
        sent += 1
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": sent < 32})
        events.append(f"sent {sent}")


@route("/events")
async def show_events(scope, receive, send):
    await answer(send, events)


@route("/wait-for-disconnect")
async def wait_for_disconnect(scope, receive, send):
    events.append("waiting")
    await read_all(receive)
    message = await receive()
    events.append(message["type"])


@route("/stream-forever")
async def stream_forever(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0.001)
    except OSError as error:
        events.append(f"OSError: {error}")
        raise


@route("/after-response")
async def after_response(scope, receive, send):
    """receive() after the response gives http.disconnect; send() is an error."""
    await answer(send, b"done")
    events.append((await receive())["type"])
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except RuntimeError:
        events.append("RuntimeError")


@route("/background")
async def background(scope, receive, send):
    await answer(send, b"answered")
    await asyncio.sleep(0.3)
    events.append("background done")
    if scope["query_string"]:
        with open(scope["query_string"].decode(), "w") as file:
            file.write("done")


@route("/raise")
async def raise_early(scope, receive, send):
    raise ValueError("raised on purpose")


@route("/raise-before-body")
async def raise_before_body(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    raise ValueError("raised on purpose")


@route("/raise-late")
async def raise_late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise ValueError("raised on purpose")


@route("/return-early")
async def return_early(scope, receive, send):
    pass


@route("/too-long")
async def too_long(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    try:
        await send({"type": "http.response.body", "body": b"12345"})
    except RuntimeError as error:
        events.append(f"RuntimeError: {error}")
        raise


@route("/too-short")
async def too_short(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"12345"})


@route("/bad-header")
async def bad_header(scope, receive, send):
    await answer(send, b"", headers=[(b"x-split", b"a\r\nset-cookie: b")])


@route("/no-content")
async def no_content(scope, receive, send):
    await answer(send, b"", status=204)


@route("/pathsend")
async def pathsend(scope, receive, send):
    assert "http.response.pathsend" in scope["extensions"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-sent", b"by path")]})
    await send({"type": "http.response.pathsend", "path": scope["query_string"].decode()})


@route("/zerocopysend")
async def zerocopysend(scope, receive, send):
    """By itself, as one of several pieces, and from where the descriptor stands."""
    assert "http.response.zerocopysend" in scope["extensions"]
    await send({"type": "http.response.start", "status": 200})
    with open(scope["query_string"].decode(), "rb", buffering=0) as file:
        message = {"type": "http.response.zerocopysend", "file": file}
        await send({**message, "offset": 10, "count": 20, "more_body": True})
        await send({"type": "http.response.body", "body": b" between ", "more_body": True})
        await send({**message, "count": 5, "more_body": True})
        await send({**message, "more_body": True})
        assert file.tell() == os.fstat(file.fileno()).st_size
    await send({"type": "http.response.body"})


@route("/zerocopysend-whole")
async def zerocopysend_whole(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    with open(scope["query_string"].decode(), "rb") as file:
        await send({"type": "http.response.zerocopysend", "file": file})


@route("/early-hint")
async def early_hint(scope, receive, send):
    assert "http.response.early_hint" in scope["extensions"]
    links = [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    if scope["query_string"]:
        await read_all(receive)
    await answer(send, b"after the hints")


@route("/late-hint")
async def late_hint(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.early_hint", "links": []})


@route("/trailers")
async def trailers(scope, receive, send):
    assert "http.response.trailers" in scope["extensions"]
    headers = [] if scope["query_string"] != b"length" else [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    checksum = [(b"x-checksum", b"123"), (b"content-length", b"9"), (b"transfer-encoding", b"gzip")]
    await send({"type": "http.response.trailers", "headers": checksum, "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-second", b"456")]})
    events.append("trailers sent")


@route("/unannounced-trailers")
async def unannounced_trailers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.trailers", "headers": []})


@route("/bad-trailer")
async def bad_trailer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    await send({"type": "http.response.trailers", "headers": [(b"x-split", b"a\r\nb: c")]})


async def sleep_deeply(seconds):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        events.append("cancelled")
        raise


@route("/overstay")
async def overstay(scope, receive, send):
    if scope["query_string"]:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await sleep_deeply(10)


@route("/slow-headers")
async def slow_headers(scope, receive, send):
    def headers():
        time.sleep(1)
        yield b"x-slow", b"1"

    await send({"type": "http.response.start", "status": 200, "headers": headers()})
    await send({"type": "http.response.body", "body": b"late"})


@route("/block")
async def block(scope, receive, send):
    if b"begin" in scope["query_string"]:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    if b"compute" in scope["query_string"]:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
    else:
        time.sleep(1)  # what no coroutine should do
    try:
        await answer(send, b"too late")
    except OSError as error:
        events.append(type(error).__name__)
        await asyncio.sleep(10)


@route("/ignores-cancellation")
async def ignores_cancellation(scope, receive, send):
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        pass
    events.append((await receive())["type"])
    try:
        await answer(send, b"too late")
    except OSError as error:
        events.append(type(error).__name__)


@route("/context")
async def context(scope, receive, send):
    before = seen.get()
    seen.set(before + 1)
    await asyncio.sleep(0)
    await answer(send, {"started_with": started_with.get(), "before": before, "after": seen.get()})


@route("/pid")
async def pid(scope, receive, send):
    await answer(send, os.getpid())


@route("/exit")
async def leave(scope, receive, send):
    raise SystemExit(5)


@route("/slow")
async def slow(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"] or b"0.2"))
    await answer(send, b"slow")


class ClientDisconnect(Exception):
    pass


@route("/stream-as-starlette")
async def stream_as_starlette(scope, receive, send):
    try:
        await stream_forever(scope, receive, send)
    except OSError:
        raise ClientDisconnect()  # noqa: B904 (starlette/responses.py says it so)


@route("/better-start")
async def better_start(scope, receive, send):
    try:
        await bad_header(scope, receive, send)
    except RuntimeError:
        await answer(send, b"better", status=500)


class Awaitable:
    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


def awaitable(scope, receive, send):
    """An application that is no coroutine function."""
    if scope["type"] == "http" and scope["path"] == "/cancelled":
        raise asyncio.CancelledError
    return None if scope.get("path") == "/nothing" else Awaitable(app(scope, receive, send))
