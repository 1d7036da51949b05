"""WebSocket behaviours, one per path. What an application saw is asked for at /events, over HTTP."""

import asyncio
import contextvars
import json
import pathlib
import time

from routes import Routes

events = []
routes = Routes()
route = routes.at
started_with = contextvars.ContextVar("started_with", default="nothing")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["number"] = 7
        started_with.set("lifespan")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "http":
        return await show_events(send)
    await routes[scope["path"]](scope, receive, send)


async def show_events(send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(events).encode()})


def note(*what):
    events.append(what if len(what) > 1 else what[0])


async def accept(receive, send, **more):
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def send_json(send, value):
    await send({"type": "websocket.send", "text": json.dumps(value)})


@route("/echo")
async def echo(scope, receive, send):
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        if "text" in message:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"], "text": None})
    note(message)


@route("/scope")
async def show_scope(scope, receive, send):
    await accept(receive, send)
    shown = {key: value for key, value in scope.items() if key not in ("headers", "state")}
    shown["raw_path"] = scope["raw_path"].decode()
    shown["query_string"] = scope["query_string"].decode()
    shown["headers"] = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    shown["number"] = scope["state"]["number"]
    scope["state"]["number"] = 8
    shown["context"] = started_with.get()
    shown["task"] = asyncio.current_task() is not None
    await send_json(send, shown)
    await receive()


@route("/chosen")
async def chosen(scope, receive, send):
    headers = ((name, value) for name, value in [(b"x-one", b"1"), (b"x-two", b"2")])
    await accept(receive, send, subprotocol=scope["subprotocols"][-1], headers=headers)
    await receive()


@route("/close")
async def close(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 3001, "reason": "enough"})
    note(await receive())
    note(await receive())
    try:
        await send({"type": "websocket.send", "text": "late"})
    except RuntimeError as error:
        note(str(error))
    await send({"type": "websocket.close"})


@route("/return")
async def return_at_once(scope, receive, send):
    await accept(receive, send)


@route("/raise")
async def fail(scope, receive, send):
    await accept(receive, send)
    raise ValueError("on purpose")


@route("/forbid")
async def forbid(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})
    note(await receive())


@route("/deny")
async def deny(scope, receive, send):
    await receive()
    note(list(scope["extensions"]))
    headers = [(b"content-type", b"text/plain"), (b"x-why", b"test")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"entry"})
    note(await receive())


@route("/deny-with-success")
async def deny_with_success(scope, receive, send):
    await receive()
    try:
        await send({"type": "websocket.http.response.start", "status": 200, "headers": []})
    except ValueError as error:
        note(str(error))
    await send({"type": "websocket.close"})


@route("/deny-halfway")
async def deny_halfway(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-length", b"5")]})
    await send({"type": "websocket.http.response.body", "body": b"no", "more_body": True})


@route("/neither")
async def neither(scope, receive, send):
    await receive()


@route("/raise-early")
async def fail_early(scope, receive, send):
    raise ValueError("on purpose")


@route("/mistakes")
async def mistakes(scope, receive, send):
    await receive()

    async def attempt(message):
        try:
            await send(message)
        except (RuntimeError, ValueError, TypeError) as error:
            note(type(error).__name__)

    await attempt({"type": "websocket.send", "text": "early"})
    await attempt({"type": "websocket.accept", "headers": [("text", b"")]})
    await attempt({"type": "websocket.accept", "headers": [(b"sec-websocket-accept", b"mine")]})
    await attempt({"type": "websocket.accept", "headers": [(b"x", b"a\r\nb")]})
    await attempt({"type": "http.response.start", "status": 200})
    await send({"type": "websocket.accept"})
    await attempt({"type": "websocket.accept"})
    await attempt({"type": "websocket.send"})
    await attempt({"type": "websocket.send", "text": b"bytes"})
    await attempt({"type": "websocket.send", "bytes": "text"})
    await attempt({"type": "websocket.send", "text": "\ud800"})
    await attempt({"type": "websocket.http.response.start", "status": 200})
    await attempt({"type": "websocket.close", "code": 1006})
    await attempt({"type": "websocket.close", "code": 70000})
    await attempt({"type": "websocket.what"})
    await send({"type": "websocket.send", "bytes": memoryview(b"still here")})
    await receive()


@route("/send-until-gone")
async def send_until_gone(scope, receive, send):
    await accept(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "bytes": bytes(1000)})
            await asyncio.sleep(0)
    except OSError as error:
        note(type(error).__name__)
    note(await receive())
    await send({"type": "websocket.close"})
    raise OSError("of another kind")


@route("/flood")
async def flood(scope, receive, send):
    """Says how many messages it could send before it had to wait for long."""
    await accept(receive, send)
    count = 0
    while True:
        try:
            await asyncio.wait_for(send({"type": "websocket.send", "bytes": bytes(16384)}), 0.5)
        except asyncio.TimeoutError:
            break
        count += 1
    note(count)
    await receive()
    await send({"type": "websocket.send", "text": "done"})


gate = asyncio.Event()


@route("/deaf")
async def deaf(scope, receive, send):
    """Receives nothing until somebody opens the gate; then counts."""
    await accept(receive, send)
    await gate.wait()
    count = 0
    while (message := await receive())["type"] == "websocket.receive":
        count += 1
        if message.get("text") == "end":
            await send_json(send, count)


@route("/counts")
async def counts(scope, receive, send):
    """Receives nothing until somebody opens the gate; then notes how many messages came, and what ended them."""
    await accept(receive, send)
    await gate.wait()
    count = 0
    while (message := await receive())["type"] == "websocket.receive":
        count += 1
    note(count, message["code"])


@route("/open-the-gate")
async def open_the_gate(scope, receive, send):
    gate.set()
    await accept(receive, send)


def block(folder, step):
    """Keeps the whole loop from turning until the test has made a file."""
    (folder / f"blocked-{step}").touch()
    while not (folder / f"go-{step}").exists():
        time.sleep(0.002)


@route("/blocks")
async def blocks(scope, receive, send):
    folder = pathlib.Path(scope["query_string"].decode())
    await accept(receive, send)
    block(folder, 1)
    await asyncio.sleep(0.05)
    await send({"type": "websocket.send", "bytes": bytes(15000)})
    block(folder, 2)
    note(len((await receive())["bytes"]))
    note(await receive())


@route("/polls")
async def polls(scope, receive, send):
    """Waits with a time-out again and again, and loses nothing by it."""
    await accept(receive, send)
    waits = 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            waits += 1
            continue
        return await send_json(send, {"text": message["text"], "waited": waits > 0})


@route("/two-tasks")
async def two_tasks(scope, receive, send):
    await accept(receive, send)

    async def talk():
        for number in range(3):
            await asyncio.sleep(0.01)
            await send({"type": "websocket.send", "text": str(number)})

    talking = asyncio.create_task(talk())
    message = await receive()
    await talking
    await send({"type": "websocket.send", "text": message["text"]})


@route("/late-accept")
async def late_accept(scope, receive, send):
    await receive()
    note(await receive())
    await send({"type": "websocket.accept"})
    note("no error")


@route("/cancelled")
async def cancelled(scope, receive, send):
    await accept(receive, send)
    listening = asyncio.create_task(collect(receive))
    await asyncio.sleep(0.01)
    listening.cancel()
    try:
        await listening
    except asyncio.CancelledError:
        note("cancelled")
    await send({"type": "websocket.send", "text": (await receive())["text"]})


async def collect(receive):
    return await receive()


def two(scope):
    async def instance(receive, send):
        await app(scope, receive, send)

    return instance
