"""Applications that break the protocol, and clients that leave."""

import signal

import pytest
from engine.harness import Server, Start, request_bytes
from support.wait import until


def events(server: Server) -> list[str]:
    found: list[str] = server.get("/events").json
    return found


@pytest.mark.parametrize("path", ["/raise", "/raise-before-body", "/return-early", "/bad-header"])
def test_an_error_before_the_answer_gives_500(asgi: Start, path: str) -> None:
    server = asgi()
    response = server.get(path)
    assert response.status == 500
    assert b"purpose" not in response.body
    assert "ASGI application" in server.log()
    assert server.get("/").status == 200


def test_the_traceback_goes_to_the_log(asgi: Start) -> None:
    server = asgi()
    server.get("/raise")
    assert "serai.error: Exception in ASGI application" in server.log()
    assert 'raise ValueError("raised on purpose")' in server.log()


@pytest.mark.parametrize("path", ["/raise-late", "/too-short"])
def test_an_error_after_the_start_breaks_the_connection_off(asgi: Start, path: str) -> None:
    client = asgi().client()
    with pytest.raises((EOFError, ConnectionResetError)):
        client.request(path)
        client.exactly(1)


def test_more_than_the_content_length_is_refused(asgi: Start) -> None:
    server = asgi()
    server.get("/too-long")
    assert events(server)[0].startswith("RuntimeError")


def test_receive_tells_of_a_client_that_left(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    client.send(b"GET /wait-for-disconnect HTTP/1.1\r\nHost: test\r\n\r\n")
    until(lambda: "waiting" in events(server), "the event")
    client.close()
    until(lambda: "http.disconnect" in events(server), "the event")


def test_send_raises_oserror_once_the_client_has_left(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    client.send(b"GET /stream-forever HTTP/1.1\r\nHost: test\r\n\r\n")
    client.head()
    client.reset()
    until(lambda: any(event.startswith("OSError") for event in events(server)), "the event")
    assert "Exception in ASGI" not in server.log()  # nothing that the application did wrong


def test_after_the_response_receive_disconnects_and_send_raises(asgi: Start) -> None:
    server = asgi()
    assert server.get("/after-response").body == b"done"
    until(lambda: events(server) == ["http.disconnect", "RuntimeError"], "the event")


def test_a_client_that_only_ends_its_own_direction_gets_its_answer(asgi: Start) -> None:
    client = asgi().client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
    client.socket.shutdown(1)
    assert client.response().body == b"slow"
    assert client.is_closed()


def test_system_exit_leaves_run(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    client.send(b"GET /exit HTTP/1.1\r\nHost: test\r\n\r\n")
    assert server.process.wait(20) == 5


def test_a_frameworks_word_for_a_client_that_left_is_no_error(asgi: Start) -> None:
    server = asgi()
    client = server.client()
    client.send(request_bytes("/stream-as-starlette"))
    client.head()
    client.reset()
    until(lambda: any(event.startswith("OSError") for event in events(server)), "the event")
    assert "Exception in ASGI" not in server.log()


def test_a_refused_start_may_be_followed_by_another(asgi: Start) -> None:
    response = asgi().get("/better-start")
    assert (response.status, response.body, response.header("x-split")) == (500, b"better", None)


def test_an_application_may_give_any_awaitable(asgi: Start) -> None:
    server = asgi("asgi_app:awaitable")
    assert server.get("/").body == b"hello"
    assert server.get("/background").body == b"answered"
    assert server.get("/nothing").status == 500
    log = server.log()
    assert "TypeError" in log and "NoneType" in log and "await" in log


def test_what_is_no_exception_but_no_exit_either_ends_its_request_only(asgi: Start) -> None:
    server = asgi("asgi_app:awaitable")
    assert server.get("/cancelled").status == 500
    assert server.get("/").body == b"hello"


def test_draining_ends_with_the_last_background_task(asgi: Start) -> None:
    server = asgi(graceful_timeout=60)
    server.get("/background")
    server.signal(signal.SIGTERM)
    assert server.wait()["outcome"] == 0  # waits for less than the graceful timeout
