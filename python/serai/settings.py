"""Every setting of `serai serve`, described once: defaults, command line, environment, file and help grow from here."""

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from serai import units

Interface = Literal["wsgi", "asgi", "asgi2"]
Switch = Literal["auto", "on", "off"]

MAX_WORKERS = 256


def workers(text: str) -> int:
    """A number, or "auto": as many as there are CPUs for this process."""
    chosen = len(os.sched_getaffinity(0)) if text == "auto" else _number(text)
    if not 1 <= chosen <= MAX_WORKERS:
        raise ValueError(f"{text!r} is not a number of workers from 1 to {MAX_WORKERS}, or auto")
    return chosen


def threads(text: str) -> int:
    """A number of threads."""
    chosen = _number(text)
    if not 1 <= chosen <= 1024:
        raise ValueError(f"{text!r} is not a number of threads from 1 to 1024")
    return chosen


def count(text: str) -> int:
    """A number of things."""
    chosen = _number(text)
    if chosen < 1:
        raise ValueError(f"{text!r} is not a number from 1 on")
    return chosen


_ATOM = re.compile(r"%%|%\((?:[hlutrmUqHsBbfaTMDLp]|\{[^}]+\}i)\)s")


def access_pattern(text: str) -> str:
    """A line of the access log, as src/http/access_pattern.h understands it."""
    rest = _ATOM.sub("", text)
    if "%" in rest:
        found = rest[rest.index("%") :].split(" ", 1)[0]
        raise ValueError(f"{found!r} is no atom of the access log: see docs/serve.md")
    if any(c < " " for c in text):
        raise ValueError("a line of the access log has no control characters")
    return text


def amount(text: str) -> int:
    """A number of things, or 0."""
    chosen = _number(text)
    if chosen < 0:
        raise ValueError(f"{text!r} is not a number from 0 on")
    return chosen


def _number(text: str) -> int:
    """-1, which no setting allows, for anything that is none."""
    return int(text) if text.isdecimal() and text.isascii() else -1


def octal(text: str) -> int:
    """A file mode mask such as 027."""
    mask = int(text, 8) if text and not text.strip("01234567") else -1
    if not 0 <= mask <= 0o777:
        raise ValueError(f"{text!r} is not a mask: write for example 027")
    return mask


def path_prefix(text: str) -> str:
    """A URL path that starts with a slash and does not end with one; empty for none."""
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} does not start with a slash: write for example /shop")
    return text.rstrip("/")


def url_path(text: str) -> str:
    """A URL path to request."""
    if not text.startswith("/") or any(c <= " " or c >= "\x7f" for c in text):
        raise ValueError(f"{text!r} is not a path to request: write for example /up")
    return text


CODINGS = ("zstd", "br", "gzip")
"""What responses may be compressed with, those preferred first."""


def compression(text: str) -> str:
    """off, auto, or codings joined by commas."""
    named = [name.strip() for name in text.lower().split(",")]
    if named in (["off"], ["auto"]) or (set(named) <= set(CODINGS) and len(set(named)) == len(named)):
        return ",".join(named)
    raise ValueError(f"{text!r} is neither off nor auto nor some of {','.join(CODINGS)}")


_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/([\w!#$&^.+-]+|\*)")


def media_type(text: str) -> str:
    """A media type such as text/html, or text/*."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError(f"{text!r} is not like text/html or text/*")
    return text.lower()


def header_name(text: str) -> str:
    """The name of a header field, in lower case."""
    if not re.fullmatch(r"[A-Za-z0-9!#$&'*+.^_|~-]+", text):
        raise ValueError(f"{text!r} is no name of a header")
    return text.lower()


def static_mount(text: str) -> str:
    """A URL path and the folder whose files are served below it, which apps that change theirs must not move."""
    prefix, equals, folder = text.partition("=")
    if not equals or not folder or not prefix.startswith("/") or any(c <= " " or c in "?#%" for c in prefix):
        raise ValueError(f"{text!r} is not like /static=staticfiles")
    if not os.path.isdir(folder):
        raise ValueError(f"there is no folder {folder!r}, seen from {os.getcwd()}")
    return f"{prefix.rstrip('/') or '/'}={os.path.abspath(folder)}"


def split_mount(mount: str) -> tuple[str, str]:
    """Prefix, "" for every path, and folder."""
    prefix, _, folder = mount.partition("=")
    return prefix.rstrip("/"), folder


_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _truth(text: str) -> bool:
    chosen = _TRUTHS.get(text.lower())
    if chosen is None:
        raise ValueError(f"{text!r} is neither true nor false")
    return chosen


@dataclasses.dataclass(frozen=True)
class Option:
    """How a setting is given on the command line, in the environment and in a file."""

    group: str
    help: str
    metavar: str | None = None
    parse: Callable[[str], Any] = str
    choices: Sequence[str] | None = None
    repeat: bool = False
    flag: bool = False
    const: str | None = None
    """The value where the option is given without one."""
    shown_default: str | None = None
    """The default in words, where its value does not speak for itself."""

    def read(self, text: str) -> Any:
        """One value, wherever it was written. Raises ValueError, which says how it is written."""
        if self.flag:
            return _truth(text)
        if self.choices and text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}")
        return self.parse(text)


def _option(default: Any, **description: Any) -> Any:
    option = Option(**description)
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata={"option": option})
    return dataclasses.field(default=default, metadata={"option": option})


_APP, _DEVELOPMENT, _PROCESSES = "application", "development", "processes"
_LOAD, _FILES = "slow requests and overload", "files and answers"
_HTTP, _WS, _TLS, _LOG = "HTTP and its limits", "WebSocket", "TLS", "logging and files"


@dataclasses.dataclass(kw_only=True)
class Settings:
    """What the master, its zygotes and their workers go by. Times are in seconds, sizes in bytes."""

    app: str

    bind: list[str] = _option(
        [],
        group=_APP,
        metavar="ADDRESS",
        repeat=True,
        help="HOST:PORT, [IPV6]:PORT, :PORT, unix:/PATH or fd://N; repeatable",
        shown_default="127.0.0.1:8000, or 0.0.0.0:$PORT where PORT is set; sockets passed by systemd go first",
    )
    interface: Literal["auto", "wsgi", "asgi", "asgi2"] = _option(
        "auto", group=_APP, choices=("auto", "wsgi", "asgi", "asgi2"), help="how to call the app; auto asks the object"
    )
    factory: bool = _option(False, group=_APP, flag=True, help="the name is a function to call for the app")
    app_dir: str = _option(
        ".", group=_APP, metavar="DIR", help="folder to import from", shown_default="the current one"
    )
    root_path: str = _option(
        "",
        group=_APP,
        metavar="PATH",
        parse=path_prefix,
        help="path under which a proxy mounts the app",
        shown_default="none",
    )
    lifespan: Switch = _option(
        "auto", group=_APP, choices=("auto", "on", "off"), help="ASGI start-up and shutdown events; on: required"
    )
    loop: Literal["auto", "serai", "asyncio", "uvloop"] = _option(
        "auto",
        group=_APP,
        choices=("auto", "serai", "asyncio", "uvloop"),
        help="ASGI: whose event loop runs the app; auto: the engine's own (serai), asyncio's with the hot parts in C++",
    )
    env_file: str = _option(
        "",
        group=_APP,
        metavar="FILE",
        help="KEY=VALUE lines for the app's environment, read again on SIGHUP",
        shown_default="none",
    )

    reload: bool = _option(
        False,
        group=_DEVELOPMENT,
        flag=True,
        help="start anew when the code changes, and show errors in the browser; never in production",
    )
    reload_dir: list[str] = _option(
        [],
        group=_DEVELOPMENT,
        metavar="DIR",
        repeat=True,
        help="folder to watch, with all below it; repeatable. Imported files are watched wherever they are",
        shown_default="--app-dir",
    )
    reload_include: list[str] = _option(
        ["*.py"],
        group=_DEVELOPMENT,
        metavar="GLOB",
        repeat=True,
        help="names of files to watch there; repeatable",
        shown_default="*.py",
    )

    workers: int = _option(
        1,
        group=_PROCESSES,
        metavar="N|auto",
        parse=workers,
        help="worker processes",
        shown_default="1, or $WEB_CONCURRENCY",
    )
    threads: int = _option(4, group=_PROCESSES, metavar="N", parse=threads, help="WSGI: threads per worker")
    preload: Switch = _option(
        "auto",
        group=_PROCESSES,
        choices=("auto", "on", "off"),
        help="import the app once and fork the workers; auto: unless the import left threads or sockets",
    )
    post_fork: str = _option(
        "",
        group=_PROCESSES,
        metavar="MODULE:NAME",
        help="function called in each worker after the fork",
        shown_default="none",
    )
    graceful_timeout: float = _option(
        30.0,
        group=_PROCESSES,
        metavar="TIME",
        parse=units.seconds,
        help="longest wait for running requests when a worker ends",
    )
    worker_timeout: float = _option(
        60.0,
        group=_PROCESSES,
        metavar="TIME",
        parse=units.seconds,
        help="a worker none of whose threads came back from the app for so long is hung, and replaced; 0: never",
    )
    max_requests: int = _option(
        0,
        group=_PROCESSES,
        metavar="N",
        parse=amount,
        help="a worker is replaced after so many requests",
        shown_default="never",
    )
    max_worker_age: float = _option(
        0.0,
        group=_PROCESSES,
        metavar="TIME",
        parse=units.seconds,
        help="a worker is replaced after so long",
        shown_default="never",
    )
    max_worker_memory: int = _option(
        0,
        group=_PROCESSES,
        metavar="SIZE",
        parse=units.size,
        help="a worker is replaced when it holds so much memory",
        shown_default="never",
    )
    health_path: str = _option(
        "",
        group=_PROCESSES,
        metavar="PATH",
        parse=url_path,
        help="a new worker must answer this path below 500 before it takes over",
        shown_default="none",
    )
    health_timeout: float = _option(
        30.0, group=_PROCESSES, metavar="TIME", parse=units.seconds, help="how long a new worker may take for that"
    )

    request_timeout: float = _option(
        0.0,
        group=_LOAD,
        metavar="TIME",
        parse=units.seconds,
        help="longest time the app may take from its call to the end of its response, 504 beyond",
        shown_default="no limit",
    )
    max_concurrency: int = _option(
        0,
        group=_LOAD,
        metavar="N",
        parse=amount,
        help="requests in the app at a time per worker, WebSockets not counted; others wait",
        shown_default="no limit",
    )
    max_queue: int = _option(
        0,
        group=_LOAD,
        metavar="N",
        parse=amount,
        help="requests that wait for the app per worker, 503 beyond",
        shown_default="no limit",
    )
    queue_timeout: float = _option(
        0.0,
        group=_LOAD,
        metavar="TIME",
        parse=units.seconds,
        help="longest time that a request waits for the app, 503 beyond",
        shown_default="no limit",
    )

    static: list[str] = _option(
        [],
        group=_FILES,
        metavar="/PREFIX=FOLDER",
        parse=static_mount,
        repeat=True,
        help="serve the files in FOLDER below this path; what is not there is the app's to answer; repeatable",
        shown_default="none",
    )
    static_index: bool = _option(
        False, group=_FILES, flag=True, help="a path that ends with a slash is answered with the index.html there"
    )
    static_max_age: float = _option(
        60.0,
        group=_FILES,
        metavar="TIME",
        parse=units.seconds,
        help="how long caches may keep a file, unless its name holds a digest: then a year; 0: they must ask each time",
    )

    compress: str = _option(
        "off",
        group=_FILES,
        metavar="CODINGS",
        parse=compression,
        const="auto",
        help="compress what the app answers: auto (also without a value: zstd, br or gzip, as the client takes them), "
        "some of these joined by commas, or off",
    )
    compress_min_size: int = _option(
        1024,
        group=_FILES,
        metavar="SIZE",
        parse=units.size,
        help="smaller bodies are not compressed",
        shown_default="1KiB",
    )
    compress_types: list[str] = _option(
        [],
        group=_FILES,
        metavar="TYPE",
        parse=media_type,
        repeat=True,
        help="media type to compress, such as text/html or text/*; repeatable",
        shown_default="text, JSON, XML, JavaScript, SVG, fonts and their like",
    )
    request_id: Literal["off", "trust", "generate"] = _option(
        "off",
        group=_FILES,
        choices=("off", "trust", "generate"),
        help="an id for each request, shown to the app, the client and the access log; trust: the client's where it "
        "sends one; generate: always ours",
    )
    request_id_header: str = _option(
        "x-request-id", group=_FILES, metavar="NAME", parse=header_name, help="the header that has it"
    )

    max_body: int = _option(
        32 * 1024**2,
        group=_HTTP,
        metavar="SIZE",
        parse=units.size,
        help="request body, 413 beyond; 0: no limit",
        shown_default="32MiB",
    )
    max_header_bytes: int = _option(
        32 * 1024, group=_HTTP, metavar="SIZE", parse=units.size, help="request head, 431 beyond", shown_default="32KiB"
    )
    max_headers: int = _option(100, group=_HTTP, metavar="N", parse=count, help="request headers, 431 beyond")
    max_target: int = _option(
        8 * 1024, group=_HTTP, metavar="SIZE", parse=units.size, help="request target, 414 beyond", shown_default="8KiB"
    )
    http2: Literal["on", "off"] = _option(
        "on",
        group=_HTTP,
        choices=("on", "off"),
        help="HTTP/2: agreed on under TLS (ALPN), begun by the client without asking on plain sockets (h2c)",
    )
    header_timeout: float = _option(
        10.0, group=_HTTP, metavar="TIME", parse=units.seconds, help="from a head's first byte to its end, 408 beyond"
    )
    body_timeout: float = _option(
        30.0,
        group=_HTTP,
        metavar="TIME",
        parse=units.seconds,
        help="gap between two pieces of a body, 408 beyond; at least 500 bytes a second in the long run",
    )
    keep_alive_timeout: float = _option(
        60.0, group=_HTTP, metavar="TIME", parse=units.seconds, help="an idle connection is closed after"
    )
    write_timeout: float = _option(
        60.0, group=_HTTP, metavar="TIME", parse=units.seconds, help="longest time in which a client takes no byte"
    )
    forwarded_allow: list[str] = _option(
        [],
        group=_HTTP,
        metavar="PEER",
        repeat=True,
        help='proxies whose X-Forwarded-For and -Proto count: address, CIDR block, "unix" or "*"; repeatable',
        shown_default="nobody",
    )
    server_header: str = _option("serai", group=_HTTP, metavar="TEXT", help="Server header; empty: none")

    ws_max_size: int = _option(
        16 * 1024**2,
        group=_WS,
        metavar="SIZE",
        parse=units.size,
        help="a message after decompression; beyond, the connection is closed with 1009; 0: no limit",
        shown_default="16MiB",
    )
    ws_ping_interval: float = _option(
        20.0, group=_WS, metavar="TIME", parse=units.seconds, help="a silent client gets a ping after; 0: never"
    )
    ws_ping_timeout: float = _option(
        20.0, group=_WS, metavar="TIME", parse=units.seconds, help="and is given up when it says nothing for; 0: never"
    )
    ws_deflate: Literal["on", "off"] = _option(
        "on", group=_WS, choices=("on", "off"), help="permessage-deflate for clients that offer it"
    )

    certfile: list[str] = _option(
        [],
        group=_TLS,
        metavar="PATH",
        repeat=True,
        help="PEM file with the certificate and its chain, or a folder of them; TCP sockets then speak HTTPS; "
        "repeatable: the client's SNI name chooses",
        shown_default="none: plain HTTP",
    )
    keyfile: list[str] = _option(
        [],
        group=_TLS,
        metavar="FILE",
        repeat=True,
        help="PEM file with the private key, one for each certificate file, in the same order",
        shown_default="the certificate's file holds it",
    )
    client_cert: Literal["none", "optional", "required"] = _option(
        "none",
        group=_TLS,
        choices=("none", "optional", "required"),
        help="whether clients are asked for a certificate; one that --ca-certs did not sign is always refused",
    )
    ca_certs: str = _option(
        "", group=_TLS, metavar="FILE", help="PEM file of the authorities for client certificates", shown_default="none"
    )
    tls_min_version: Literal["1.2", "1.3"] = _option(
        "1.2", group=_TLS, choices=("1.2", "1.3"), help="the oldest TLS version that is spoken"
    )
    ciphers: str = _option(
        "",
        group=_TLS,
        metavar="LIST",
        help="OpenSSL's cipher names joined by colons, for TLS 1.2 and 1.3 alike",
        shown_default="Mozilla's intermediate set",
    )
    tls_handshake_timeout: float = _option(
        10.0, group=_TLS, metavar="TIME", parse=units.seconds, help="longest time for a TLS handshake"
    )
    kernel_tls: bool = _option(
        False, group=_TLS, flag=True, help="let the kernel encrypt where it can, so that files are sent without copying"
    )

    access_log: str = _option(
        "off", group=_LOG, metavar="FILE", const="-", help="FILE, - (standard output, also without a value) or off"
    )
    access_log_format: str = _option(
        "",
        group=_LOG,
        metavar="TEXT",
        parse=access_pattern,
        help="a line of the access log, with gunicorn's atoms: %(h)s client, %(t)s time, %(r)s first line, %(s)s "
        "status, %(b)s bytes, %(D)s microseconds, %({NAME}i)s a request header, …",
        shown_default="the combined format, or JSON",
    )
    log_format: Literal["text", "json"] = _option(
        "text", group=_LOG, choices=("text", "json"), help="of the access log and the server's own messages"
    )
    metrics_bind: str = _option(
        "",
        group=_LOG,
        metavar="ADDRESS",
        help="HOST:PORT or unix:/PATH where the master serves /metrics (Prometheus text)",
        shown_default="none",
    )
    pid_file: str = _option(
        "", group=_LOG, metavar="FILE", help="where to write the master's process id", shown_default="none"
    )
    umask: int | None = _option(
        None,
        group=_LOG,
        metavar="MASK",
        parse=octal,
        help="for files and Unix sockets, in octal",
        shown_default="inherited",
    )


def options() -> list[tuple[str, Any, Option]]:
    """Name, default and description of each setting that the command line offers, in order."""
    described = []
    for field in dataclasses.fields(Settings):
        if option := field.metadata.get("option"):
            default = field.default_factory() if callable(field.default_factory) else field.default
            described.append((field.name, default, option))
    return described
