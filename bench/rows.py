"""The rows of the table: what is asked of which application, and how close to the limit the answer should be."""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

APPS = Path(__file__).resolve().parent / "apps"
KIB = 1024


@dataclass(frozen=True)
class Row:
    """One workload. `needs` names what a server must speak for it: asgi or wsgi, and tls, h2, websocket, deflate."""

    name: str
    title: str
    needs: frozenset[str]
    app: str  # a folder of bench/apps
    target: str = "app:app"
    path: str = "/"
    says: bytes = b""  # must be in the answer
    answer_bytes: int | None = None  # must be its length
    method: str = "GET"
    body_bytes: int = 0
    chunk_bytes: int = 0  # of the request body; 0: it has a Content-Length
    connections: int = 32
    streams: int = 0  # of each HTTP/2 connection
    threads: int = 1  # that run a WSGI application
    message: str = ""  # WebSocket: text or binary, of body_bytes each; or listen, or events
    goal: float | None = None  # of the limit, at most
    has_limit: bool = False  # the bare server does the same work

    @property
    def interface(self) -> str:
        return "wsgi" if "wsgi" in self.needs else "asgi"

    @property
    def folder(self) -> Path:
        return APPS / self.app


def needs(*what: str) -> frozenset[str]:
    return frozenset(what)


def plain(name: str, title: str, interface: str, app: str, says: bytes, goal: float, **more: object) -> Row:
    """A small answer, at 32 connections and also at 1 and 256."""
    return Row(name, title, needs(interface), app, says=says, goal=goal, has_limit=True, **more)  # type: ignore[arg-type]


QUERY = "/?q=hello"
BASIC = [
    plain("asgi-hello", "ASGI hello", "asgi", "plain_asgi", b"Hello, World!", 1.35),
    plain("starlette", "Starlette JSON", "asgi", "starlette", b'"q":"hello"', 1.15, path=QUERY),
    plain("fastapi", "FastAPI, 3 pydantic items", "asgi", "fastapi", b'"name":"hello"', 1.05, path=QUERY),
    plain("asgi-echo", "ASGI echo of 64 KiB", "asgi", "raw_asgi", b"xxx", 1.6, target="app:echo", method="POST",
          body_bytes=64 * KIB, answer_bytes=64 * KIB),
    plain("wsgi-hello", "WSGI hello", "wsgi", "plain_wsgi", b"Hello, World!", 1.03),
    plain("flask", "Flask JSON", "wsgi", "flask", b'"q":"hello"', 1.05, path=QUERY),
    plain("django", "Django, template of 10 rows", "wsgi", "django", b"row &lt;9&gt;", 1.02),
    plain("wsgi-echo", "WSGI echo of 64 KiB", "wsgi", "raw_wsgi", b"xxx", 1.3, target="app:echo", method="POST",
          body_bytes=64 * KIB, answer_bytes=64 * KIB),
]  # fmt: skip


def raw(interface: str, name: str, title: str, target: str, answer_bytes: int | None, **more: object) -> Row:
    app, kind = f"raw_{interface}", interface.upper()
    return Row(f"{interface}-{name}", f"{kind} {title}", needs(interface), app, f"app:{target}",
               answer_bytes=answer_bytes, **more)  # type: ignore[arg-type]  # fmt: skip


def both(name: str, title: str, target: str, answer_bytes: int | None, **more: object) -> list[Row]:
    return [raw(interface, name, title, target, answer_bytes, **more) for interface in ("asgi", "wsgi")]


def websocket(name: str, title: str, message: str, size: int, *more: str) -> Row:
    return Row(f"ws-{name}", f"WebSocket echo, {title}", needs("asgi", "websocket", *more), "raw_asgi",
               "app:websocket_echo", message=message, body_bytes=size)  # fmt: skip


OTHERS = [
    *both("10k", "10 KiB answer", "body_10k", 10 * KIB, has_limit=True),
    *both("1m", "1 MiB answer", "body_1m", KIB * KIB, has_limit=True),
    *both("stream", "streamed answer, 100 chunks of 1 KiB", "stream", 100 * KIB),
    *both("upload", "streamed upload, 16 chunks of 16 KiB", "upload", None, says=b"262144 bytes", method="POST",
          body_bytes=256 * KIB, chunk_bytes=16 * KIB),
    *both("file", "file of 50 KiB", "file", 50 * KIB),
    raw("asgi", "sleep", "sleep of 10 ms, 512 connections", "sleep", None, says=b"slept", connections=512),
    Row("fastapi-sync", "FastAPI, sync route (thread pool)", needs("asgi"), "fastapi_sync", path=QUERY,
        says=b'"q":"hello"'),
    Row("django-asgi", "Django ASGI, template of 10 rows", needs("asgi"), "django", "app:asgi",
        says=b"row &lt;9&gt;"),
    Row("roundtrips", "ASGI, 3 round trips to a store (redis-py)", needs("asgi"), "roundtrips", says=b'"hello"'),
    raw("wsgi", "block", "blocks 10 ms, 8 threads, 64 connections", "block", None, says=b"slept", connections=64,
        threads=8),
    Row("flask-8t", "Flask JSON, 8 threads", needs("wsgi"), "flask", path=QUERY, says=b'"q":"hello"', threads=8),
    Row("django-8t", "Django, 8 threads", needs("wsgi"), "django", says=b"row &lt;9&gt;", threads=8),
    websocket("text", "32 B text", "text", 32),
    websocket("binary", "4 KiB binary", "binary", 4 * KIB),
    websocket("deflate", "4 KiB text, permessage-deflate", "text", 4 * KIB, "deflate"),
    Row("ws-fanout", "WebSocket, one message to 1,000 clients", needs("asgi", "websocket"), "raw_asgi", "app:fan_out",
        message="listen", connections=1000),
    Row("sse", "Server-sent events to 1,000 clients", needs("asgi"), "raw_asgi", "app:events", message="events",
        connections=1000),
    Row("tls-hello", "ASGI hello, TLS 1.3 keep-alive", needs("asgi", "tls"), "plain_asgi", says=b"Hello, World!"),
    Row("h2-hello", "ASGI hello, HTTP/2 + TLS, 4 × 32 streams", needs("asgi", "tls", "h2"), "plain_asgi",
        says=b"Hello, World!", connections=4, streams=32),
    Row("h2-starlette", "Starlette JSON, HTTP/2 + TLS, 4 × 32 streams", needs("asgi", "tls", "h2"), "starlette",
        path=QUERY, says=b'"q":"hello"', connections=4, streams=32),
]  # fmt: skip


def at(row: Row, connections: int) -> Row:
    title = f"{row.title}, {connections} connection{'s' if connections > 1 else ''}"
    return replace(row, name=f"{row.name}@{connections}", title=title, connections=connections, goal=None)


ROWS = [*BASIC, *OTHERS, *(at(row, connections) for connections in (1, 256) for row in BASIC)]
QUICK = [row.name for row in BASIC]


CONDUCT = Row("wsgi-conduct", "close() of the answer is called", needs("wsgi"), "raw_wsgi", "app:conduct")


def chosen(patterns: list[str]) -> list[Row]:
    """In the table's order; patterns as the shell has them."""
    unknown = [given for given in patterns if not any(fnmatchcase(row.name, given) for row in ROWS)]
    if unknown:
        raise SystemExit(f"bench: no row is called {unknown[0]}; there are: {' '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if not patterns or any(fnmatchcase(row.name, given) for given in patterns)]
