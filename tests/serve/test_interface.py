"""Which interface an object asks for."""

import functools
from collections.abc import Callable
from typing import Any

import pytest


def wsgi_function(environ, start_response): ...
def wsgi_renamed(request, respond): ...
def wsgi_with_options(environ, start_response, *, debug=False): ...
async def asgi_function(scope, receive, send): ...
async def asgi_renamed(a, b, c): ...
def asgi_awaitable(scope, receive, send): ...
def asgi2_function(scope): ...
def asgi2_renamed(connection): ...
def anything(*args, **kwargs): ...


class WsgiObject:
    def __call__(self, environ, start_response): ...


class AsgiObject:
    async def __call__(self, scope, receive, send): ...


class AsgiBySignature:
    def __call__(self, scope, receive, send): ...


class WsgiClass:
    def __init__(self, environ, start_response): ...
    def __iter__(self): ...


class AsgiClass:
    def __init__(self, scope, receive, send): ...
    def __await__(self): ...


class Asgi2Class:
    def __init__(self, scope): ...
    async def __call__(self, receive, send): ...


class Plain:
    def __init__(self, environ, start_response): ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Method:
    def wsgi(self, environ, start_response): ...
    async def asgi(self, scope, receive, send): ...


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (wsgi_function, "wsgi"),
        (wsgi_renamed, "wsgi"),
        (wsgi_with_options, "wsgi"),
        (asgi_function, "asgi"),
        (asgi_renamed, "asgi"),
        (asgi_awaitable, "asgi"),
        (asgi2_function, "asgi2"),
        (asgi2_renamed, "asgi2"),
        (WsgiObject(), "wsgi"),
        (AsgiObject(), "asgi"),
        (AsgiBySignature(), "asgi"),
        (WsgiClass, "wsgi"),
        (AsgiClass, "asgi"),
        (Asgi2Class, "asgi2"),
        (functools.partial(wsgi_with_options, debug=True), "wsgi"),
        (functools.partial(asgi_function), "asgi"),
        (functools.partial(AsgiObject()), "asgi"),
        (decorated(wsgi_function), "wsgi"),
        (decorated(asgi_function), "asgi"),
        (Method().wsgi, "wsgi"),
        (Method().asgi, "asgi"),
    ],
)
def test_the_object_tells_its_interface(app: Any, expected: str) -> None:
    from serai import interface

    assert interface.detect(app, "the app")[0] == expected


def test_frameworks_tell_theirs() -> None:
    from serai import interface

    flask = pytest.importorskip("flask")
    starlette = pytest.importorskip("starlette.applications")
    fastapi = pytest.importorskip("fastapi")
    django_wsgi = pytest.importorskip("django.core.handlers.wsgi")
    django_asgi = pytest.importorskip("django.core.handlers.asgi")
    assert interface.detect(flask.Flask("x"), "x")[0] == "wsgi"
    assert interface.detect(starlette.Starlette(), "x")[0] == "asgi"
    assert interface.detect(fastapi.FastAPI(), "x")[0] == "asgi"
    assert interface.detect(object.__new__(django_wsgi.WSGIHandler), "x")[0] == "wsgi"
    assert interface.detect(object.__new__(django_asgi.ASGIHandler), "x")[0] == "asgi"


@pytest.mark.parametrize("app", [anything, decorated(anything), Plain, 3, object(), functools])
def test_an_object_that_does_not_tell_is_an_error(app: Any) -> None:
    from serai import interface, loading

    with pytest.raises(loading.LoadError) as raised:
        interface.detect(app, "shop:app")
    assert "shop:app" in raised.value.tried
    assert raised.value.fix
