"""Three round trips to a key-value store per request, through redis-py; the store is bench/load/client's stub."""

import json
import os

from redis.asyncio import Redis

redis = Redis(host="127.0.0.1", port=int(os.environ["BENCH_STUB_PORT"]), protocol=2)
HEADERS = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    values = [(await redis.get(key)).decode() for key in ("one", "two", "three")]
    body = json.dumps(values).encode()
    headers = [*HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
