"""Our HTTP/1 parser and others, asked for the same thing: what do these bytes of a connection mean?

A verdict is text, one line per fact, as tests/tools/verdicts.cc describes it. The reason of a refusal is the parser's
own. `upgrade` is a fourth end: llhttp reads no further behind a request that asks for another protocol.
"""

import struct
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Self

import h11
import httptools
import llhttp
from support.steady import TOOLS

Parser = Callable[[bytes], str]


class Ours:
    """A context: tests/tools/verdicts."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([TOOLS / "verdicts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)
        assert self._process.returncode == 0

    def verdicts(self, inputs: Sequence[bytes]) -> list[str]:
        """Few enough that all answers fit a pipe's buffer are asked at a time."""
        found: list[str] = []
        for at in range(0, len(inputs), 16):
            batch = inputs[at : at + 16]
            assert self._process.stdin and self._process.stdout
            self._process.stdin.write(b"".join(struct.pack("<I", len(i)) + i for i in batch) + bytes(4))
            self._process.stdin.flush()
            for _ in batch:
                (size,) = struct.unpack("<I", self._process.stdout.read(4))
                found.append(self._process.stdout.read(size).decode("latin-1"))
        return found


class _Messages:
    """Callbacks of httptools; those of llhttp are made of them. Trailers are left out: ours are another interface."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.parser: Any = None
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._is_head = True

    def on_message_begin(self) -> None:
        self._target, self._fields, self._is_head = b"", [], True

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_head = False
        method, version = self._start()
        head = [b"message %s %s HTTP/%s\n" % (method, self._target, version)]
        head += [b"%s: %s\n" % (name.lower(), value) for name, value in self._fields]
        self.text.append(b"".join(head).decode("latin-1"))

    def _start(self) -> tuple[bytes, bytes]:
        return self.parser.get_method(), self.parser.get_http_version().encode()

    def on_body(self, piece: bytes) -> None:
        self._body += piece

    def end_body(self) -> None:
        if self._body:
            self.text.append(f"body {self._body.hex()}\n")
        self._body = b""

    def on_message_complete(self) -> None:
        self.end_body()
        self.text.append("over\n")

    def ended(self, end: str) -> str:
        self.end_body()
        return "".join(self.text) + end + "\n"


def by_httptools(data: bytes) -> str:
    messages = _Messages()
    messages.parser = httptools.HttpRequestParser(messages)
    try:
        messages.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return messages.ended("upgrade")
    except httptools.HttpParserError as error:
        return messages.ended(_llhttp_end(str(error)))
    return messages.ended("cut")


def _llhttp_end(error: str) -> str:
    return "closed" if "after `Connection: close`" in error else f"refused {error}"


class _LlhttpRequest(llhttp.Request):  # type: ignore[misc]
    def __init__(self) -> None:
        self.messages = _Messages()
        self.messages._start = self._start  # type: ignore[method-assign]
        self._name = self._value = self._method = b""

    def _start(self) -> tuple[bytes, bytes]:
        return self._method, b"%d.%d" % (self.major, self.minor)

    def on_message_begin(self) -> None:
        self._method = b""
        self.messages.on_message_begin()

    def on_method(self, piece: bytes) -> None:
        self._method += bytes(piece)

    def on_url(self, piece: bytes) -> None:
        self.messages.on_url(bytes(piece))

    def on_header_field(self, piece: bytes) -> None:
        self._name += bytes(piece)

    def on_header_value(self, piece: bytes) -> None:
        self._value += bytes(piece)

    def on_header_value_complete(self) -> None:
        self.messages.on_header(self._name, self._value)
        self._name = self._value = b""

    def on_headers_complete(self) -> None:
        self.messages.on_headers_complete()

    def on_body(self, piece: bytes) -> None:
        self.messages.on_body(bytes(piece))

    def on_message_complete(self) -> None:
        self.messages.on_message_complete()


def by_llhttp(data: bytes) -> str:
    request = _LlhttpRequest()
    try:
        request.execute(data)
    except llhttp.PausedH2UpgradeError:
        return request.messages.ended("upgrade")
    except llhttp.Error as error:
        if request.is_upgrading:
            return request.messages.ended("upgrade")
        return request.messages.ended(_llhttp_end(str(error)))
    return request.messages.ended("upgrade" if request.is_upgrading else "cut")


def by_h11(data: bytes) -> str:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    text: list[str] = []
    body = b""

    def ended(end: str) -> str:
        return "".join(text) + (f"body {body.hex()}\n" if body else "") + end + "\n"

    connection.receive_data(data)
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return ended(f"refused {error}")
        if event is h11.NEED_DATA:
            return ended("cut")
        if event is h11.PAUSED:
            return ended("upgrade" if connection.their_state is h11.MIGHT_SWITCH_PROTOCOL else "closed")
        if isinstance(event, h11.Request):
            version = min(event.http_version, b"1.1")  # a later one is read like that
            head = [b"message %s %s HTTP/%s\n" % (event.method, event.target, version)]
            head += [b"%s: %s\n" % (name, value) for name, value in event.headers]
            text.append(b"".join(head).decode("latin-1"))
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            text.append((f"body {body.hex()}\n" if body else "") + "over\n")
            body = b""
            if connection.their_state is h11.MIGHT_SWITCH_PROTOCOL:
                return ended("upgrade")
            if not _answer(connection):
                return ended("closed")


def _answer(connection: h11.Connection) -> bool:
    """So that the next request may be read. False: there is none."""
    connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is h11.MUST_CLOSE:
        return False
    connection.start_next_cycle()
    return True


PEERS: dict[str, Parser] = {"h11": by_h11, "httptools": by_httptools, "llhttp": by_llhttp}
