"""The engine's event loop: asyncio's, with what apps do most in C++ (`_engine.LoopBase`, src/worker/asyncio)."""

from __future__ import annotations

import asyncio
import selectors
from asyncio import format_helpers
from collections.abc import Mapping
from typing import Any

from serai import _engine


class EventLoop(_engine.LoopBase, asyncio.SelectorEventLoop):
    """Drives a server's requests as well, when it is given one; else an event loop like any other of asyncio's."""

    def __init__(self, server: Any = None) -> None:
        if server is not None:
            server._attach(self)
        super().__init__(_Selector(self))

    def _callback_raised(self, handle: asyncio.Handle, exception: BaseException) -> None:
        """As Handle._run does."""
        callback = format_helpers._format_callback_source(handle._callback, handle._args)  # type: ignore[attr-defined]
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
