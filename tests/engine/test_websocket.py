"""WebSockets through the engine: ASGI's side of them (asgiref specs/www.rst, WebSocket) and the server's own part."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine.harness import PATIENCE, Server, Start
from support.wait import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect, unix_connect

APP = "websocket_app:app"
GONE = {"type": "websocket.disconnect", "code": 1006, "reason": ""}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
def serve(asgi: Start) -> Start:
    return lambda **options: asgi(APP, **options)


def open_at(server: Server, path: str, **options: Any) -> ClientConnection:
    host, port = server.address
    return connect(f"ws://{host}:{port}{path}", **{"compression": None, "open_timeout": PATIENCE, **options})


def open_the_gate(server: Server) -> None:
    """The application at /deaf begins to receive."""
    with open_at(server, "/open-the-gate"):
        pass


def events(server: Server, count: int) -> list[Any]:
    """What the application has noted, once there is so much of it."""
    until = time.monotonic() + PATIENCE
    while len(noted := server.get("/events").json) < count:
        assert time.monotonic() < until, noted
        time.sleep(0.01)
    return noted


def handshake(server: Server, path: str, **changed: str) -> Any:
    """A client that has asked for a WebSocket, raw."""
    client = server.client()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers |= {"Sec-WebSocket-Key": KEY} | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"GET {path} HTTP/1.1", "Host: test", *(f"{name}: {value}" for name, value in headers.items() if value)]
    client.send("\r\n".join([*lines, "", ""]).encode())
    return client


def frame(opcode: Opcode, payload: bytes = b"", fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def closed_with(connection: ClientConnection) -> tuple[int | None, str | None]:
    with pytest.raises(ConnectionClosed):
        while True:
            connection.recv(PATIENCE)
    return connection.close_code, connection.close_reason


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 5000, 65535, 65536, 300_000])
def test_messages_come_back_as_they_were(serve: Start, compression: str | None, size: int) -> None:
    text, binary = ("zwölf Wörter, und €" * size)[:size], bytes(range(256)) * (size // 256 + 1)
    with open_at(serve(), "/echo", compression=compression) as ws:
        for message in ("a" * size, text, binary[:size]):
            ws.send(message)
            assert ws.recv(PATIENCE) == message


def test_many_messages_in_one_write_keep_their_order(serve: Start) -> None:
    server = serve()
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    client.send(b"".join(frame(Opcode.TEXT, b"%d" % number) for number in range(1000)))
    for number in range(1000):
        expected = b"%d" % number
        assert client.exactly(2 + len(expected)) == bytes([0x81, len(expected)]) + expected
    client.close()
    assert events(server, 1) == [GONE]


def test_fragments_become_one_message_with_a_ping_between_them(serve: Start) -> None:
    client = handshake(serve(), "/echo")
    assert client.head()[0] == 101
    client.send(frame(Opcode.TEXT, b"zw", fin=False))
    client.send(frame(Opcode.PING, b"there?"))
    assert client.exactly(8) == b"\x8a\x06there?"
    client.send(frame(Opcode.CONT, "ölf".encode()[:1], fin=False))
    client.send(frame(Opcode.CONT, "ölf".encode()[1:]))
    assert client.exactly(8) == b"\x81\x06" + "zwölf".encode()
    client.close()


def test_a_frame_may_come_byte_by_byte(serve: Start) -> None:
    client = handshake(serve(), "/echo")
    assert client.head()[0] == 101
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in frame(Opcode.BINARY, b"slowly"):
        client.send(bytes([byte]))
    assert client.exactly(8) == b"\x82\x06slowly"
    client.close()


# --- the scope and the handshake --------------------------------------------------------------------------------------


def test_the_scope_has_every_key_of_the_specification(serve: Start) -> None:
    server = serve()
    with open_at(server, "/scope?a=1", subprotocols=["soap", "wamp"], additional_headers={"X-Custom": "1"}) as ws:
        scope = json.loads(ws.recv(PATIENCE))
        assert scope["type"] == "websocket"
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
        assert (scope["http_version"], scope["scheme"]) == ("1.1", "ws")
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope", "/scope", "a=1")
        assert scope["root_path"] == ""
        assert ["x-custom", "1"] in scope["headers"]
        assert scope["client"] == list(ws.socket.getsockname())
        assert scope["server"] == list(server.address)
        assert scope["subprotocols"] == ["soap", "wamp"]
        assert scope["extensions"] == {"websocket.http.response": {}}
        assert scope["context"] == "lifespan"
        assert scope["task"]
        assert "method" not in scope
    with open_at(server, "/scope") as ws:
        assert json.loads(ws.recv(PATIENCE))["number"] == 7, "the state is not a copy"


def test_a_trusted_proxy_names_the_scheme(serve: Start) -> None:
    server = serve(forwarded_allow=["127.0.0.1"])
    with open_at(server, "/scope", additional_headers={"X-Forwarded-Proto": "https"}) as ws:
        assert json.loads(ws.recv(PATIENCE))["scheme"] == "wss"


def test_the_application_chooses_subprotocol_and_headers(serve: Start) -> None:
    with open_at(serve(), "/chosen", subprotocols=["soap", "wamp"]) as ws:
        assert ws.subprotocol == "wamp"
        assert (ws.response.headers["x-one"], ws.response.headers["x-two"]) == ("1", "2")


def test_asgi_2_applications_work_too(asgi: Start) -> None:
    with open_at(asgi("websocket_app:two", interface="asgi2"), "/echo") as ws:
        ws.send("two")
        assert ws.recv(PATIENCE) == "two"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec_WebSocket_Version": "12"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Protocol": "a b"}, 400),
        ({"Content_Length": "3"}, 400),
    ],
)
def test_a_handshake_that_is_wrong_never_reaches_the_application(
    serve: Start, changed: dict[str, str], status: int
) -> None:
    server = serve()
    response = handshake(server, "/echo", **changed).response()
    assert response.status == status
    assert response.header("sec-websocket-version") == ("13" if status == 426 else None)
    assert server.stop()["stats"]["requests"] == 1


def test_the_connection_goes_on_after_a_refused_handshake(serve: Start) -> None:
    client = handshake(serve(), "/echo", Sec_WebSocket_Version="12")
    assert client.response().status == 426
    assert client.request("/events").json == []


def test_other_upgrades_are_ordinary_requests(serve: Start, wsgi: Start) -> None:
    assert handshake(serve(), "/events", Upgrade="h2c").response().json == []
    assert handshake(wsgi(), "/").response().status == 200


# --- denying ----------------------------------------------------------------------------------------------------------


def test_closing_before_accepting_is_403(serve: Start) -> None:
    server = serve()
    with pytest.raises(InvalidStatus) as refused:
        open_at(server, "/forbid")
    assert refused.value.response.status_code == 403
    assert events(server, 1) == [GONE]


def test_a_denial_is_a_response_of_the_application(serve: Start) -> None:
    server = serve()
    client = handshake(server, "/deny")
    response = client.response()
    assert (response.status, response.body, response.header("x-why")) == (401, b"no entry", "test")
    assert events(server, 2) == [
        ["websocket.http.response"],
        {"type": "websocket.disconnect", "code": 1006, "reason": ""},
    ]
    assert client.request("/events").status == 200, "the connection can be used again"


def test_a_denial_that_stays_incomplete_is_cut(serve: Start) -> None:
    server = serve()
    client = handshake(server, "/deny-halfway")
    assert client.head()[0] == 401
    with pytest.raises((EOFError, ConnectionResetError)):
        client.exactly(5)
    assert "returned without completing its response" in server.log()


@pytest.mark.parametrize("path", ["/neither", "/raise-early"])
def test_an_application_that_fails_before_accepting_answers_500(serve: Start, path: str) -> None:
    server = serve()
    with pytest.raises(InvalidStatus) as refused:
        open_at(server, path)
    assert refused.value.response.status_code == 500
    assert ("on purpose" if path == "/raise-early" else "without accepting or closing") in server.log()


def test_accepting_after_the_client_has_left_is_no_error(serve: Start) -> None:
    server = serve()
    handshake(server, "/late-accept").close()
    assert events(server, 2) == [GONE, "no error"]


def test_mistakes_of_the_application_are_told_and_do_no_harm(serve: Start) -> None:
    server = serve()
    with open_at(server, "/mistakes") as ws:
        assert ws.recv(PATIENCE) == b"still here"
        expected = ["RuntimeError", "TypeError", "RuntimeError", "RuntimeError", "RuntimeError"]
        expected += ["RuntimeError", "ValueError", "TypeError", "TypeError", "ValueError"]  # UnicodeEncodeError is one
        expected += ["RuntimeError", "ValueError", "ValueError", "RuntimeError"]
        noted = ["ValueError" if name == "UnicodeEncodeError" else name for name in events(server, 14)]
        assert noted == expected


# --- closing ----------------------------------------------------------------------------------------------------------


def test_the_clients_close_is_answered_and_told(serve: Start) -> None:
    server = serve()
    for code, reason in ((1000, ""), (3999, "tschüß")):
        with open_at(server, "/echo") as ws:
            ws.close(code, reason)
            assert ws.close_code == code, "it is echoed"
    assert [(event["code"], event["reason"]) for event in events(server, 2)] == [(1000, ""), (3999, "tschüß")]


def test_a_close_without_a_code_is_1005(serve: Start) -> None:
    server = serve()
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    client.send(frame(Opcode.CLOSE))
    assert client.rest() == b"\x88\x00"
    assert events(server, 1) == [{"type": "websocket.disconnect", "code": 1005, "reason": ""}]


def test_messages_before_the_close_are_delivered_first(serve: Start) -> None:
    client = handshake(serve(), "/echo")
    assert client.head()[0] == 101
    client.send(frame(Opcode.TEXT, b"a") + frame(Opcode.CLOSE, b"\x03\xe8"))
    # The application's answer comes too late: the Close has been answered by then.
    assert client.rest() == b"\x88\x02\x03\xe8"


def test_the_applications_close_reaches_the_client(serve: Start) -> None:
    server = serve()
    with open_at(server, "/close") as ws:
        assert closed_with(ws) == (3001, "enough")
    disconnect = {"type": "websocket.disconnect", "code": 3001, "reason": "enough"}
    assert events(server, 3) == [disconnect, disconnect, "websocket.send was sent after the WebSocket was closed"]


def test_an_application_that_returns_closes_normally(serve: Start) -> None:
    with open_at(serve(), "/return") as ws:
        assert closed_with(ws) == (1000, "")


def test_an_application_that_raises_closes_with_1011(serve: Start) -> None:
    server = serve()
    with open_at(server, "/raise") as ws:
        assert closed_with(ws) == (1011, "")
    assert "ValueError: on purpose" in server.log()


def test_a_client_that_does_not_answer_our_close_is_left_in_the_end(serve: Start) -> None:
    client = handshake(serve(), "/return")
    assert client.head()[0] == 101
    assert client.exactly(4) == b"\x88\x02\x03\xe8"
    client.socket.settimeout(PATIENCE)
    assert client.is_closed()


@pytest.mark.parametrize("reset", [False, True])
def test_send_raises_os_error_once_the_client_is_gone(serve: Start, reset: bool) -> None:
    server = serve()
    client = handshake(server, "/send-until-gone")
    assert client.head()[0] == 101
    client.reset() if reset else client.close()
    assert events(server, 2) == ["ClientDisconnected", GONE]
    assert "of another kind" in server.log(), "other errors are not taken for ours"


BROKEN = {
    "unmasked": (Frame(Opcode.TEXT, b"a").serialize(mask=False), 1002),
    "reserved bit": (b"\xc1\x80\0\0\0\0", 1002),
    "not UTF-8": (frame(Opcode.TEXT, b"\xff"), 1007),
    "continuation of nothing": (frame(Opcode.CONT, b"a"), 1002),
    "invalid close code": (frame(Opcode.CLOSE, b"\x03\xee"), 1002),
    "too big": (frame(Opcode.BINARY, bytes(1001)), 1009),
    "too big in pieces": (frame(Opcode.BINARY, bytes(600), fin=False) + frame(Opcode.CONT, bytes(600)), 1009),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_closes_with_its_code(serve: Start, name: str) -> None:
    sent, code = BROKEN[name]
    server = serve(ws_max_size=1000)
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    client.send(sent)
    closing = client.rest()
    assert closing[:1] == b"\x88"
    assert int.from_bytes(closing[2:4], "big") == code
    assert [event["code"] for event in events(server, 1)] == [code]


def test_the_limit_holds_for_what_a_message_expands_to(serve: Start) -> None:
    with open_at(serve(ws_max_size=100_000), "/echo", compression="deflate") as ws:
        ws.send("x" * 100_000)
        assert len(ws.recv(PATIENCE)) == 100_000
        ws.send("x" * 100_001)
        assert closed_with(ws)[0] == 1009


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGUSR1])
def test_a_drained_server_closes_with_1012(serve: Start, kind: signal.Signals) -> None:
    server = serve()
    with open_at(server, "/echo") as ws:
        ws.send("first")
        assert ws.recv(PATIENCE) == "first"
        server.signal(kind)
        assert closed_with(ws) == (1012, "the server restarts")
    assert server.wait()["outcome"] == 0


def test_a_client_that_ignores_the_drain_has_the_graceful_timeout(serve: Start) -> None:
    server = serve(graceful_timeout=0.5)
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    server.signal(signal.SIGTERM)
    assert server.wait()["outcome"] == 1
    client.close()


# --- keep-alive -------------------------------------------------------------------------------------------------------


def test_a_silent_client_gets_pings_and_stays_when_it_answers(serve: Start) -> None:
    server = serve(ws_ping_interval=0.05, ws_ping_timeout=0.5)
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    for _ in range(5):
        assert client.exactly(2) == b"\x89\x00"
        client.send(frame(Opcode.PONG))
    client.send(frame(Opcode.TEXT, b"here"))
    assert client.exactly(6) == b"\x81\x04here"
    client.close()


def test_a_client_that_does_not_answer_a_ping_is_given_up(serve: Start) -> None:
    server = serve(ws_ping_interval=0.05, ws_ping_timeout=0.1)
    client = handshake(server, "/echo")
    assert client.head()[0] == 101
    assert client.exactly(2) == b"\x89\x00"
    assert client.rest()[2:4] == (1011).to_bytes(2, "big")
    assert events(server, 1) == [{"type": "websocket.disconnect", "code": 1006, "reason": "no answer to a ping"}]


def test_pings_can_be_turned_off(serve: Start) -> None:
    client = handshake(serve(ws_ping_interval=0, ws_ping_timeout=0.01), "/echo")
    assert client.head()[0] == 101
    assert client.is_quiet()
    client.close()


def test_nobody_is_given_up_for_a_pong_that_we_did_not_read(serve: Start) -> None:
    """The application does not receive, so that reading has stopped."""
    server = serve(ws_ping_interval=0.05, ws_ping_timeout=0.05)
    client = handshake(server, "/deaf")
    assert client.head()[0] == 101
    client.send(b"".join(frame(Opcode.BINARY, bytes(10_000)) for _ in range(20)))
    time.sleep(0.5)  # several time-outs long
    open_the_gate(server)
    client.send(frame(Opcode.TEXT, b"end"))
    text = client.until(b"21")
    assert text.endswith(b"\x81\x0221")
    client.close()


# --- backpressure -----------------------------------------------------------------------------------------------------


def test_send_waits_for_a_client_that_does_not_read(serve: Start) -> None:
    server = serve()
    with open_at(server, "/flood", max_queue=1) as ws:
        (sent,) = events(server, 1)
        assert sent * 16384 < 16 << 20
        ws.send("go on")
        received = 0
        while isinstance(message := ws.recv(PATIENCE), bytes):
            assert len(message) == 16384
            received += 1
        assert message == "done"
        assert received >= sent


def test_reading_stops_while_the_application_does_not_receive(serve: Start) -> None:
    server = serve()
    with open_at(server, "/deaf") as ws:
        sent = send_until_stuck(ws)
        before = server.get("/events")  # others are served
        assert before.status == 200
        open_the_gate(server)
        ws.send("end")
        assert json.loads(ws.recv(PATIENCE)) >= sent


def send_until_stuck(ws: ClientConnection) -> int:
    """How many messages went out before nothing was taken for a while; the last one waits in its thread."""
    sent = 0
    while sent * 65536 < 64 << 20:
        sending = threading.Thread(target=ws.send, args=(bytes(65536),), daemon=True)
        sending.start()
        sending.join(0.5)
        sent += 1
        if sending.is_alive():
            return sent
    raise AssertionError("the server reads without end")


def test_a_bomb_of_many_small_messages_does_not_pile_up(serve: Start) -> None:
    """Each compressed kilobyte expands to a megabyte, and the application takes none of it."""
    server = serve()
    with open_at(server, "/deaf", compression="deflate") as ws:
        before = resident(server)
        for _ in range(60):
            ws.send(bytes(1 << 20))
        server.get("/events")
        assert resident(server) - before < 20 << 20
        open_the_gate(server)
        ws.send("end")
        assert json.loads(ws.recv(PATIENCE)) == 61


def resident(server: Server) -> int:
    with open(f"/proc/{server.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_a_client_that_pings_without_reading_is_not_read_for_ever(serve: Start) -> None:
    client = handshake(serve(), "/echo")
    assert client.head()[0] == 101
    client.socket.settimeout(0.5)
    pings = frame(Opcode.PING, bytes(125)) * 500
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            client.send(pings)
    client.close()


def test_a_client_may_be_gone_when_its_pings_are_answered_late(asgi: Start, tmp_path: Path) -> None:
    """The pongs are more than may wait, so they are sent at once, and only that tells that nobody is there."""
    server = asgi(APP, unix=str(tmp_path / "socket"))
    client = handshake(server, f"/blocks?{tmp_path}")
    wait_for_file(tmp_path / "blocked-1")
    client.send(frame(Opcode.BINARY, bytes(65536)) + frame(Opcode.PING, bytes(125)) * 500)
    (tmp_path / "go-1").touch()
    wait_for_file(tmp_path / "blocked-2")
    client.close()
    (tmp_path / "go-2").touch()
    assert events(server, 2) == [65536, GONE]


def wait_for_file(path: Path) -> None:
    until(path.exists, f"{path.name} to be made")


def test_messages_that_were_taken_leave_no_memory_behind(serve: Start) -> None:
    """Though some always wait."""
    server = serve()
    client = handshake(server, "/deaf")
    assert client.head()[0] == 101
    open_the_gate(server)
    before = peak(server)
    many = frame(Opcode.BINARY, bytes(8192)) * 128
    for _ in range(64):
        client.send(many)
    client.send(frame(Opcode.TEXT, b"end"))
    client.until(b"8193")
    assert peak(server) - before < 16 << 10
    client.close()


def peak(server: Server) -> int:
    """Of the memory that the server has had, in KiB."""
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


# --- tasks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/two-tasks", ["0", "1", "2", "hello"]),
        ("/cancelled", ["hello"]),
    ],
)
def test_tasks_share_a_websocket(serve: Start, path: str, answers: list[str]) -> None:
    server = serve()
    with open_at(server, path) as ws:
        if path == "/cancelled":
            assert events(server, 1) == ["cancelled"]
        ws.send("hello")
        assert [ws.recv(PATIENCE) for _ in answers] == answers


def test_receive_with_a_timeout_loses_nothing(serve: Start) -> None:
    with open_at(serve(), "/polls") as ws:
        time.sleep(0.05)
        ws.send("hello")
        assert json.loads(ws.recv(PATIENCE)) == {"text": "hello", "waited": True}


def test_compression_can_be_turned_off(serve: Start) -> None:
    offer = "permessage-deflate; client_max_window_bits"
    for on in (True, False):
        client = handshake(serve(ws_deflate=on), "/echo", Sec_WebSocket_Extensions=offer)
        headers = dict(client.head()[1])
        assert ("sec-websocket-extensions" in headers) is on
        client.close()


def test_sockets_of_unix_work_too(asgi: Start, tmp_path: Any) -> None:
    path = str(tmp_path / "socket")
    asgi(APP, unix=path)
    with unix_connect(path, "ws://test/echo", compression=None) as ws:
        ws.send("hello")
        assert ws.recv(PATIENCE) == "hello"


def in_parallel(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_message_that_does_not_end_closes_with_1008(serve: Start) -> None:
    """Little may have come of it, but much may be held for it."""
    client = handshake(serve(body_timeout=0.5), "/echo")
    assert client.head()[0] == 101
    client.send(frame(Opcode.TEXT, b"begun", fin=False))
    for _ in range(15):
        client.send(frame(Opcode.PONG))
        time.sleep(0.1)
    assert client.exactly(27) == b"\x88\x19\x03\xf0a message took too long"
    client.close()


def test_many_clients_do_not_mix(serve: Start) -> None:
    server = serve()
    failures: list[str] = []

    def talk(number: int) -> None:
        with open_at(server, "/echo", compression="deflate" if number % 2 else None) as ws:
            for turn in range(50):
                message = f"{number}/{turn}" * (turn + 1)
                ws.send(message)
                if ws.recv(PATIENCE) != message:
                    failures.append(message)

    in_parallel(16, talk)
    assert failures == []
