import sys


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(scope["state"]).encode()})


async def raises(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    await answer(scope, receive, send)


async def fails(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is away"})


async def tells(scope, receive, send):
    if scope["type"] != "lifespan":
        return await answer(scope, receive, send)
    await receive()
    scope["state"]["key"] = "value"
    await send({"type": "lifespan.startup.complete"})
    message = await receive()
    print(message["type"], file=sys.stderr, flush=True)
    await send({"type": "lifespan.shutdown.complete"})
