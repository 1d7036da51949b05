"""The engine: sockets, HTTP and the calling of the application, in C++.

Two classes with one face, `AsgiServer` and `WsgiServer`. One of them is made per worker process, after the fork:

    server = AsgiServer(app, sockets=[3], options={...})
    signal.signal(signal.SIGTERM, lambda *_: server.drain(close_idle=True))
    outcome = server.run(on_ready)          # returns when drained or stopped

`run` is called from the main thread, where Python's signal handlers run while it waits; or from another one, without
signals. It never closes `sockets`. In a running event loop of any kind `serai._asgi.serve` takes its place (ASGI).
KeyboardInterrupt and SystemExit raised by the application or a signal handler leave `run`.
Errors of the application are logged with their traceback to the Python logger "serai.error".
"""

from collections.abc import Callable
from typing import Any, Final, Literal, TypedDict, final

__version__: Final[str]  # PROJECT_VERSION of CMakeLists.txt, the one source of the version

# What `run` returns; also the exit code that a stand-alone worker ends with.
DRAINED: Final = 0  # every accepted request was answered
TIMED_OUT: Final = 1  # the graceful timeout ended requests or background tasks that were still running
STARTUP_FAILED: Final = 3  # lifespan start-up failed; the reason was logged to "serai.error"

# The shared page: PAGE_SIZE bytes, 8-byte native unsigned integers at these indices (index * 8 is the byte offset).
PAGE_SIZE: Final = 1024
PAGE_BUSY_SINCE: Final = 0  # CLOCK_MONOTONIC ns since when no thread has waited for events; 0 while one waits
PAGE_REQUESTS: Final = 1  # requests whose head was read
PAGE_IN_FLIGHT: Final = 2  # requests being answered, and ASGI tasks still running after their answer
PAGE_CONNECTIONS: Final = 3  # open client connections
PAGE_ACCEPTED: Final = 4  # connections accepted
PAGE_RESPONSES_5XX: Final = 5
PAGE_BYTES_IN: Final = 6
PAGE_BYTES_OUT: Final = 7
PAGE_THREADS_BUSY: Final = 8  # WSGI: threads inside the application
PAGE_LIMITS_HIT: Final = 9  # requests refused by a limit or a timeout (408, 413, 414, 431)
PAGE_TIMED_OUT: Final = 10  # requests that took longer than request_timeout
PAGE_STUCK: Final = 11  # threads still in the application though their request has timed out; 1: ASGI's loop
PAGE_WAITING: Final = 12  # requests that wait for the application, where that is limited
PAGE_TURNED_AWAY: Final = 13  # requests answered with 503 by these limits
PAGE_HISTOGRAMS: Final = 16  # from here on, with the option `measure`: histograms (src/worker/counters.h)

class Options(TypedDict, total=False):
    """Every key is optional; an unknown key or a wrong type raises ValueError or TypeError. Times are in seconds."""

    root_path: str  # ASGI root_path, WSGI SCRIPT_NAME; "" by default
    server_header: str  # "serai" by default; "" sends none
    forwarded_allow: list[str]  # whose X-Forwarded-For and -Proto count: addresses, blocks, "unix", "*"; default []
    max_body: int  # bytes, 413 beyond; 0: no limit; default 32 MiB
    max_header_bytes: int  # whole head, 431 beyond; default 32768
    max_headers: int  # 431 beyond; default 100
    max_target: int  # bytes of the request target, 414 beyond; default 8192
    http2: bool  # for clients that begin with its preface on plain sockets; default True
    header_timeout: float  # from the first byte of a head to its end, 408 beyond; default 10
    # Longest gap between two pieces of a request body, 408 beyond, or of a WebSocket message, 1008; on top of it each
    # 500 bytes earn another second. Default 30.
    body_timeout: float
    keep_alive_timeout: float  # idle connection; default 60
    write_timeout: float  # longest time in which a client takes no byte of its response; default 60
    request_timeout: float  # of the app for one response, 504 beyond; 0 (default): none
    max_concurrency: int  # ASGI: requests in the app at a time, WebSockets not counted; 0 (default): no limit
    max_queue: int  # requests that wait for the app, 503 beyond; 0 (default): no limit
    queue_timeout: float  # how long they wait at most, 503 beyond; 0 (default): no limit
    graceful_timeout: float  # what `drain` waits at most; default 30
    compress: list[str]  # codings for responses, of `codings`, those preferred first; default []: none
    compress_min_size: int  # bytes of a body whose length is known; default 1024
    compress_types: list[str]  # media types, "text/*" for all of a kind; default []: the usual ones
    # X-Request-ID: "trust" what the client sends if it is sane, else make one; "generate" always; "off" by default
    request_id: Literal["off", "trust", "generate"]
    request_id_header: str  # default "x-request-id"
    static: list[tuple[str, str]]  # (prefix, folder): files that are answered without the app; "" is every path
    static_index: bool  # "folder/" is "folder/index.html"; default False
    static_max_age: float  # for caches, of files without a digest in their names; default 60
    backlog_limit: int  # open connections at most; further ones wait in the listen backlog; 0: no limit (default)
    ws_deflate: bool  # ASGI: permessage-deflate for WebSockets that offer it; default True
    ws_max_size: int  # bytes of a WebSocket message after decompression, close code 1009 beyond; 0: no limit; 16 MiB
    ws_ping_interval: float  # a WebSocket that is silent for so long gets a Ping; 0: never; default 20
    ws_ping_timeout: float  # and is closed when nothing comes for so long after it; 0: never; default 20
    threads: int  # WSGI only; default 1
    max_response_spool: int  # WSGI: bytes of response kept for a slow client, memory then disk; default 1 GiB
    multiprocess: bool  # WSGI: wsgi.multiprocess; default False
    tls: TlsContext  # TCP sockets speak TLS; Unix sockets stay plain; by default none does
    tls_handshake_timeout: float  # default 10
    measure: bool  # keep histograms of times on the page; default False
    access_log: int  # descriptor to write to, -1 (default): none
    access_log_format: Literal["text", "json"]
    access_log_pattern: str  # lines with gunicorn's atoms instead, as src/http/access_pattern.h has them
    page: Any  # writable buffer of PAGE_SIZE bytes that others may read while the server runs, for example an mmap

class TlsSettings(TypedDict, total=False):
    """What a TlsContext is made of; `certificates` alone is required."""

    certificates: list[tuple[str, str, str, str]]  # PEM of chain and key, and the names of their files; first: default
    authorities: str  # PEM of those who may sign client certificates
    authorities_file: str
    client_certificates: Literal["none", "optional", "required"]  # default "none"
    min_version: Literal["1.2", "1.3"]  # default "1.2"
    ciphers: str  # OpenSSL's names of TLS 1.2 and 1.3, joined by colons; "": the defaults
    ticket_secret: bytes  # 32; processes with the same one resume each other's sessions; by default a random one
    ticket_period: int  # what the secret belongs to, as src/tls/ticket_keys.h counts
    http2: bool  # offer it by ALPN; default True
    kernel_tls: bool  # default False

@final
class TlsContext:
    """TLS for the TCP sockets of servers. Refusals are ValueError(what is wrong, what to do)."""

    def __init__(self, settings: TlsSettings, /) -> None: ...
    def replace(self, certificates: list[tuple[str, str, str, str]], authorities: str, /) -> None:
        """For handshakes from now on. From any thread, also in a signal handler; on failure nothing changes."""
    def warnings(self) -> list[str]:
        """Sentences on certificates that have expired or are not valid yet."""

def read_certificates(paths: list[tuple[str, str]], /) -> list[tuple[str, str, str, str]]:
    """For TlsSettings: of each certificate file and key file, or of a folder of them and "".

    Without a key file the certificate's file holds the key. Refusals are ValueError(what is wrong, what to do).
    """

def codings() -> tuple[str, ...]:
    """What responses can be compressed with here, of "zstd", "br" and "gzip": the libraries that are there."""

class ClientDisconnected(OSError):
    """What an ASGI application's `send` raises once the client is gone."""

class RequestTimedOut(BaseException):
    """What interrupts a WSGI application whose request was answered with 504 meanwhile."""

@final
class AsgiServer:
    def __init__(
        self,
        app: Callable[..., Any],
        sockets: list[int],
        options: Options,
        *,
        version: Literal[2, 3] = 3,
        lifespan: Literal["auto", "on", "off"] = "auto",
        loop: Literal["serai", "asyncio", "uvloop"] = "serai",
    ) -> None: ...
    def run(self, on_ready: Callable[[], object]) -> int:
        """Starts an asyncio loop, runs lifespan start-up, listens, calls `on_ready`, serves until drained."""
    def drain(self, *, close_idle: bool = False) -> None:
        """Stops accepting and lets running requests end; `run` returns then, or after `graceful_timeout`.

        Idle keep-alive connections stay until their next request, which is answered with `Connection: close`, or are
        closed at once with `close_idle`. May be called from a signal handler and from any thread, and twice.
        """
    def listen(self, sockets: list[int]) -> None:
        """Accepts on these sockets too, from now on: a new worker is asked for its health on a private socket first.

        May be called from a signal handler and from any thread, once `on_ready` was called.
        """
    def stop(self) -> None:
        """Ends at once: running requests are cancelled (ASGI) or abandoned at their next write (WSGI)."""
    def reopen_log(self, access_log: int) -> None:
        """From now on the access log goes to this descriptor."""
    def stats(self) -> dict[str, int]:
        """The shared page by name: requests, in_flight, connections, …"""
    @property
    def startup_error(self) -> str | None:
        """After STARTUP_FAILED: the app's message, or the traceback of what it raised."""

class LoopBase:
    """The hot parts of asyncio's event loops, for serai._loop.EventLoop to derive from beside asyncio's own class.

    It overrides call_soon, call_soon_threadsafe, call_later, call_at, time, create_future, and of BaseEventLoop's inner
    methods _run_once, _write_to_self, _add_reader, _remove_reader, _add_writer and _remove_writer.
    """

@final
class WsgiServer:
    def __init__(self, app: Callable[..., Any], sockets: list[int], options: Options) -> None: ...
    def run(self, on_ready: Callable[[], object]) -> int: ...
    def drain(self, *, close_idle: bool = False) -> None: ...
    def listen(self, sockets: list[int]) -> None: ...
    def stop(self) -> None: ...
    def reopen_log(self, access_log: int) -> None: ...
    def stats(self) -> dict[str, int]: ...
