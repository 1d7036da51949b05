"""Streams of one HTTP/2 connection beside each other: each its own task, its own flow, its own end."""

import time

import h2.errors
import h2.settings
import pytest
from engine.harness import Server, Start
from engine.http2 import WINDOW_UPDATE, Http2Client, frame
from engine.test_leaks import resident_kib
from support.wait import until

KIB, MIB = 1024, 1 << 20


@pytest.fixture
def server(asgi: Start) -> Server:
    return asgi("http2_app:app")


def events(server: Server) -> list[str]:
    return server.get("/events").json  # type: ignore[no-any-return]


def test_each_stream_is_a_task_of_its_own(client: Http2Client) -> None:
    streams = [client.begin("/meet?100") for _ in range(100)]
    tasks = {client.response(stream).json["task"] for stream in streams}
    assert len(tasks) == 100


def test_answers_come_in_the_order_in_which_they_are_ready(client: Http2Client) -> None:
    waiting = client.begin("/begin-then-wait?one")
    assert client.request().body == b"hello"
    assert not client.answers[waiting].ended
    client.request("/open-gate?one")
    assert client.response(waiting).body == b"begun ended"


# --- flow control ---------------------------------------------------------------------------------------------------


def test_a_slow_reader_stalls_its_own_stream_only(server: Server, client: Http2Client) -> None:
    client.request()
    memory = resident_kib(server)
    slow = [client.begin("/megabytes") for _ in range(8)]
    client.held.update(slow)
    for stream in slow:
        client.wait(lambda stream=stream: len(client.answers[stream].body) == 65_535)
    for _ in range(50):
        assert client.request().body == b"hello"
    assert len(client.request("/megabyte").body) == MIB
    assert events(server).count("sent 1") == 0, "each app waits at its first megabyte"
    assert resident_kib(server) - memory < 8 * 3 * KIB
    for stream in slow[1:]:
        client.reset(stream)
    client.acknowledge(slow[0])
    assert len(client.response(slow[0]).body) == 32 * MIB
    assert "sent 32" in events(server)


def memory_of_answers_not_taken(server: Server, path: str, count: int, taken: tuple[int, ...], body: bytes) -> int:
    """What they cost, in KiB, while the client takes ten bytes of each. `taken`: those it wants in the end."""
    client = Http2Client.to(server.address, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    client.ping()
    before = resident_kib(server)
    streams = [client.begin(path) for _ in range(count)]
    client.held |= set(streams)
    client.wait(lambda: all(client.answers[stream].body for stream in streams), "the first bytes")
    client.ping()
    cost = resident_kib(server) - before
    for stream in (streams[number] for number in taken):
        client.h2.increment_flow_control_window(len(body), stream)
        client.ping()
        assert client.response(stream).body == body
    client.close()
    return cost


def test_large_answers_that_nobody_takes_are_not_copied(server: Server) -> None:
    taken = (0, 1, 2)
    assert (
        memory_of_answers_not_taken(server, "/large", 50, taken, bytes(range(256)) * (16 * KIB)) < 20 * KIB
    )  # of 200 MiB


def test_large_answers_that_nobody_takes_go_to_disk_together(wsgi: Start) -> None:
    """Each of them alone would have its place in memory."""
    server = wsgi("wsgi_app:app", threads=2)
    taken = (0, 30, 59)
    megabyte = bytes(range(256)) * (4 * KIB)
    assert memory_of_answers_not_taken(server, "/one-megabyte", 60, taken, megabyte) < 24 * KIB  # of 60 MiB


def test_an_app_that_does_not_read_stalls_its_own_upload_only(server: Server, client: Http2Client) -> None:
    memory = resident_kib(server)
    body = bytes(MIB)
    stalled = client.begin("/read-behind-gate?upload", "POST", end=False)
    sent = 0
    while room := min(client.room(stalled), client.h2.max_outbound_frame_size):
        client.h2.send_data(stalled, body[:room])
        sent += room
        client.ping()  # what has been given back is known
    assert sent <= 256 * KIB
    assert client.request("/echo", "POST", body).body == body
    assert client.request("/open-gate?upload").status == 200
    client.send(stalled, body[sent:], end=True)
    assert client.response(stalled).json == MIB
    assert resident_kib(server) - memory < 8 * KIB


def test_many_uploads_side_by_side(client: Http2Client) -> None:
    bodies = {client.begin("/echo-stream", "POST", end=False): bytes([n]) * 200_000 for n in range(20)}
    for stream, body in bodies.items():
        client.send(stream, body, end=True)
    assert all(client.response(stream).body == body for stream, body in bodies.items())


def test_a_window_that_the_client_makes_smaller_is_honoured(server: Server) -> None:
    client = Http2Client.to(server.address, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    client.ping()
    stream = client.begin("/megabyte")
    client.held.add(stream)
    client.wait(lambda: client.answers[stream].body)
    client.ping()
    assert len(client.answers[stream].body) == 10
    client.h2.increment_flow_control_window(2 * MIB, stream)
    client.ping()
    assert len(client.response(stream).body) == MIB


def test_urgent_answers_come_first(server: Server) -> None:
    """RFC 9218: what is owed to urgency 0 goes before what is owed to urgency 7, whichever was asked for first."""
    client = Http2Client.to(server.address, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 4 * MIB})
    client.ping()
    later = client.begin("/megabyte", priority="u=7")
    client.wait(lambda: client.answers[later].body)
    sooner = client.begin("/megabyte", priority="u=0")
    assert len(client.response(sooner).body) == MIB
    assert len(client.answers[later].body) < MIB
    first = next(index for index, (stream, _) in enumerate(client.arrivals) if stream == sooner)
    last = max(index for index, (stream, _) in enumerate(client.arrivals) if stream == sooner)
    between = sum(size for stream, size in client.arrivals[first:last] if stream == later)
    assert between < 256 * KIB, "what was in the socket already"
    assert len(client.response(later).body) == MIB


# --- resets ---------------------------------------------------------------------------------------------------------


def test_a_reset_reaches_its_stream_only(server: Server, client: Http2Client) -> None:
    streams = {name: client.begin(f"/told-of-disconnect?{name}") for name in ("one", "two", "three")}
    until(lambda: len(events(server)) == 3, "all three to run")
    client.reset(streams["two"])
    until(lambda: "two disconnected" in events(server), "the app to hear of it")
    assert client.request().body == b"hello"
    assert not {"one disconnected", "three disconnected"} & set(events(server))
    client.close()
    until(lambda: {"one disconnected", "three disconnected"} <= set(events(server)), "the others to hear of the end")


def test_a_stream_is_over_with_its_application(server: Server, client: Http2Client) -> None:
    """Though something of the application still knows its `send`; else 100 of them would be all that a client gets."""
    streams = [client.begin("/keeps-send?one") for _ in range(80)]
    until(lambda: events(server).count("one began") == 80, "the applications to run")
    for stream in streams:
        client.reset(stream)
    until(lambda: events(server).count("one disconnected") == 80, "the applications to end")
    streams = [client.begin("/meet?30") for _ in range(30)]
    assert [client.response(stream).status for stream in streams] == [200] * 30


def test_sending_to_a_stream_that_was_reset_is_an_error(server: Server, client: Http2Client) -> None:
    other = client.begin("/begin-then-wait?other")
    stream = client.begin("/stream-forever")
    client.wait(lambda: client.answers[stream].body)
    client.reset(stream)
    until(lambda: events(server) == ["OSError: the client has disconnected"], "send to raise")
    client.request("/open-gate?other")
    assert client.response(other).body == b"begun ended"
    client.close()
    server.stop()
    assert "Exception in ASGI application" not in server.log()


def test_an_upload_that_trickles_gets_408(asgi: Start) -> None:
    client = Http2Client.to(asgi(body_timeout=0.5).address)
    stream = client.begin("/echo", "POST", end=False)
    for _ in range(15):
        client.send(stream, b"x")
        time.sleep(0.1)
    client.ping()
    assert client.answers[stream].status == 408


def test_a_reset_in_the_middle_of_an_upload(server: Server, client: Http2Client) -> None:
    for _ in range(30):
        stream = client.begin("/echo", "POST", end=False)
        client.send(stream, bytes(60_000))
        client.reset(stream)
    assert client.request("/echo", "POST", bytes(MIB)).body == bytes(MIB), "the connection's window is whole"
    client.close()
    server.stop()
    assert server.summary and server.summary["stats"]["in_flight"] == 0


def test_a_thread_learns_that_its_stream_was_reset(wsgi: Start) -> None:
    server = wsgi(threads=2, max_response_spool=0)
    client = Http2Client.to(server.address)
    stream = client.begin("/lines")
    client.held.add(stream)
    client.wait(lambda: client.answers[stream].body)
    assert client.request().body == b"hello"
    client.reset(stream)
    until(lambda: server.get("/current-thread").status == 200, "a thread to be free")
    assert client.request().body == b"hello"
    assert "all lines" not in server.get("/show-events").json


def test_a_client_that_vanishes_ends_all_its_streams(server: Server) -> None:
    client = Http2Client.to(server.address)
    for name in ("one", "two"):
        client.begin(f"/told-of-disconnect?{name}")
    client.begin("/megabytes")
    until(lambda: {"one began", "two began"} <= set(events(server)), "the apps to run")
    client.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of nothing: a reset
    client.close()
    until(lambda: {"one disconnected", "two disconnected"} <= set(events(server)), "both apps to hear of it")


def test_window_updates_of_streams_that_are_over_are_ignored(client: Http2Client) -> None:
    stream = client.begin()
    client.response(stream)
    client.raw(frame(WINDOW_UPDATE, 0, stream, (1000).to_bytes(4, "big")))
    assert client.request().body == b"hello"


def test_small_answers_are_not_held_back(client: Http2Client) -> None:
    client.request()
    began = time.monotonic()
    for _ in range(20):
        client.request()
    assert time.monotonic() - began < 1


def test_an_error_of_the_connection_says_which(server: Server, client: Http2Client) -> None:
    client.request()
    client.raw(frame(WINDOW_UPDATE, 0, 0, bytes(4)))
    assert client.wait_for_end() == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert Http2Client.to(server.address).request().body == b"hello"
