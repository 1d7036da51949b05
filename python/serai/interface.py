"""Asks an application object how it wants to be called.

What the object says is believed in this order:

1. an async function, or an object with an async `__call__`, is ASGI (3 parameters) or wrong (any other number);
2. parameter names: `environ` or `start_response` mean WSGI, `scope` with `receive` or `send` ASGI, `scope` ASGI 2;
3. how many positional parameters it takes: 3 is ASGI, 2 is WSGI, 1 is ASGI 2;
4. a class is asked what its instances are: awaitable is ASGI, iterable WSGI (PEP 3333 allows a class as application),
   callable with a constructor of one parameter ASGI 2.

Wrappers made by `functools.partial` and `functools.wraps` are seen through. An object that takes `*args` and gives no
other hint cannot be told: that is an error which names --interface, not a guess.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from serai.loading import LoadError
from serai.settings import Interface

_FIX = "choose with --interface wsgi, asgi or asgi2"
_BY_COUNT: dict[int, Interface] = {3: "asgi", 2: "wsgi", 1: "asgi2"}


def detect(app: Any, name: str) -> tuple[Interface, str]:
    """The interface and the reason in words. Raises LoadError where the object does not tell."""
    if not callable(app):
        kind = f"{type(app).__module__}.{type(app).__qualname__}"
        fix = "name the application object itself" + (
            "; module:name has been imported, not called" if inspect.ismodule(app) else ""
        )
        raise LoadError(f"asking {name} for its interface", f"it is a {kind}, which cannot be called", fix)
    return _of_class(app, name) if inspect.isclass(app) else _of_callable(app, name)


def _of_callable(app: Callable[..., Any], name: str) -> tuple[Interface, str]:
    if _is_async(app):
        return "asgi", "its call is async"
    signature = _signature(app, name)
    return _by_names(signature) or _by_count(signature, name)


def _of_class(app: type, name: str) -> tuple[Interface, str]:
    if hasattr(app, "__await__"):
        return "asgi", "its instances are awaitable"
    if hasattr(app, "__iter__"):
        return "wsgi", "its instances are iterable"
    instances_callable = any("__call__" in base.__dict__ for base in app.__mro__)
    if instances_callable and _accepted(_signature(app, name)) == [1]:
        return "asgi2", "its instances are callable and it takes 1 positional parameter"
    found = "it is a class whose instances are no response: neither awaitable (ASGI) nor iterable (WSGI)"
    raise LoadError(
        f"asking {name} for its interface", found, f"name an instance, add --factory to make one, or {_FIX}"
    )


def _is_async(app: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; marked callables (asgiref, `inspect.markcoroutinefunction`) count."""
    seen: Any = app
    while isinstance(seen, functools.partial):
        seen = seen.func
    candidates = [seen] if inspect.isroutine(seen) else [seen, type(seen).__call__]
    return any(_is_coroutine_function(candidate) for candidate in candidates)


def _is_coroutine_function(function: Any) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    marker = getattr(function, "_is_coroutine", None)  # what asyncio.iscoroutinefunction reads
    return marker is not None and type(marker) is object


def _signature(app: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(app)
    except (ValueError, TypeError):
        raise LoadError(f"asking {name} for its interface", "it does not show its parameters", _FIX) from None


def _by_names(signature: inspect.Signature) -> tuple[Interface, str] | None:
    names = set(signature.parameters)
    if names & {"environ", "start_response"}:
        return "wsgi", "it takes environ and start_response"
    if "scope" in names and names & {"receive", "send"}:
        return "asgi", "it takes scope, receive and send"
    if "scope" in names and _accepted(signature) == [1]:
        return "asgi2", "it takes scope only"
    return None


def _by_count(signature: inspect.Signature, name: str) -> tuple[Interface, str]:
    counts = _accepted(signature)
    if len(counts) == 1:
        return _BY_COUNT[counts[0]], f"it takes {counts[0]} positional parameter{'s' if counts[0] > 1 else ''}"
    found = f"its parameters {signature} fit {'more than one' if counts else 'none'}"
    raise LoadError(f"asking {name} for its interface", found, _FIX)


def _accepted(signature: inspect.Signature) -> list[int]:
    """Which of 1, 2 and 3 positional arguments it can be called with."""
    return [count for count in _BY_COUNT if _binds(signature, count)]


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
