"""wsgi.input and response bodies (PEP 3333, "Input and Error Streams", "Buffering and Streaming")."""

import os
import time
from pathlib import Path

import pytest
from engine.harness import Start, request_bytes


def test_the_input_is_a_whole_file(wsgi: Start) -> None:
    found = wsgi().client().request("/input-api", "POST", b"one\ntwo\nthree\nfour").body
    assert found == repr([b"on", b"e\n", b"tw", [b"o\n"], [b"three\n", b"four"], b"", b""]).encode()


def test_a_body_larger_than_memory_comes_from_disk(wsgi: Start) -> None:
    body = os.urandom(5_000_000)
    server = wsgi()
    assert server.client().request("/echo", "POST", body).body == body


def test_a_chunked_body_has_a_length_for_the_application(wsgi: Start) -> None:
    client = wsgi().client()
    client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")
    assert client.response().body == b"abcd"


def test_100_continue_is_sent_before_the_body_is_read(wsgi: Start) -> None:
    client = wsgi().client()
    client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.head()[0] == 100
    client.send(b"abc")
    assert client.response().body == b"abc"


def test_a_list_gets_a_content_length(wsgi: Start) -> None:
    assert wsgi().get("/").header("content-length") == "5"


def test_a_generator_is_chunked(wsgi: Start) -> None:
    response = wsgi().get("/generator")
    assert response.chunks == [b"piece 0", b"piece 1", b"piece 2"]


def test_pieces_are_sent_before_the_next_one_is_asked_for(wsgi: Start) -> None:
    client = wsgi().client()
    began = time.monotonic()
    client.send(b"GET /stepwise HTTP/1.1\r\nHost: test\r\n\r\n")
    client.head()
    arrivals = [time.monotonic() - began for _ in client.chunks()]
    assert arrivals[0] < 0.15
    assert arrivals[2] > 0.35


def test_write_sends_before_the_returned_body(wsgi: Start) -> None:
    assert wsgi().get("/write").body == b"written twice and returned"


def test_start_response_may_come_with_the_first_piece(wsgi: Start) -> None:
    response = wsgi().get("/late-start")
    assert (response.status, response.header("x-late"), response.body) == (201, "yes", b"late")


@pytest.mark.parametrize("path", ["/closing", "/closing-on-error"])
def test_close_is_called(wsgi: Start, path: str) -> None:
    server = wsgi()
    server.get(path)
    assert server.get("/show-events").json == ["closed"]


def test_head_and_204_have_no_body(wsgi: Start) -> None:
    client = wsgi().client()
    assert client.request("/", "HEAD").header("content-length") == "5"
    assert client.request("/generator", "HEAD").status == 200
    assert client.request("/no-content").header("content-length") is None
    assert client.request("/").body == b"hello"


def test_a_real_file_is_sent_from_where_it_stands(wsgi: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))
    response = wsgi().get(f"/file?{file}")
    assert response.header("content-length") == "2999990"
    assert response.body == file.read_bytes()[10:]


def test_another_file_is_iterated_over(wsgi: Start) -> None:
    assert wsgi().get("/file-in-memory").body == b"in memory"


def test_a_slow_client_does_not_keep_the_thread(wsgi: Start) -> None:
    server = wsgi()
    slow = server.client()
    slow.send(b"GET /megabytes HTTP/1.1\r\nHost: test\r\n\r\n")
    slow.head()
    assert server.get("/").body == b"hello"  # one thread: it is free although 30 MiB wait for the slow client
    assert len(slow.exactly(32 << 20)) == 32 << 20


def test_the_reason_phrase_is_the_applications(wsgi: Start) -> None:
    client = wsgi().client()
    for status, line in (
        ("404 No Such Page", b"HTTP/1.1 404 No Such Page\r\n"),
        ("200 All Right", b"HTTP/1.1 200 All Right\r\n"),
        ("404", b"HTTP/1.1 404 Not Found\r\n"),
        ("404%20Split%0D%0AX:%20y", b"HTTP/1.1 404 Not Found\r\n"),
    ):
        client.send(request_bytes("/own-reason?" + status.replace(" ", "%20")))
        assert client.until(b"\r\n") == line
        client.until(b"\r\n\r\n")


def test_many_small_pieces_for_a_slow_client_cost_no_more_than_a_few_large_ones(wsgi: Start) -> None:
    server = wsgi()
    slow = server.client()
    slow.send(request_bytes("/lines"))
    slow.head()
    assert server.get("/show-events").json == ["all lines"]  # within the client's patience
    body = slow.exactly(250_000 * len("40\r\n\r\n" + 64 * "x") + len("0\r\n\r\n"))
    assert body.startswith(b"40\r\n%063d\n\r\n" % 0)
    assert body.endswith(b"%063d\n\r\n0\r\n\r\n" % 249_999)


def test_waiting_for_a_slow_client_is_no_hang(wsgi: Start) -> None:
    server = wsgi(max_response_spool=1 << 20)
    slow = server.client()
    slow.send(b"GET /busy-for HTTP/1.1\r\nHost: test\r\n\r\n")
    slow.head()
    time.sleep(1.2)
    assert len(slow.exactly(8 << 20)) == 8 << 20
    assert server.get("/show-events").json[0] < 0.8
