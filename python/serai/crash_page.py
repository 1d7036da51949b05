"""What a browser shows in development when the app raises, or does not start. Only with --reload.

A page has the traceback with the lines around it, and no values of variables: those may be secrets.
"""

import html
import linecache
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from serai.settings import Interface

Message = MutableMapping[str, Any]
logger = logging.getLogger("serai.error")

START_FAILED = "serai-start-failed"
"""The header that tells a waiting page that the app does not start yet."""

_CONTEXT = 4
"""Lines shown before and after the one that is at fault."""

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1rem; margin: 2rem 0 .5rem }
pre { font: .85rem/1.5 ui-monospace, monospace; overflow-x: auto; margin: 0; padding: .5rem; background: #8881 }
pre b { display: inline-block; min-width: 100%; background: #f802; font-weight: inherit }
details { margin: .3rem 0 } summary { cursor: pointer; overflow-wrap: anywhere } .foreign { opacity: .65 }
"""
_WAITER = """
setInterval(async () => {
  try {
    const answer = await fetch(location, {method: "HEAD"});
    if (!answer.headers.has("serai-start-failed")) location.reload();
  } catch {}
}, 500);
"""


def wrap(app: Any, interface: Interface) -> Any:
    """The app, with exceptions shown to the client."""
    if interface == "wsgi":
        return _Wsgi(app)
    return _Asgi2(app) if interface == "asgi2" else _Asgi(app)


class _Wsgi:
    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return self._app(environ, start_response)
        except Exception as error:
            logger.error("Exception in WSGI application", exc_info=error)
            kind, page = crashed(error, environ.get("HTTP_ACCEPT", ""))
            headers = [("Content-Type", kind), ("Content-Length", str(len(page)))]
            start_response("500 Internal Server Error", headers, sys.exc_info())
            return [page]


class _Asgi2:
    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    def __call__(self, scope: Message) -> Any:
        async def instance(receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
            async def app(scope: Message, receive: Any, send: Any) -> None:
                await self._app(scope)(receive, send)

            await _Asgi(app)(scope, receive, send)

        return instance


class _Asgi:
    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _HeldAnswer(send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.is_under_way:
                raise
            logger.error("Exception in ASGI application", exc_info=error)
            accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
            kind, page = crashed(error, accept)
            headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(page))]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": page})
        else:
            await answer.release()


class _HeldAnswer:
    """Keeps a 500 back until the app has returned: frameworks send theirs and raise the exception then."""

    def __init__(self, send: Callable[[Message], Any]) -> None:
        self._send = send
        self._held: list[Message] = []
        self.is_under_way = False

    async def send(self, message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        if not self.is_under_way and (self._held or (is_start and message.get("status") == 500)):
            self._held.append(message)
            return
        self.is_under_way = self.is_under_way or is_start
        await self._send(message)

    async def release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


def crashed(error: BaseException, accept: str) -> tuple[str, bytes]:
    """Content type and page for an exception that the app raised."""
    if "text/html" not in accept:
        return _TEXT, "".join(traceback.format_exception(type(error), error, error.__traceback__)).encode()
    title = f"{type(error).__name__}: {error}"
    parts = [f"<h1>{html.escape(title)}</h1>"]
    seen: BaseException | None = error
    while seen:
        if seen is not error:
            parts.append(f"<h2>after {html.escape(f'{type(seen).__name__}: {seen}')}</h2>")
        frames = traceback.extract_tb(seen.__traceback__)
        shown = [_frame(frame) for frame in reversed(frames) if not frame.filename.startswith(_OWN)]
        parts += shown
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return _HTML, _page(title, "".join(parts), script="")


_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_OWN = os.path.dirname(__file__) + os.sep


def _frame(frame: traceback.FrameSummary) -> str:
    """The app's own are open, those of what it uses can be opened."""
    line = frame.lineno or 0
    foreign = "site-packages" in frame.filename or frame.filename.startswith(os.path.dirname(os.__file__) + os.sep)
    rows = []
    for number in range(max(1, line - _CONTEXT), line + _CONTEXT + 1):
        if text := linecache.getline(frame.filename, number):
            row = html.escape(f"{number:5}  {text.rstrip()}")
            rows.append(f"<b>{row}</b>" if number == line else row)
    where = html.escape(f"{frame.filename}, line {line}, in {frame.name}")
    mark = ' class="foreign"' if foreign else " open"
    return f"<details{mark}><summary>{where}</summary><pre>{chr(10).join(rows)}</pre></details>"


def start_failed(tried: str, found: str, fix: str, trace: str) -> Callable[..., list[bytes]]:
    """A WSGI application that says why the app does not start; its page reloads itself when the app does."""
    body = f"<h1>{html.escape(found)}</h1><p>While {html.escape(tried)}. To do: {html.escape(fix)}.</p>"
    if trace:
        body += f"<pre>{html.escape(trace)}</pre>"
    page = _page("The app does not start", body + "<p>This page follows as soon as it does.</p>", _WAITER)
    text = f"The app does not start.\n{tried}\n  found  {found}\n  do     {fix}\n\n{trace}\n".encode()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        wants_page = "text/html" in environ.get("HTTP_ACCEPT", "")
        kind, content = (_HTML, page) if wants_page else (_TEXT, text)
        headers = [("Content-Type", kind), ("Content-Length", str(len(content))), (START_FAILED, "1")]
        start_response("503 Service Unavailable", [*headers, ("Retry-After", "1"), ("Cache-Control", "no-store")])
        return [content]

    return app


def _page(title: str, body: str, script: str) -> bytes:
    head = f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    foot = "<p><small>Shown by serai serve --reload, to whoever can connect.</small></p>"
    return f"{head}{body}{foot}{f'<script>{script}</script>' if script else ''}".encode()
