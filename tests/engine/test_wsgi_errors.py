"""Applications that raise or break PEP 3333."""

import pytest
from engine.harness import Start, request_bytes
from support.wait import until


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


@pytest.mark.parametrize("threads", [1, 4])
def test_system_exit_leaves_run_while_others_wait(wsgi: Start, threads: int) -> None:
    server = wsgi(threads=threads)
    clients = [server.client() for _ in range(8)]
    clients[0].send(request_bytes("/slow?0.3"))
    for client in clients[1:]:
        client.send(request_bytes("/leave" if client is clients[1] else "/slow?0.1"))
    assert server.process.wait(20) == 5


def test_what_is_no_exception_but_no_exit_either_ends_its_request_only(wsgi: Start) -> None:
    server = wsgi()
    assert server.get("/cancelled").status == 500
    assert server.get("/").body == b"hello"


def test_an_error_in_close_changes_nothing_for_the_client(wsgi: Start) -> None:
    server = wsgi()
    client = server.client()
    assert client.request("/fails-to-close").body == b"one"
    assert client.request("/use-kept").body == b"the request is over"
    assert "ValueError: raised in close" in server.log()


def test_an_exc_info_without_exception_is_an_error(wsgi: Start) -> None:
    server = wsgi()
    with pytest.raises((EOFError, ConnectionResetError)):
        server.get("/no-exc-info")
    assert "exc_info must be" in server.log()


def test_connections_wait_while_there_is_no_descriptor(wsgi: Start) -> None:
    server = wsgi()
    early = server.client()
    early.request("/few-descriptors")
    late = server.client()
    late.send(request_bytes("/"))
    until(lambda: "cannot accept connections" in server.log(), "the warning")
    early.request("/many-descriptors")
    assert late.response().body == b"hello"


def test_a_client_that_leaves_while_the_app_writes_is_no_error(wsgi: Start) -> None:
    server = wsgi(threads=2)
    client = server.client()
    client.send(request_bytes("/write-forever"))
    client.head()
    client.reset()
    until(lambda: server.get("/").status == 200, "the server answers")
    assert server.stop()["stats"]["in_flight"] == 0
    assert "Exception" not in server.log()
