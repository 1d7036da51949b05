"""Connections: keep-alive, pipelining, limits and time-outs; the same code for ASGI and WSGI."""

import signal
import time

import pytest
from engine.harness import Client, Server, Start, request_bytes
from support.wait import until


@pytest.fixture(params=["asgi", "wsgi", "wsgi-threads"])
def serve(request: pytest.FixtureRequest, asgi: Start, wsgi: Start) -> Start:
    if request.param == "wsgi-threads":
        return lambda **options: wsgi(threads=4, **options)
    return asgi if request.param == "asgi" else wsgi


def refused(client: Client, data: bytes, status: int) -> None:
    client.send(data)
    response = client.response()
    assert response.status == status
    assert response.header("connection") == "close"
    assert client.is_closed()


def test_connections_are_kept_alive(serve: Start) -> None:
    client = serve().client()
    assert [client.request("/").body for _ in range(100)] == [b"hello"] * 100


def test_close_is_honoured(serve: Start) -> None:
    client = serve().client()
    assert client.request("/", Connection="close").header("connection") == "close"
    assert client.is_closed()


def test_pipelined_requests_are_answered_in_order(serve: Start) -> None:
    client = serve().client()
    bodies = [b"%d" % i for i in range(200)]
    client.send(b"".join(request_bytes("/echo", "POST", body) for body in bodies))
    assert [client.response().body for _ in bodies] == bodies


def test_a_request_may_come_byte_by_byte(serve: Start) -> None:
    client = serve().client()
    for byte in request_bytes("/echo", "POST", b"slow"):
        client.send(bytes([byte]))
    assert client.response().body == b"slow"


def test_what_is_no_http_gets_400(serve: Start) -> None:
    refused(serve().client(), b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400)


def test_smuggling_is_refused(serve: Start) -> None:
    head = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    refused(serve().client(), head + b"0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", 400)


def test_a_long_target_gets_414(serve: Start) -> None:
    refused(serve(max_target=100).client(), request_bytes("/" + "x" * 200), 414)


def test_large_heads_get_431(serve: Start) -> None:
    server = serve(max_header_bytes=2000, max_headers=10)
    refused(server.client(), request_bytes("/", X_Large="x" * 3000), 431)
    refused(server.client(), request_bytes("/", **{f"X_{i}": "x" for i in range(20)}), 431)


def test_large_bodies_get_413(serve: Start) -> None:
    server = serve(max_body=1000)
    refused(server.client(), request_bytes("/echo", "POST", bytes(5000)), 413)
    chunked = b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    refused(server.client(), chunked + b"fff\r\n" + bytes(0xFFF) + b"\r\n", 413)
    assert server.client().request("/echo", "POST", bytes(1000)).body == bytes(1000)


def test_a_client_that_still_sends_gets_its_refusal(serve: Start) -> None:
    client = serve(max_body=1000).client()
    client.send(request_bytes("/echo", "POST", bytes(500_000)))
    assert client.response().status == 413


def test_a_slow_head_gets_408(serve: Start) -> None:
    client = serve(header_timeout=0.3).client()
    client.send(b"GET / HTTP/1.1\r\nHo")
    assert client.response().status == 408
    assert client.is_closed()


def test_a_slow_body_gets_408(serve: Start) -> None:
    client = serve(body_timeout=0.3).client()
    client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc")
    assert client.response().status == 408


def test_a_body_that_trickles_gets_408(serve: Start) -> None:
    """No pause is too long, but a thread or a slot must not wait for days."""
    client = serve(body_timeout=0.5).client()
    client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n")
    began = time.monotonic()
    while client.is_quiet():
        assert time.monotonic() - began < 5, "a byte at a time is enough"
        client.send(b"x")
        time.sleep(0.1)
    assert client.response().status == 408


def test_an_idle_connection_is_closed_without_a_word(serve: Start) -> None:
    client = serve(keep_alive_timeout=0.3).client()
    client.request("/")
    assert client.rest() == b""


def test_a_client_that_stops_reading_is_dropped(serve: Start) -> None:
    server = serve(write_timeout=0.3, max_response_spool=1 << 20)
    client = server.client()
    client.send(request_bytes("/megabytes"))
    client.head()
    with pytest.raises((EOFError, ConnectionResetError)):
        wait_for_end(client)


def wait_for_end(client: Client) -> None:
    time.sleep(1)  # not reading is the point
    client.exactly(32 << 20)


def finish(server: Server) -> int:
    outcome: int = server.wait()["outcome"]
    return outcome


def test_draining_answers_what_runs_and_closes_idle_connections(serve: Start) -> None:
    server = serve()
    idle, busy = server.client(), server.client()
    idle.request("/")
    busy.send(request_bytes("/slow?0.5"))
    assert busy.is_quiet()
    server.signal(signal.SIGTERM)
    response = busy.response()
    assert (response.body, response.header("connection")) == (b"slow", "close")
    busy.close()
    assert idle.is_closed()
    assert finish(server) == 0


def test_requests_that_came_before_the_drain_are_answered(serve: Start) -> None:
    """Also those that the server, busy elsewhere, has not seen yet: on an idle connection, on one in the backlog."""
    server = serve()
    idle, quiet = server.client(), server.client()
    idle.request("/")
    quiet.request("/")
    server.signal(signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    idle.send(request_bytes("/echo", "POST", b"known"))
    new = server.client()
    new.send(request_bytes("/echo", "POST", b"new"))
    server.signal(signal.SIGCONT)
    for client, body in ((idle, b"known"), (new, b"new")):
        response = client.response()
        assert (response.status, response.body) == (200, body)
        client.close()
    assert quiet.is_closed()
    assert finish(server) == 0


def accepts_no_more(server: Server) -> bool:
    client = server.client()
    client.send(request_bytes("/"))
    unanswered = client.is_quiet()
    client.close()
    return unanswered


def test_retiring_leaves_idle_connections_one_more_request(serve: Start) -> None:
    server = serve()
    idle = server.client()
    idle.request("/")
    server.signal(signal.SIGUSR1)
    until(lambda: accepts_no_more(server), "the server to stop accepting")
    assert idle.request("/").header("connection") == "close"
    idle.close()
    assert finish(server) == 0


def test_the_graceful_timeout_bounds_draining(serve: Start, request: pytest.FixtureRequest) -> None:
    if "[wsgi-/" in request.node.name:
        pytest.skip("a single thread inside the application cannot look at the time; the master kills such a worker")
    server = serve(graceful_timeout=0.3)
    busy = server.client()
    busy.send(request_bytes("/slow?2"))
    assert busy.is_quiet()
    server.signal(signal.SIGTERM)
    assert finish(server) == 1


def test_the_access_log_may_be_closed_while_a_request_runs(serve: Start) -> None:
    server = serve(access_log=2)
    client = server.client()
    client.send(request_bytes("/slow?0.3"))
    assert client.is_quiet()
    server.signal(signal.SIGHUP)
    assert client.response().body == b"slow"
    assert client.request("/").body == b"hello"
    server.stop()
    assert "GET / " not in server.log()


def test_the_access_log_has_one_line_per_request(serve: Start) -> None:
    server = serve(access_log=2)
    client = server.client()
    client.request("/?a=1", User_Agent="test")
    client.send(b"bad\r\n\r\n")
    client.response()
    client.close()
    server.stop()
    lines = [line for line in server.log().splitlines() if "HTTP/1.1" in line or '" 400 ' in line]
    assert '"GET /?a=1 HTTP/1.1" 200 5' in lines[0]
    assert " 400 " in lines[1]
