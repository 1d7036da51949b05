"""What many streams on one connection need, beside the behaviours of asgi_app."""

import asyncio

from asgi_app import answer, app, events, route

__all__ = ["app"]

arrived = 0
all_here = asyncio.Event()
gates = {}


def gate(name):
    return gates.setdefault(name, asyncio.Event())


@route("/meet")
async def meet(scope, receive, send):
    """Answers once as many requests as the query says are in here at the same time."""
    global arrived
    arrived += 1
    task = id(asyncio.current_task())
    if arrived == int(scope["query_string"]):
        all_here.set()
    await asyncio.wait_for(all_here.wait(), 10)
    await answer(send, {"task": task})


@route("/open-gate")
async def open_gate(scope, receive, send):
    gate(scope["query_string"]).set()
    await answer(send)


@route("/read-behind-gate")
async def read_behind_gate(scope, receive, send):
    """Takes nothing of the body before the gate is open."""
    events.append("at the gate")
    await gate(scope["query_string"]).wait()
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await answer(send, size)


@route("/told-of-disconnect")
async def told_of_disconnect(scope, receive, send):
    name = scope["query_string"].decode()
    events.append(f"{name} began")
    while (await receive())["type"] != "http.disconnect":
        pass
    events.append(f"{name} disconnected")


kept = []


@route("/keeps-send")
async def keeps_send(scope, receive, send):
    """As a task that it leaves behind would."""
    kept.append(send)
    await told_of_disconnect(scope, receive, send)


@route("/begin-then-wait")
async def begin_then_wait(scope, receive, send):
    """The end of the answer stays behind the gate."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
    await gate(scope["query_string"]).wait()
    await send({"type": "http.response.body", "body": b"ended"})


@route("/not-modified")
async def not_modified(scope, receive, send):
    await answer(send, b"ignored", status=304, headers=[(b"etag", b'"1"')])


LARGE = bytes(range(256)) * (4 << 12)


@route("/large")
async def large(scope, receive, send):
    """The same four megabytes for everybody."""
    await answer(send, LARGE)


@route("/megabyte")
async def megabyte(scope, receive, send):
    await answer(send, bytes(1 << 20))
