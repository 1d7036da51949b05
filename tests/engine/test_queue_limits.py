"""How many requests the application has at once, how many wait for it, and for how long."""

import time

import h2.config
import h2.connection
import h2.events
import pytest
from engine.harness import Client, Server, Start, request_bytes


def slow_ones(server: Server, count: int, seconds: float) -> list[Client]:
    clients = [server.client() for _ in range(count)]
    for client in clients:
        client.send(request_bytes(f"/slow?{seconds}"))
    return clients


def statuses(clients: list[Client]) -> list[int]:
    return sorted(client.response().status for client in clients)


def test_only_so_many_tasks_run_at_a_time(asgi: Start) -> None:
    server = asgi(max_concurrency=2)
    began = time.monotonic()
    assert statuses(slow_ones(server, 6, 0.2)) == [200] * 6
    assert time.monotonic() - began > 0.55  # three rounds
    assert server.stop()["stats"]["waiting"] == 0


def test_bodies_arrive_though_their_request_waited(asgi: Start) -> None:
    server = asgi(max_concurrency=1)
    (first,) = slow_ones(server, 1, 0.2)
    second = server.client()
    second.send(request_bytes("/echo", "POST", bytes(300_000))[:-100_000])
    time.sleep(0.05)
    second.send(bytes(100_000))
    assert first.response().body == b"slow"
    assert second.response().body == bytes(300_000)


def test_a_background_task_counts_until_it_ends(asgi: Start) -> None:
    server = asgi(max_concurrency=1)
    assert server.get("/background").body == b"answered"
    assert server.get("/events").json == ["background done"]


def test_a_client_that_leaves_gives_its_place_up(asgi: Start) -> None:
    server = asgi(max_concurrency=1, max_queue=1)
    (first,) = slow_ones(server, 1, 0.4)
    time.sleep(0.1)
    (left,) = slow_ones(server, 1, 0)
    time.sleep(0.1)
    left.reset()
    time.sleep(0.1)
    (third,) = slow_ones(server, 1, 0)
    assert statuses([first, third]) == [200, 200]


def test_failures_give_their_place_back(asgi: Start) -> None:
    server = asgi(max_concurrency=1)
    client = server.client()
    for path in ("/raise", "/return-early", "/bad-header"):
        assert client.request(path).status == 500
        client = server.client()
    assert client.request("/").body == b"hello"


@pytest.mark.parametrize("threads", [1, 2])
def test_wsgi_turns_away_what_the_queue_cannot_take(wsgi: Start, threads: int) -> None:
    turns_away(wsgi(threads=threads, max_queue=2), running=threads)


def test_asgi_turns_away_what_the_queue_cannot_take(asgi: Start) -> None:
    turns_away(asgi(max_concurrency=2, max_queue=2), running=2)


def turns_away(server: Server, running: int) -> None:
    inside = slow_ones(server, running, 0.5)
    time.sleep(0.2)
    waiting = slow_ones(server, 2, 0)
    time.sleep(0.1)
    refused = server.client()
    began = time.monotonic()
    response = refused.request("/")
    assert time.monotonic() - began < 0.25
    assert (response.status, response.header("retry-after")) == (503, "1")
    assert statuses(inside + waiting) == [200] * (running + 2)
    assert refused.request("/").status == 200  # on the same connection
    stats = server.stop()["stats"]
    assert (stats["turned_away"], stats["waiting"], stats["responses_5xx"]) == (1, 0, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_wsgi_turns_away_who_has_waited_too_long(wsgi: Start, threads: int) -> None:
    limits_waiting(wsgi(threads=threads, queue_timeout=0.3), running=threads)


def test_asgi_turns_away_who_has_waited_too_long(asgi: Start) -> None:
    limits_waiting(asgi(max_concurrency=1, queue_timeout=0.3), running=1)


def limits_waiting(server: Server, running: int) -> None:
    inside = slow_ones(server, running, 1.5)
    time.sleep(0.2)
    began = time.monotonic()
    (waiting,) = slow_ones(server, 1, 0)
    assert waiting.response().status == 503
    assert 0.25 < time.monotonic() - began < 1.0
    assert statuses(inside) == [200] * running
    assert server.get("/").status == 200


def test_a_standing_queue_allows_a_tenth_of_the_time(wsgi: Start) -> None:
    """Ten times as much comes as can be answered: who is answered at all is answered soon."""
    server = wsgi(threads=1, queue_timeout=1)
    client = server.client()
    waits = []
    crowd = slow_ones(server, 40, 0.05)  # two seconds of work
    time.sleep(1.2)  # by now the queue has been standing for a second
    for _ in range(3):
        began = time.monotonic()
        if client.request("/").status == 200:
            waits.append(time.monotonic() - began)
    assert 503 in statuses(crowd)
    assert waits
    assert max(waits) < 0.4


def test_http2_streams_are_turned_away_one_by_one(asgi: Start) -> None:
    server = asgi(max_concurrency=1, max_queue=1)
    client = server.client()
    talk = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    talk.initiate_connection()
    for stream in (1, 3, 5):
        head = [(":method", "GET"), (":path", "/slow?0.2"), (":scheme", "http"), (":authority", "test")]
        talk.send_headers(stream, head, end_stream=True)
    found: dict[int, str] = {}
    while len(found) < 3:
        client.send(talk.data_to_send())
        for event in talk.receive_data(client.socket.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                found[event.stream_id] = dict(event.headers)[":status"]
    assert found == {1: "200", 3: "200", 5: "503"}
