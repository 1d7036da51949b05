"""Early hints, trailers and files that the kernel sends: ASGI's extensions, and what WSGI has of them."""

import os
from pathlib import Path

import pytest
from engine.harness import Start, request_bytes

LINKS = [("link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]


def lower(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def test_early_hints_go_before_the_answer(asgi: Start) -> None:
    client = asgi().client()
    for _ in range(2):
        client.send(request_bytes("/early-hint"))
        assert client.head() == (103, LINKS)
        assert client.response().body == b"after the hints"


def test_early_hints_are_sent_at_once(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"POST /early-hint?wait HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n")
    assert client.head() == (103, LINKS)
    client.send(b"x")
    assert client.response().body == b"after the hints"


def test_an_http_1_0_client_gets_no_early_hints(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"GET /early-hint HTTP/1.0\r\n\r\n")
    assert client.response().status == 200


def test_hints_behind_the_start_are_an_error(asgi: Start) -> None:
    server = asgi()
    assert server.get("/late-hint").status == 500
    assert "early_hint was sent after http.response.start" in server.log()


@pytest.mark.parametrize("threads", [1, 3])
def test_wsgi_apps_send_early_hints(wsgi: Start, threads: int) -> None:
    server = wsgi(threads=threads)
    client = server.client()
    client.send(request_bytes("/early-hints"))
    first, second = client.head(), client.head()
    assert (first[0], lower(first[1])) == (103, LINKS)
    assert (second[0], lower(second[1])) == (103, [("x-also", "before the head is sent")])
    assert client.response().body == b"after the hints"
    assert server.get("/show-events").json == ["an informational response behind the final one"]


def test_early_hints_belong_to_the_requests_thread(wsgi: Start) -> None:
    assert wsgi().get("/early-hints-elsewhere").json == ["early hints belong to the thread that runs the request"]


def test_trailers_follow_the_body_for_clients_that_take_them(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    response = client.request("/trailers", TE="trailers")
    assert (response.header("transfer-encoding"), response.body) == ("chunked", b"body")
    assert client.trailers == [("x-checksum", "123"), ("x-second", "456")]
    assert client.request("/").body == b"hello"
    assert server.get("/events").json == ["trailers sent"]


def test_other_clients_get_the_answer_without_trailers(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    response = client.request("/trailers")
    assert (response.header("content-length"), response.body) == ("4", b"body")
    assert client.request("/trailers?length", TE="gzip, trailers").body == b"body"
    assert client.request("/").body == b"hello"
    assert server.get("/events").json == ["trailers sent"] * 2


def test_wrong_trailers_are_errors(asgi: Start) -> None:
    server = asgi()
    assert server.get("/unannounced-trailers", TE="trailers").status == 500
    assert "http.response.start did not announce trailers" in server.log()
    client = server.client()
    client.send(request_bytes("/bad-trailer", TE="trailers"))
    client.head()
    with pytest.raises((EOFError, ConnectionResetError)):
        list(client.chunks())


def test_parts_of_a_file_are_sent_among_other_pieces(asgi: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(300_000))
    content = file.read_bytes()
    client = asgi().client()
    response = client.request(f"/zerocopysend?{file}")
    assert response.chunks == [content[10:30], b" between ", content[:5], content[5:]]
    response = client.request(f"/zerocopysend-whole?{file}")
    assert (response.header("content-length"), response.body) == ("300000", content)


@pytest.mark.parametrize("route", ["/pathsend", "/zerocopysend-whole"])
def test_only_plain_files_are_sent(asgi: Start, tmp_path: Path, route: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = asgi()
    assert server.get(f"{route}?{tmp_path}").status == 500
    if route == "/pathsend":  # opening is the server's
        assert server.get(f"{route}?{fifo}").status == 500
        assert "sends plain files only" in server.log()


def test_headers_that_are_the_servers_are_dropped_with_a_line(wsgi: Start) -> None:
    server = wsgi(threads=2)
    client = server.client()
    for _ in range(3):
        response = client.request("/hop-by-hop")
        assert response.body == b"hop"
        assert lower(response.headers)[:2] == [("x-own", "yes"), ("content-length", "3")]
    assert server.log().count("which is the server's (PEP 3333)") == 3  # each name once
