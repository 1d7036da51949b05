"""The site that the load of tests/support/load.py asks, as an ASGI application."""

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import parse_qs

VERSION = Path(__file__).with_name("VERSION").read_text().strip().encode()
ROUNDS = 2000  # of work per request: about a millisecond, as a small real page costs


def work(nonce: str) -> None:
    digest = nonce.encode()
    for _ in range(ROUNDS):
        digest = hashlib.sha256(digest).digest()


async def start(send, content_type=b"text/plain", length=None):
    headers = [(b"content-type", content_type), (b"x-version", VERSION)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def answer(send, body):
    await start(send, length=len(body))
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    nonce = scope["path"].removeprefix("/echo/")
    work(nonce)
    await answer(send, f"echo {nonce}\n".encode())


async def digest(scope, receive, send):
    seen = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        seen.update(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, seen.hexdigest().encode())


async def stream(scope, receive, send):
    query = parse_qs(scope["query_string"].decode())
    await start(send)
    for number in range(int(query["lines"][0])):
        await asyncio.sleep(float(query["pause"][0]))
        await send({"type": "http.response.body", "body": f"line {number}\n".encode(), "more_body": True})
    await send({"type": "http.response.body"})


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    if path.startswith("/echo/"):
        await echo(scope, receive, send)
    elif path == "/digest":
        await digest(scope, receive, send)
    elif path == "/stream":
        await stream(scope, receive, send)
    else:
        await answer(send, b"release " + VERSION)
