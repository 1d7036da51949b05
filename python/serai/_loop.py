"""The engine's event loop: asyncio's, with what apps do most in C++ (`_engine.LoopBase`, src/worker/asyncio)."""

from __future__ import annotations

import asyncio
import inspect
import selectors
from asyncio import format_helpers, sslproto
from collections.abc import Mapping
from typing import Any

from serai import _engine

_describe: Any = format_helpers._format_callback_source
# Newer versions of asyncio show the values of arguments in debug mode only.
_without_values = {"debug": False} if "debug" in inspect.signature(_describe).parameters else {}


class EventLoop(_engine.LoopBase, asyncio.SelectorEventLoop):
    """Drives a server's requests as well, when it is given one; else an event loop like any other of asyncio's."""

    _transport_type: Any  # of TCP and Unix sockets: asyncio's own, which sends and receives in C++

    def __init__(self, server: Any = None) -> None:
        if server is not None:
            server._attach(self)
        super().__init__(_Selector(self))

    def _make_socket_transport(
        self, sock: Any, protocol: Any, waiter: Any = None, *, extra: Any = None, server: Any = None
    ) -> Any:
        return self._transport_type(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        **time_limits: Any,
    ) -> Any:
        tls: Any = sslproto.SSLProtocol(self, protocol, sslcontext, waiter, server_side, server_hostname, **time_limits)
        self._transport_type(self, rawsock, tls, extra=extra, server=server)
        return tls._app_transport

    def _callback_raised(self, handle: asyncio.Handle, exception: BaseException) -> None:
        """As Handle._run does, outside of debug mode."""
        callback = _describe(handle._callback, handle._args, **_without_values)  # type: ignore[attr-defined]
        context = {"message": f"Exception in callback {callback}", "exception": exception, "handle": handle}
        self.call_exception_handler(context)


class _Selector(selectors.BaseSelector):
    """What asyncio's methods ask of a selector, when they do; the descriptors themselves are with the engine."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop: Any = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready is in the loop's queue then."""
        self._loop._select(timeout)
        return []

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        events = self._loop._watched(fileobj)
        if not events:
            raise KeyError(f"{fileobj!r} is not registered")
        return selectors.SelectorKey(fileobj, fileobj, events, None)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("this event loop has its own readers and writers: use loop.add_reader")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError("this event loop has its own readers and writers: use loop.remove_reader")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}

    def close(self) -> None:
        """Nothing is its own."""
