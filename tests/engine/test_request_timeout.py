"""Requests that take longer than their time limit: 504, the stack in the log, siblings spared."""

import socket
import struct
import time

import h2.events
import pytest
from engine.harness import Server, Start, request_bytes
from engine.http2 import Http2Client

from tests.support.wait import until


def events_of(server: Server, path: str) -> list[str]:
    found = server.get(path).json
    assert isinstance(found, list)
    return found


def test_a_task_that_takes_too_long_is_cancelled(asgi: Start) -> None:
    server = asgi(request_timeout=0.8)
    sibling, late = server.client(), server.client()
    late.send(request_bytes("/overstay"))
    time.sleep(0.4)
    sibling.send(request_bytes("/slow?0.5"))
    response = late.response()
    assert (response.status, response.body) == (504, b"Gateway Timeout\n")
    assert sibling.response().body == b"slow"
    assert events_of(server, "/events") == ["cancelled"]
    log = server.log()
    assert "GET /overstay took longer than 0.8 s" in log
    assert "in overstay" in log
    assert "in sleep_deeply" in log
    assert server.stop()["stats"]["timed_out"] == 1


def test_an_answer_that_has_begun_is_broken_off(asgi: Start) -> None:
    server = asgi(request_timeout=0.2)
    client = server.client()
    client.send(request_bytes("/overstay?begin"))
    client.head()
    with pytest.raises((EOFError, ConnectionResetError)):
        list(client.chunks())


def test_a_task_that_ignores_its_cancellation_cannot_answer_any_more(asgi: Start) -> None:
    server = asgi(request_timeout=0.2)
    assert server.get("/ignores-cancellation").status == 504
    assert events_of(server, "/events") == ["http.disconnect", "ClientDisconnected"]


def test_background_tasks_may_take_longer(asgi: Start) -> None:
    server = asgi(request_timeout=0.2)
    assert server.get("/background").body == b"answered"
    until(lambda: events_of(server, "/events") == ["background done"], "the background task ends")


def test_http2_streams_have_the_limit_each(asgi: Start) -> None:
    from engine.test_http2_extensions import ask, fields_of

    answers = fields_of(ask(asgi(request_timeout=0.2), "/overstay"), h2.events.ResponseReceived)
    assert (":status", "504") in answers[0]


@pytest.mark.parametrize("how", ["sleep", "compute"])
def test_clients_of_a_blocked_loop_are_answered_all_the_same(asgi: Start, how: str) -> None:
    server = asgi(request_timeout=0.3)
    suspended, blocking = server.client(), server.client()
    suspended.send(request_bytes("/overstay"))
    began = time.monotonic()
    blocking.send(request_bytes(f"/block?{how}"))
    assert [blocking.response().status, suspended.response().status] == [504, 504]
    assert time.monotonic() - began < 0.9  # while it is blocked still
    assert server.get("/").body == b"hello"  # when it is not any more
    assert sorted(events_of(server, "/events")) == ["ClientDisconnected", "cancelled"]
    log = server.log()
    assert f"GET /block?{how} took longer than 0.3 s (--request-timeout), and the event loop is blocked here" in log
    assert "in block\n" in log
    assert "asyncio" not in log
    stats = server.stop()["stats"]
    assert (stats["timed_out"], stats["stuck"]) == (2, 0)


def test_an_answer_that_has_begun_is_broken_off_by_a_blocked_loop_too(asgi: Start) -> None:
    server = asgi(request_timeout=0.3)
    client = server.client()
    client.send(request_bytes("/block?begin"))
    client.head()
    began = time.monotonic()
    with pytest.raises((EOFError, ConnectionResetError)):
        list(client.chunks())
    assert time.monotonic() - began < 0.9


def test_a_connection_that_fails_meanwhile_is_not_taken_from_a_send_that_blocks(asgi: Start) -> None:
    server = asgi(request_timeout=0.3)
    client = Http2Client.to(server.address)
    client.begin("/overstay")  # is due while the other one's headers are made, and its connection is gone then
    time.sleep(0.1)
    client.begin("/slow-headers")
    time.sleep(0.1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    assert server.get("/").status == 200


def test_a_loop_that_is_blocked_for_less_is_left_alone(asgi: Start) -> None:
    server = asgi(request_timeout=3)
    assert server.get("/block").body == b"too late"
    assert server.stop()["stats"]["timed_out"] == 0


def test_http2_streams_of_a_blocked_loop_are_answered(asgi: Start) -> None:
    from engine.test_http2_extensions import ask, fields_of

    answers = fields_of(ask(asgi(request_timeout=0.3), "/block"), h2.events.ResponseReceived)
    assert (":status", "504") in answers[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thread_that_takes_too_long_is_interrupted(wsgi: Start, threads: int) -> None:
    server = wsgi(request_timeout=0.3, threads=threads)
    late = [server.client() for _ in range(threads)]  # all threads are busy
    for client in late:
        client.send(request_bytes("/overstay"))
    waiting = server.client()
    waiting.send(request_bytes("/"))
    for client in late:
        assert client.response().status == 504
    assert waiting.response().body == b"hello"
    until(lambda: events_of(server, "/show-events").count("RequestTimedOut") == threads, "the threads are interrupted")
    log = server.log()
    assert "GET /overstay took longer than 0.3 s" in log
    assert "in overstay" in log
    assert "_wsgi.py" not in log
    stats = server.stop()["stats"]
    assert (stats["timed_out"], stats["stuck"], stats["threads_busy"]) == (threads, 0, 0)


def test_a_wsgi_answer_that_has_begun_is_broken_off(wsgi: Start) -> None:
    server = wsgi(request_timeout=0.2, threads=2)
    client = server.client()
    client.send(request_bytes("/overstay?begin"))
    client.head()
    with pytest.raises((EOFError, ConnectionResetError)):
        list(client.chunks())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thread_that_cannot_be_interrupted_gets_nothing_sent_any_more(wsgi: Start, threads: int) -> None:
    server = wsgi(request_timeout=0.2, threads=threads)
    late = server.client()
    late.send(request_bytes("/oversleep?0.8"))
    began = time.monotonic()
    assert late.response().status == 504
    assert time.monotonic() - began < 0.6
    assert late.is_closed()
    until(lambda: events_of(server, "/show-events") == ["RequestTimedOut"] * 2, "the thread comes back")
    assert server.stop()["stats"]["stuck"] == 0


def test_a_drained_server_does_not_wait_for_stuck_threads(wsgi: Start) -> None:
    server = wsgi(request_timeout=0.2, threads=2)
    assert server.get("/oversleep?8").status == 504
    began = time.monotonic()
    assert server.stop()["outcome"] == 0
    assert time.monotonic() - began < 3


def test_quick_requests_are_not_affected(wsgi: Start, asgi: Start) -> None:
    limit = {"request_timeout": 0.5}
    for server in (wsgi(threads=1, **limit), wsgi(threads=3, **limit), asgi(**limit)):
        client = server.client()
        for _ in range(200):
            assert client.request("/").body == b"hello"
        assert server.stop()["stats"]["timed_out"] == 0
