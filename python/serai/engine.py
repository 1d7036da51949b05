"""From settings to a server of the engine, in a worker or in a program of the user's own."""

import resource
from typing import TYPE_CHECKING, Literal

from serai.application import Application
from serai.failure import Failure
from serai.settings import Settings, split_mount

if TYPE_CHECKING:
    from serai._engine import AsgiServer, Options, WsgiServer


def options(s: Settings, access_log: int) -> "Options":
    """The settings in the engine's words; the descriptor of the access log, -1 for none. Raises Failure."""
    return {
        "root_path": s.root_path,
        "server_header": s.server_header,
        "forwarded_allow": s.forwarded_allow,
        "max_body": s.max_body,
        "max_header_bytes": s.max_header_bytes,
        "max_headers": s.max_headers,
        "max_target": s.max_target,
        "http2": s.http2 == "on",
        "ws_deflate": s.ws_deflate == "on",
        "ws_max_size": s.ws_max_size,
        "ws_ping_interval": s.ws_ping_interval,
        "ws_ping_timeout": s.ws_ping_timeout,
        "header_timeout": s.header_timeout,
        "body_timeout": s.body_timeout,
        "keep_alive_timeout": s.keep_alive_timeout,
        "write_timeout": s.write_timeout,
        "graceful_timeout": s.graceful_timeout,
        "compress": codings(s.compress),
        "compress_min_size": s.compress_min_size,
        "compress_types": s.compress_types,
        "request_id": s.request_id,
        "request_id_header": s.request_id_header,
        "static": [split_mount(mount) for mount in s.static],
        "static_index": s.static_index,
        "static_max_age": s.static_max_age,
        "backlog_limit": _most_connections(),
        "request_timeout": s.request_timeout,
        "max_concurrency": s.max_concurrency,
        "max_queue": s.max_queue,
        "queue_timeout": s.queue_timeout,
        "tls_handshake_timeout": s.tls_handshake_timeout,
        "measure": bool(s.metrics_bind),
        "access_log": access_log,
        "access_log_format": s.log_format,
        "access_log_pattern": s.access_log_format,
    }


def codings(wanted: str) -> list[str]:
    """Those that are meant by `--compress`. Raises Failure where one that is named is not there."""
    if wanted == "off":
        return []
    from serai import _engine

    available = _engine.codings()
    if wanted == "auto":
        return list(available)
    named = wanted.split(",")
    for coding in named:
        if coding not in available:
            library = {"br": "brotli (Debian: libbrotli1)", "zstd": "zstd (Debian: libzstd1)"}[coding]
            found = (
                f"{coding} is not available: there is no shared library of {library}, or the engine was built without"
            )
            raise Failure(f"compressing with {wanted}", found, f"say --compress {','.join(available)}, or auto")
    return named


def _most_connections() -> int:
    """A quarter of the descriptors that we may have, 1024 at most, is left to the app. 0: no limit."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if descriptors == resource.RLIM_INFINITY else descriptors - min(descriptors // 4, 1024)


def make_server(
    app: Application, settings: Settings, sockets: list[int], options: "Options"
) -> "AsgiServer | WsgiServer":
    """It does not listen before it runs. The sockets stay the caller's."""
    from serai._engine import AsgiServer, WsgiServer

    if app.interface == "wsgi":
        options["threads"] = min(settings.threads, settings.max_concurrency or settings.threads)
        options["multiprocess"] = settings.workers > 1
        return WsgiServer(app.callable, sockets, options)
    version: Literal[2, 3] = 2 if app.interface == "asgi2" else 3
    loop: Literal["serai", "asyncio", "uvloop"] = "serai" if settings.loop == "auto" else settings.loop
    return AsgiServer(app.callable, sockets, options, version=version, lifespan=settings.lifespan, loop=loop)
