"""Applications that raise or break PEP 3333."""

import pytest
from engine.harness import Start


@pytest.mark.parametrize(
    "path",
    ["/raise-early", "/start-twice", "/no-start", "/text-body", "/bad-status", "/bad-header", "/not-latin", "/missing"],
)
def test_an_error_before_the_answer_gives_500(wsgi: Start, path: str) -> None:
    server = wsgi()
    response = server.get(path)
    assert response.status == 500
    assert b"purpose" not in response.body
    assert "serai.error: Exception in WSGI application" in server.log()
    assert server.get("/").status == 200


def test_exc_info_replaces_an_answer_that_was_not_sent(wsgi: Start) -> None:
    response = wsgi().get("/exc-info-before")
    assert (response.status, response.header("x-second"), response.body) == (503, "2", b"sorry")
    assert response.header("x-first") is None


def test_exc_info_raises_once_the_answer_is_on_its_way(wsgi: Start) -> None:
    server = wsgi()
    with pytest.raises((EOFError, ConnectionResetError)):
        server.get("/exc-info-after")
    assert "raised on purpose" in server.log()


def test_more_than_the_content_length_is_cut(wsgi: Start) -> None:
    server = wsgi()
    client = server.client()
    assert client.request("/too-long").body == b"123"
    assert client.request("/").body == b"hello"
    assert "more than its Content-Length" in server.log()


def test_less_than_the_content_length_breaks_off(wsgi: Start) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        wsgi().get("/too-short")


@pytest.mark.parametrize("threads", [1, 4])
def test_system_exit_leaves_run(wsgi: Start, threads: int) -> None:
    server = wsgi(threads=threads)
    client = server.client()
    client.send(b"GET /leave HTTP/1.1\r\nHost: test\r\n\r\n")
    assert server.process.wait(20) == 5
