"""Leader and followers: several threads run applications at the same time, and stay with what they began."""

import time

from engine.harness import Server, Start, request_bytes


def together(server: Server, target: str, count: int) -> list[bytes]:
    clients = [server.client() for _ in range(count)]
    for client in clients:
        client.send(request_bytes(target))
    return [client.response().body for client in clients]


def test_blocked_requests_run_at_the_same_time(wsgi: Start) -> None:
    names = together(wsgi(threads=4), "/meet", 3)
    assert len(set(names)) == 3


def test_threads_are_threading_threads(wsgi: Start) -> None:
    found = wsgi(threads=2).get("/current-thread").json
    assert found["type"] == "Thread"
    assert found["name"].startswith("serai-")
    assert wsgi(threads=1).get("/current-thread").json["name"] == "MainThread"


def test_others_are_served_while_one_computes(wsgi: Start) -> None:
    server = wsgi(threads=2)
    busy, quick = server.client(), server.client()
    quick.request("/")
    busy.send(request_bytes("/busy"))
    began = time.monotonic()
    quick.request("/")
    assert time.monotonic() - began < 0.25
    assert busy.response().body == b"busy"


def test_more_requests_than_threads_wait_their_turn(wsgi: Start) -> None:
    assert together(wsgi(threads=3), "/slow?0.02", 30) == [b"slow"] * 30


def test_an_iterator_stays_on_its_thread(wsgi: Start) -> None:
    for body in together(wsgi(threads=4), "/thread-of-iteration", 8):
        assert len(set(body.split())) == 1


def test_pipelined_requests_stay_in_order(wsgi: Start) -> None:
    client = wsgi(threads=4).client()
    client.send(request_bytes("/slow?0.05") + request_bytes("/"))
    assert [client.response().body, client.response().body] == [b"slow", b"hello"]


def test_an_answer_does_not_wait_for_close(wsgi: Start) -> None:
    server = wsgi(threads=2)
    began = time.monotonic()
    assert server.get("/works-in-close").body == b"one"
    assert time.monotonic() - began < 5  # close() waits for longer
    assert server.get("/let-close").status == 200


def test_one_thread_sends_before_close_once_it_was_seen_to_be_slow(wsgi: Start) -> None:
    server = wsgi(threads=1)
    server.get("/naps-in-close")
    began = time.monotonic()
    assert server.get("/works-in-close").body == b"one"
    assert time.monotonic() - began < 5


def test_fewer_threads_than_wanted_serve_too(wsgi: Start) -> None:
    server = wsgi("few_threads:app", threads=4)
    assert together(server, "/slow?0.02", 6) == [b"slow"] * 6
    assert "serving with 2 of 4 threads: can't start new thread" in server.log()
