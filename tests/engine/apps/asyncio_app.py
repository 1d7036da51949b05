"""What applications do with asyncio, anyio and the awaitables of the engine, one behaviour per path."""

import asyncio
import contextvars
import gc
import sys
import threading
import time

from asgi_app import answer, events, lifespan, read_all
from routes import Routes

routes = Routes()
route = routes.named


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await routes[scope["path"]](scope, receive, send)


@route
async def show_events(scope, receive, send):
    await answer(send, events)


@route
async def current_task(scope, receive, send):
    before = asyncio.current_task()
    await asyncio.sleep(0.001)
    after = asyncio.current_task()
    await answer(send, {"is_task": isinstance(before, asyncio.Task), "same": before is after, "id": id(before)})


@route
async def loop_class(scope, receive, send):
    loop = type(asyncio.get_running_loop())
    await answer(send, f"{loop.__module__}.{loop.__qualname__}".encode())


@route
async def many_tasks(scope, receive, send):
    async def child(n):
        await asyncio.sleep(0.001)
        return n

    if sys.version_info >= (3, 11):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(n)) for n in range(5)]
        values = [task.result() for task in tasks]
    else:
        values = await asyncio.gather(*(child(n) for n in range(5)))
    await answer(send, values)


@route
async def timeout(scope, receive, send):
    """A receive that is cancelled by a time-out raises CancelledError inside, and can be asked again later."""
    await read_all(receive)
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        await answer(send, b"timed out")


@route
async def asyncio_timeout(scope, receive, send):
    await read_all(receive)
    try:
        async with asyncio.timeout(0.05):
            await receive()
    except TimeoutError:
        await answer(send, b"timed out")


@route
async def cancelled_receive(scope, receive, send):
    """As Django's listener for disconnects: its own cancellation must reach it."""
    await read_all(receive)
    told = []

    async def listen():
        try:
            await receive()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        told.append("propagated")
    await answer(send, told)


@route
async def awaitables(scope, receive, send):
    """Every way in which an application may hold what receive() and send() return."""
    message = receive()
    first, second = await message, await message
    assert first is second and first["type"] == "http.request", (first, second)
    start = send({"type": "http.response.start", "status": 200})
    await asyncio.wait_for(start, 1)
    await asyncio.gather(
        send({"type": "http.response.body", "body": b"gather ", "more_body": True}),
        asyncio.ensure_future(send({"type": "http.response.body", "body": b"future ", "more_body": True})),
    )
    await asyncio.create_task(send({"type": "http.response.body", "body": b"task ", "more_body": True}))
    await asyncio.shield(send({"type": "http.response.body", "body": b"shield", "more_body": True}))
    stored = [send({"type": "http.response.body", "body": b"", "more_body": False})]
    await stored.pop()


@route
async def to_thread(scope, receive, send):
    name = await asyncio.to_thread(lambda: threading.current_thread().name)
    await answer(send, name.encode())


@route
async def anyio_thread(scope, receive, send):
    import anyio.to_thread

    await answer(send, await anyio.to_thread.run_sync(threading.get_ident))


@route
async def anyio_group(scope, receive, send):
    import anyio

    found = []
    async with anyio.create_task_group() as group:

        async def child(n):
            await anyio.sleep(0.001)
            found.append(n)

        for n in range(3):
            group.start_soon(child, n)
    with anyio.move_on_after(0.02) as cancel_scope:
        await anyio.sleep(10)
    await answer(send, {"found": sorted(found), "cancelled": cancel_scope.cancelled_caught})


@route
async def sniff(scope, receive, send):
    import sniffio

    await answer(send, sniffio.current_async_library().encode())


@route
async def call_soon(scope, receive, send):
    """asyncio chose its timeout before this ran inside the selector; these must not wait for it."""
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    done = loop.create_future()
    loop.call_soon(lambda: loop.call_later(0.01, lambda: loop.call_soon_threadsafe(done.set_result, None)))
    await done
    await answer(send, time.monotonic() - began)


@route
async def stream(scope, receive, send):
    """A connection of asyncio's own, beside ours."""
    server = await asyncio.start_server(lambda r, w: (w.write(b"pong"), w.close()), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        text = await reader.read()
        writer.close()
    await answer(send, text)


@route
async def subprocess(scope, receive, send):
    process = await asyncio.create_subprocess_exec("echo", "-n", "out", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    await answer(send, out)


@route
async def greedy(scope, receive, send):
    """Sends without end to a fast client; its time-out must fire all the same."""
    await send({"type": "http.response.start", "status": 200})
    try:
        await asyncio.wait_for(flood(send), 0.3)
    except asyncio.TimeoutError:
        events.append("greedy timed out")
    await send({"type": "http.response.body", "body": b"end"})


async def flood(send):
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})


@route
async def from_a_thread(scope, receive, send):
    """send() belongs to the loop's thread."""

    def use():
        try:
            send({"type": "http.response.start", "status": 200}).send(None)
        except RuntimeError as error:
            return str(error)

    await answer(send, (await asyncio.to_thread(use)).encode())


variable = contextvars.ContextVar("variable", default="unset")


@route
async def callbacks_have_the_context(scope, receive, send):
    variable.set("mine")
    seen = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: seen.set_result(variable.get()))
    await answer(send, (await seen).encode())


@route
async def factory(scope, receive, send):
    """An application's own task factory makes the tasks of later requests."""
    loop = asyncio.get_running_loop()

    def make(loop, coroutine, **more):
        events.append("factory")
        return asyncio.Task(coroutine, loop=loop, **more)

    loop.set_task_factory(make)
    await answer(send, b"set")


@route
async def polling_receive(scope, receive, send):
    """Asks again and again whether the client is still there, as is_disconnected() of frameworks does."""
    await read_all(receive)
    for _ in range(100):
        try:
            await asyncio.wait_for(receive(), 0.0005)
        except asyncio.TimeoutError:
            continue
    gc.collect()
    await answer(send, sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects()))


@route
async def greedy_receive(scope, receive, send):
    """Receives without end what is there at once: http.disconnect of a client that ended its direction."""
    await read_all(receive)
    assert (await receive())["type"] == "http.disconnect"
    try:
        await asyncio.wait_for(drink(receive), 0.3)
    except asyncio.TimeoutError:
        await answer(send, b"timed out")


async def drink(receive):
    while True:
        await receive()


@route
async def cancelled_for_its_budget(scope, receive, send):
    """A receive() that had to let others run first, and is given up meanwhile, takes no body with it."""
    await send({"type": "http.response.start", "status": 200})
    put_off = 0
    while put_off < 2:  # in a row: by their number, and not by the clock, which only some of them look at
        done = is_done_at_once(send({"type": "http.response.body", "body": b".", "more_body": True}))
        put_off = 0 if done else put_off + 1
    given_up = receive()
    assert not is_done_at_once(given_up)
    given_up.close()
    message = await receive()
    await send({"type": "http.response.body", "body": message["body"]})


def is_done_at_once(operation):
    try:
        assert operation.send(None) is None
    except StopIteration:
        return True
    return False


ready = asyncio.Event()


@route
async def set_ready(scope, receive, send):
    ready.set()
    await answer(send, b"set")


@route
async def nested_loop(scope, receive, send):
    """Turns the loop inside a request, as nest_asyncio does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asyncio.tasks._leave_task(loop, task)
    while not ready.is_set():
        loop._run_once()
    asyncio.tasks._enter_task(loop, task)
    await answer(send, b"nested")
