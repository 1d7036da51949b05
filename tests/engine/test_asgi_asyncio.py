"""Requests are real asyncio tasks: what libraries expect of tasks, time-outs, threads and awaitables."""

import sys

import pytest
from engine.harness import Server, Start, request_bytes
from support.wait import until


@pytest.fixture
def server(asgi: Start) -> Server:
    return asgi("asyncio_app:app")


def test_each_request_has_a_task_of_its_own(server: Server) -> None:
    client = server.client()
    first, second = client.request("/current-task").json, client.request("/current-task").json
    assert first["is_task"] and first["same"] and second["is_task"]


def test_task_groups_work(server: Server) -> None:
    assert server.get("/many-tasks").json == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("path", ["/timeout", "/asyncio-timeout"])
def test_a_waiting_receive_can_time_out(server: Server, path: str, python: str) -> None:
    if path == "/asyncio-timeout" and ("3.10" in python or sys.version_info < (3, 11)):
        pytest.skip("asyncio.timeout came with 3.11")
    assert server.get(path).body == b"timed out"


def test_a_cancelled_receive_raises_cancelled_error(server: Server) -> None:
    assert server.get("/cancelled-receive").json == ["cancelled", "propagated"]


def test_awaitables_may_be_stored_wrapped_and_awaited_twice(server: Server) -> None:
    assert server.get("/awaitables").body == b"future gather task shield"


def skip_without_anyio(python: str) -> None:
    if "3.10" in python:
        pytest.skip("anyio needs exceptiongroup on 3.10, which the test environment (of a later CPython) has not")


def test_threads_of_anyio_outlive_requests(server: Server, python: str) -> None:
    skip_without_anyio(python)
    client = server.client()
    assert len({client.request("/anyio-thread").body for _ in range(5)}) == 1


def test_to_thread_works(server: Server) -> None:
    assert server.get("/to-thread").body.startswith(b"asyncio")


def test_anyio_task_groups_and_cancel_scopes_work(server: Server, python: str) -> None:
    skip_without_anyio(python)
    assert server.get("/anyio-group").json == {"found": [0, 1, 2], "cancelled": True}


def test_sniffio_finds_asyncio(server: Server) -> None:
    assert server.get("/sniff").body == b"asyncio"


def test_callbacks_set_inside_the_selector_run_at_once(server: Server) -> None:
    assert server.get("/call-soon").json < 1


def test_asyncios_own_sockets_and_subprocesses_work(server: Server) -> None:
    assert server.get("/stream").body == b"pong"
    assert server.get("/subprocess").body == b"out"


def test_a_greedy_task_does_not_starve_others(server: Server) -> None:
    greedy = server.client()
    greedy.send(b"GET /greedy HTTP/1.1\r\nHost: test\r\n\r\n")
    greedy.head()
    other = server.client()
    other.send(b"GET /sniff HTTP/1.1\r\nHost: test\r\n\r\n")
    for chunk in greedy.chunks():
        assert chunk
    assert other.response().body == b"asyncio"
    assert server.get("/show-events").json == ["greedy timed out"]


def test_send_from_another_thread_is_an_error(server: Server) -> None:
    assert b"event loop's thread" in server.get("/from-a-thread").body


def test_callbacks_run_in_the_requests_context(server: Server) -> None:
    assert server.get("/callbacks-have-the-context").body == b"mine"


def test_a_task_factory_is_respected(server: Server) -> None:
    client = server.client()
    client.request("/factory")
    assert client.request("/current-task").json["is_task"]
    until(lambda: "factory" in client.request("/show-events").json, "the factory to be used")


def test_polling_receive_piles_up_nothing(server: Server) -> None:
    assert server.get("/polling-receive").json < 20


def test_a_greedy_receiver_does_not_starve_others(server: Server) -> None:
    greedy, other = server.client(), server.client()
    greedy.send(request_bytes("/greedy-receive"))
    greedy.socket.shutdown(1)
    other.request("/current-task")
    assert greedy.is_quiet()  # the other one was served meanwhile
    assert greedy.response().body == b"timed out"


def test_a_receive_that_is_given_up_loses_no_body(server: Server) -> None:
    body = server.client().request("/cancelled-for-its-budget", "POST", b"body").body
    assert body.endswith(b".body")


def test_requests_are_served_by_a_loop_inside_a_request(server: Server) -> None:
    outer = server.client()
    outer.send(request_bytes("/nested-loop"))
    assert outer.is_quiet()
    assert server.get("/set-ready").body == b"set"
    assert outer.response().body == b"nested"
