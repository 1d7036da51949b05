"""WebSockets over HTTP/2 (RFC 8441): one stream each, beside ordinary requests. What both protocols share is in
test_websocket.py."""

from __future__ import annotations

import json
import signal
import zlib
from typing import Any

import h2.errors
import h2.settings
import pytest
from engine.harness import Server, Start
from engine.http2 import Http2Client, pseudo
from engine.test_leaks import resident_kib
from support.wait import until
from websockets.frames import Frame, Opcode

ENABLE_CONNECT_PROTOCOL = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
VERSION = ("sec-websocket-version", "13")


class WebSocket:
    """A stream that was opened by an extended CONNECT."""

    def __init__(self, client: Http2Client, path: str, *headers: tuple[str, str], protocol: str = "websocket") -> None:
        self.client = client
        asked = [(":protocol", protocol), *pseudo(path, "CONNECT"), *(headers or (VERSION,))]
        self.stream = client.begin_with(asked, end=False)
        self.answer = client.answers[self.stream]
        self._taken = 0

    def opened(self) -> WebSocket:
        self.client.wait(lambda: self.answer.status or self.answer.is_over, "the handshake's answer")
        assert self.answer.status == 200
        return self

    def send(self, opcode: Opcode, payload: bytes = b"", end: bool = False, compressed: bool = False) -> None:
        frame = bytearray(Frame(opcode, payload).serialize(mask=True))
        frame[0] |= 64 if compressed else 0
        self.client.send(self.stream, bytes(frame), end)

    def end(self) -> None:
        self.client.send(self.stream, b"", end=True)

    def receive(self) -> Frame:
        head = self._exactly(2)
        size = head[1]
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        return Frame(Opcode(head[0] & 15), self._exactly(size), fin=head[0] >= 128, rsv1=bool(head[0] & 64))

    def _exactly(self, count: int) -> bytes:
        end = self._taken + count
        self.client.wait(lambda: len(self.answer.body) >= end or self.answer.is_over, f"{count} bytes")
        found = bytes(self.answer.body[self._taken : end])
        assert len(found) == count, f"the stream ended behind {bytes(self.answer.body)!r}"
        self._taken = end
        return found

    def closing(self) -> tuple[int, str]:
        """What the server's Close says, once it has ended the stream, too."""
        frame = self.receive()
        assert frame.opcode is Opcode.CLOSE
        self.client.wait(lambda: self.answer.ended, "the end of the stream")
        return int.from_bytes(frame.data[:2], "big"), bytes(frame.data[2:]).decode()


@pytest.fixture
def server(asgi: Start) -> Server:
    return asgi("websocket_app:app")


def events(server: Server, count: int) -> list[Any]:
    """What the application has noted, once there is so much of it."""

    def noted() -> list[Any] | None:
        found = server.get("/events").json
        return found if len(found) >= count else None

    return until(noted, f"{count} events", every=0.01)  # type: ignore[return-value]


# --- messages ---------------------------------------------------------------------------------------------------------


def test_messages_come_back_as_they_were(client: Http2Client) -> None:
    ws = WebSocket(client, "/echo").opened()
    for size in (0, 1, 125, 126, 5000, 65_535, 65_536, 300_000):
        text, binary = ("zwölf Wörter, und €" * size)[:size].encode(), bytes(range(256)) * (size // 256 + 1)
        for opcode, payload in ((Opcode.TEXT, text), (Opcode.BINARY, binary)):
            ws.send(opcode, payload)
            assert ws.receive() == Frame(opcode, payload)


def test_many_sockets_and_requests_share_a_connection(client: Http2Client) -> None:
    sockets = [WebSocket(client, "/echo") for _ in range(60)]
    for turn in range(3):
        for number, ws in enumerate(sockets):
            ws.send(Opcode.TEXT, b"%d %d" % (turn, number))
        assert client.request("/events").json == []
        for number, ws in enumerate(sockets):
            assert ws.receive().data == b"%d %d" % (turn, number)


def test_what_is_sent_before_the_answer_is_not_lost(client: Http2Client) -> None:
    ws = WebSocket(client, "/echo")
    for number in range(100):
        ws.send(Opcode.TEXT, b"%d" % number)
    assert [ws.receive().data for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_pings_are_answered(client: Http2Client) -> None:
    ws = WebSocket(client, "/echo").opened()
    ws.send(Opcode.PING, b"there?")
    assert ws.receive() == Frame(Opcode.PONG, b"there?")


def test_messages_can_be_compressed(client: Http2Client) -> None:
    ws = WebSocket(client, "/echo", VERSION, ("sec-websocket-extensions", "permessage-deflate")).opened()
    assert dict(ws.answer.headers)["sec-websocket-extensions"].startswith("permessage-deflate")
    squeeze, expand = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
    for _ in range(3):
        squeezed = squeeze.compress(b"again and " * 1000) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        ws.send(Opcode.TEXT, squeezed.removesuffix(b"\0\0\xff\xff"), compressed=True)
        frame = ws.receive()
        assert frame.rsv1 and len(frame.data) < 1000
        assert expand.decompress(bytes(frame.data) + b"\0\0\xff\xff") == b"again and " * 1000


# --- the handshake ----------------------------------------------------------------------------------------------------


def test_the_scope_tells_of_http2(client: Http2Client) -> None:
    offered = ("sec-websocket-protocol", "soap, wamp")
    scope = json.loads(WebSocket(client, "/scope?a=1", VERSION, offered).opened().receive().data)
    assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "2", "ws")
    assert (scope["path"], scope["query_string"], scope["subprotocols"]) == ("/scope", "a=1", ["soap", "wamp"])
    assert ["host", "test"] in scope["headers"]
    assert "method" not in scope


def test_the_application_chooses_subprotocol_and_headers(client: Http2Client) -> None:
    ws = WebSocket(client, "/chosen", VERSION, ("sec-websocket-protocol", "soap, wamp")).opened()
    headers = dict(ws.answer.headers)
    assert (headers["sec-websocket-protocol"], headers["x-one"]) == ("wamp", "1")
    assert not {"sec-websocket-accept", "content-length", "upgrade", "connection"} & set(headers)


@pytest.mark.parametrize(
    ("headers", "protocol", "status"),
    [
        ([("sec-websocket-version", "12")], "websocket", 426),
        ([("x-other", "1")], "websocket", 426),
        ([VERSION, ("sec-websocket-protocol", "a b")], "websocket", 400),
        ([VERSION], "connect-udp", 501),
    ],
)
def test_a_handshake_that_is_wrong_is_refused(
    client: Http2Client, headers: list[tuple[str, str]], protocol: str, status: int
) -> None:
    ws = WebSocket(client, "/echo", *headers, protocol=protocol)
    assert client.response(ws.stream).status == status
    assert client.request("/events").json == []


def test_plain_connect_is_refused(client: Http2Client) -> None:
    stream = client.begin_with([(":method", "CONNECT"), (":authority", "elsewhere.test:443")], end=False)
    assert client.response(stream).status == 501


def test_denials_are_ordinary_answers(server: Server, client: Http2Client) -> None:
    assert client.response(WebSocket(client, "/forbid").stream).status == 403
    denied = client.response(WebSocket(client, "/deny").stream)
    assert (denied.status, denied.body, denied.header("x-why")) == (401, b"no entry", "test")
    assert client.response(WebSocket(client, "/deny-with-success").stream).status == 403  # it would open the WebSocket
    assert client.response(WebSocket(client, "/raise-early").stream).status == 500
    assert client.reset_of(WebSocket(client, "/deny-halfway").stream) == h2.errors.ErrorCodes.INTERNAL_ERROR


def test_it_is_offered_where_the_app_can_take_it(client: Http2Client, wsgi: Start) -> None:
    assert client.h2.remote_settings.enable_connect_protocol == 1
    other = Http2Client.to(wsgi().address)
    other.ping()
    assert other.h2.remote_settings.enable_connect_protocol == 0
    assert other.reset_of(WebSocket(other, "/").stream) == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert other.request().body == b"hello"


# --- the end ----------------------------------------------------------------------------------------------------------


def test_the_clients_close_is_answered_and_told(server: Server, client: Http2Client) -> None:
    ws = WebSocket(client, "/echo").opened()
    ws.send(Opcode.CLOSE, (3999).to_bytes(2, "big") + "tschüß".encode())
    assert ws.closing()[0] == 3999
    ws.end()
    client.ping()
    assert ws.answer.reset is None, "an orderly end, in both directions"
    assert events(server, 1) == [{"type": "websocket.disconnect", "code": 3999, "reason": "tschüß"}]


def test_the_applications_close_reaches_the_client(client: Http2Client) -> None:
    ws = WebSocket(client, "/close").opened()
    frame = ws.receive()
    assert (frame.opcode, frame.data) == (Opcode.CLOSE, (3001).to_bytes(2, "big") + b"enough")
    assert not ws.answer.ended
    ws.send(Opcode.CLOSE, bytes(frame.data), end=True)
    client.wait(lambda: ws.answer.ended)
    client.ping()
    assert ws.answer.reset is None


def test_an_application_that_raises_closes_with_1011(client: Http2Client) -> None:
    ws = WebSocket(client, "/raise").opened()
    assert ws.receive().data[:2] == (1011).to_bytes(2, "big")


@pytest.mark.parametrize("by_reset", [True, False])
def test_a_client_that_leaves_without_a_close_is_1006(server: Server, client: Http2Client, by_reset: bool) -> None:
    other = WebSocket(client, "/echo").opened()
    ws = WebSocket(client, "/echo").opened()
    client.reset(ws.stream) if by_reset else ws.end()
    assert [event["code"] for event in events(server, 1)] == [1006]
    other.send(Opcode.TEXT, b"still here")
    assert other.receive().data == b"still here"


def test_what_was_sent_before_the_end_is_received_before_it(server: Server, client: Http2Client) -> None:
    ws = WebSocket(client, "/counts").opened()
    for _ in range(80):  # more than is read ahead
        ws.send(Opcode.BINARY, bytes(1000))
    ws.send(Opcode.CLOSE, (1000).to_bytes(2, "big"), end=True)
    WebSocket(client, "/open-the-gate").opened()
    assert events(server, 1) == [[80, 1000]]
    assert ws.closing()[0] == 1000


def test_a_broken_rule_ends_its_stream_only(client: Http2Client) -> None:
    other = WebSocket(client, "/echo").opened()
    ws = WebSocket(client, "/echo").opened()
    client.send(ws.stream, Frame(Opcode.TEXT, b"a").serialize(mask=False))
    assert ws.closing()[0] == 1002
    other.send(Opcode.TEXT, b"still here")
    assert other.receive().data == b"still here"


def test_what_comes_after_the_end_is_not_wanted(client: Http2Client) -> None:
    ws = WebSocket(client, "/echo").opened()
    ws.send(Opcode.CLOSE)
    client.wait(lambda: ws.answer.ended)
    ws.send(Opcode.TEXT, b"more")
    client.wait(lambda: ws.answer.reset is not None)
    assert ws.answer.reset == h2.errors.ErrorCodes.NO_ERROR
    assert client.request("/events").status == 200


def test_a_drained_server_closes_with_1012(server: Server, client: Http2Client) -> None:
    ws = WebSocket(client, "/echo").opened()
    server.signal(signal.SIGTERM)
    frame = ws.receive()
    assert frame.data == (1012).to_bytes(2, "big") + b"the server restarts"
    ws.send(Opcode.CLOSE, bytes(frame.data), end=True)
    assert client.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR
    client.close()
    assert server.wait()["outcome"] == 0


def test_a_silent_client_is_asked_and_given_up(asgi: Start) -> None:
    server = asgi("websocket_app:app", ws_ping_interval=0.05, ws_ping_timeout=0.2)
    client = Http2Client.to(server.address)
    ws = WebSocket(client, "/echo").opened()
    for _ in range(3):
        assert ws.receive().opcode is Opcode.PING
        ws.send(Opcode.PONG)
    while (frame := ws.receive()).opcode is Opcode.PING:
        pass
    assert frame.data[:2] == (1011).to_bytes(2, "big")
    client.close()


# --- backpressure -----------------------------------------------------------------------------------------------------


def test_send_waits_for_a_client_that_does_not_read(server: Server, client: Http2Client) -> None:
    ws = WebSocket(client, "/flood")
    client.held.add(ws.stream)
    ws.opened()
    client.wait(lambda: len(ws.answer.body) == 65_535)
    assert client.request("/events").status == 200, "others go on"
    (sent,) = events(server, 1)
    assert 65_535 <= sent * 16_384 < 65_535 + 128 * 1024
    client.acknowledge(ws.stream)
    ws.send(Opcode.TEXT, b"go on")
    while (frame := ws.receive()).opcode is Opcode.BINARY:
        assert len(frame.data) == 16_384
    assert frame.data == b"done"


def test_a_client_may_not_send_more_than_the_application_receives(server: Server, client: Http2Client) -> None:
    memory = resident_kib(server)
    ws = WebSocket(client, "/deaf").opened()
    message = Frame(Opcode.BINARY, bytes(10_000)).serialize(mask=True)
    sent = 0
    while client.room(ws.stream) >= len(message):
        client.send(ws.stream, message)
        sent += 1
        client.ping()
    assert sent * len(message) < 256 * 1024
    assert client.request("/events").status == 200, "others go on"
    assert resident_kib(server) - memory < 2000
    WebSocket(client, "/open-the-gate").opened()
    for _ in range(200):
        client.send(ws.stream, message)
    ws.send(Opcode.TEXT, b"end")
    assert json.loads(ws.receive().data) == sent + 201
