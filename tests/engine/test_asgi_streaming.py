"""Bodies in both directions, their framing, and backpressure."""

import os
from pathlib import Path

import pytest
from engine.harness import Start


def test_a_whole_body_gets_a_content_length(asgi: Start) -> None:
    response = asgi().get("/")
    assert (response.status, response.body) == (200, b"hello")
    assert response.header("content-length") == "5"
    assert response.header("server") == "serai"
    assert response.header("date")


def test_a_streamed_body_is_chunked(asgi: Start) -> None:
    response = asgi().get("/three-chunks")
    assert response.header("transfer-encoding") == "chunked"
    assert response.chunks == [b"chunk 0", b"chunk 1", b"chunk 2"]


def test_a_streamed_body_ends_with_the_connection_for_http_1_0(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"GET /three-chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    response = client.response()
    assert response.header("transfer-encoding") is None
    assert response.body == b"chunk 0chunk 1chunk 2"


def test_a_request_body_arrives_whole(asgi: Start) -> None:
    body = os.urandom(1_000_000)
    client = asgi().client()
    assert client.request("/echo", "POST", body).body == body
    assert client.request("/echo-stream", "POST", body).body == body


def test_a_chunked_request_body_arrives_whole(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"4\r\nabcd\r\n3;ext=1\r\nefg\r\n0\r\nTrailer: ignored\r\n\r\n")
    assert client.response().body == b"abcdefg"
    assert client.request("/").body == b"hello"


def test_pieces_pass_both_ways_while_the_request_goes_on(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"POST /on-demand HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"one", b"two"):
        client.send(b"3\r\n" + piece + b"\r\n")
        if piece == b"one":
            client.head()
        assert client.until(b"\r\n") == b"7\r\n"
        assert client.exactly(9) == b"got " + piece + b"\r\n"
    client.send(b"0\r\n\r\n")


def test_100_continue_is_sent_when_the_application_asks_for_the_body(asgi: Start) -> None:
    client = asgi().client()
    head = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    client.send(head % b"/echo")
    assert client.head()[0] == 100
    client.send(b"abc")
    assert client.response().body == b"abc"
    client.send(head % b"/")  # this one answers without reading
    response = client.response()
    assert (response.status, response.header("connection")) == (200, "close")


def test_a_slow_client_suspends_the_application(asgi: Start) -> None:
    server = asgi()
    slow = server.client()
    slow.send(b"GET /megabytes HTTP/1.1\r\nHost: test\r\n\r\n")
    slow.head()
    sent = server.get("/events").json
    assert len(sent) < 30  # of 32: the rest waits for the client
    assert len(slow.exactly(32 << 20)) == 32 << 20
    assert server.get("/events").json[-1] == "sent 32"


def test_head_and_204_have_no_body(asgi: Start) -> None:
    client = asgi().client()
    assert client.request("/", "HEAD").header("content-length") == "5"
    assert client.request("/no-content").header("content-length") is None
    assert client.request("/three-chunks", "HEAD").status == 200
    assert client.request("/").body == b"hello"


def test_a_file_is_sent_by_path(asgi: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))
    client = asgi().client()
    response = client.request(f"/pathsend?{file}")
    assert response.body == file.read_bytes()
    assert client.request(f"/pathsend?{file}", "HEAD").header("content-length") == "3000000"
    assert client.request(f"/pathsend?{tmp_path}/missing").status == 500


def test_an_unread_request_body_does_not_disturb_the_next_request(asgi: Start) -> None:
    client = asgi().client()
    assert client.request("/", "POST", bytes(300_000)).body == b"hello"
    assert client.request("/").body == b"hello"


def test_an_answer_that_is_cut_does_not_look_whole(asgi: Start) -> None:
    """To HTTP/1.0, where it ends with the connection: so that is reset."""
    client = asgi(body_timeout=0.3).client()
    client.send(b"POST /echo-stream HTTP/1.0\r\nContent-Length: 10\r\n\r\nabc")
    assert client.head()[0] == 200
    assert client.exactly(3) == b"abc"
    with pytest.raises(ConnectionResetError):
        client.exactly(1)
