"""HTTP/2 over plain sockets, begun with its preface: messages, errors, limits. Its floods are in test_http2_floods.py,
flow control and resets in test_http2_streams.py."""

import re
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import h2.errors
import h2.settings
import pytest
from engine.harness import Server, Start
from engine.http2 import PREFACE, Http2Client, pseudo
from engine.test_leaks import resident_kib
from support.wait import until

Connect = Callable[..., Http2Client]


@pytest.fixture(params=["asgi", "wsgi-threads"])
def serve(request: pytest.FixtureRequest, asgi: Start, wsgi: Start) -> Start:
    return asgi if request.param == "asgi" else lambda **options: wsgi(threads=4, **options)


def connect(server: Server, settings: dict[int, int] | None = None) -> Http2Client:
    return Http2Client.to(server.address, settings)


# --- what an app is told --------------------------------------------------------------------------------------------


def test_the_scope_tells_of_http2(asgi: Start) -> None:
    client = connect(asgi())
    scope = client.request("/scope?a=%20b", cookie="a=1", x_one="1").json
    assert (scope["http_version"], scope["scheme"], scope["method"]) == ("2", "http", "GET")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope", "/scope", "a=%20b")
    assert scope["headers"] == [["host", "test"], ["cookie", "a=1"], ["x-one", "1"]]


def test_the_environ_tells_of_http2(wsgi: Start) -> None:
    client = connect(wsgi())
    environ = client.request("/show-environ?a=b", "POST", b"12345", content_type="text/plain").json
    assert environ["SERVER_PROTOCOL"] == "HTTP/2.0"
    assert (environ["HTTP_HOST"], environ["QUERY_STRING"]) == ("test", "a=b")
    assert (environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]) == ("5", "text/plain")


def test_host_stands_in_for_authority_and_must_not_say_otherwise(asgi: Start) -> None:
    client = connect(asgi())
    without = [(name, value) for name, value in pseudo("/scope") if name != ":authority"]

    def host_of(headers: list[tuple[str, str]]) -> str:
        return dict(client.response(client.begin_with(headers)).json["headers"])["host"]  # type: ignore[no-any-return]

    assert host_of([*without, ("host", "only.test")]) == "only.test"
    assert host_of([*pseudo("/scope"), ("host", "TEST")]) == "test"
    assert client.response(client.begin_with([*pseudo("/scope"), ("host", "other.test")])).status == 400
    assert client.reset_of(client.begin_with(without)) == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert client.request().body == b"hello", "the connection is fine"


def test_forwarded_headers_count_from_trusted_peers_only(asgi: Start) -> None:
    said = {"x_forwarded_for": "203.0.113.7", "x_forwarded_proto": "https"}
    for allowed, expected in ((["127.0.0.1"], ["203.0.113.7", "https"]), ([], ["127.0.0.1", "http"])):
        scope = connect(asgi(forwarded_allow=allowed)).request("/scope", **said).json
        assert [scope["client"][0], scope["scheme"]] == expected


def test_cookies_in_pieces_are_one_header(asgi: Start) -> None:
    client = connect(asgi())
    stream = client.begin_with([*pseudo("/scope"), ("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2")])
    assert client.response(stream).json["headers"] == [["host", "test"], ["cookie", "a=1; b=2"], ["x-one", "1"]]


def test_the_access_log_says_http2(serve: Start) -> None:
    server = serve(access_log=2)
    connect(server).request("/?a=1")
    server.stop()
    assert '"GET /?a=1 HTTP/2.0" 200 5' in server.log()


def test_the_access_log_counts_what_was_sent_of_an_answer_that_was_cut_off(asgi: Start) -> None:
    server = asgi(access_log=2)
    client = Http2Client.to(server.address, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    client.ping()
    stream = client.begin("/megabytes")
    client.wait(lambda: client.answers[stream].body, "the first bytes")
    client.reset(stream)
    client.ping()
    server.stop()
    said = re.search(r'"GET /megabytes HTTP/2.0" 200 (\d+) ', server.log())
    assert said
    assert len(client.answers[stream].body) <= int(said[1]) < 1000


# --- messages -------------------------------------------------------------------------------------------------------


def test_bodies_of_any_size_are_echoed(serve: Start) -> None:
    client = connect(serve())
    for size in (0, 1, 16_384, 65_535, 65_536, 1_000_000):
        body = bytes(index % 251 for index in range(size))
        assert client.request("/echo", "POST", body).body == body


def test_answers_without_a_body(serve: Start, request: pytest.FixtureRequest) -> None:
    client = connect(serve())
    response = client.request("/", "HEAD")
    assert (response.status, response.header("content-length"), response.body) == (200, "5", b"")
    response = client.request("/no-content")
    assert (response.status, response.header("content-length"), response.body) == (204, None, b"")
    assert client.request().body == b"hello"


def test_not_modified_has_no_body(asgi: Start) -> None:
    client = connect(asgi("http2_app:app"))
    response = client.request("/not-modified")
    assert (response.status, response.header("etag"), response.body) == (304, '"1"', b"")
    assert client.request().body == b"hello"


def test_answers_say_date_and_server_and_nothing_of_connections(asgi: Start) -> None:
    response = connect(asgi(server_header="mine")).request()
    names = [name for name, _ in response.headers]
    assert names == ["content-type", "content-length", "server", "date"]
    assert response.header("server") == "mine"


def test_streams_come_in_pieces(asgi: Start) -> None:
    client = connect(asgi())
    assert client.request("/three-chunks").body == b"chunk 0chunk 1chunk 2"
    stream = client.begin("/on-demand", "POST", end=False)
    for word in (b"one", b"two"):
        client.send(stream, word)
        client.wait(lambda word=word: client.answers[stream].body.endswith(b"got " + word))
    client.send(stream, b"", end=True)
    assert client.response(stream).body.startswith(b"got onegot two")


def test_files_are_sent(asgi: Start, wsgi: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(index % 251 for index in range(300_000)))
    assert connect(asgi()).request(f"/pathsend?{file}").body == file.read_bytes()
    assert connect(wsgi()).request(f"/file?{file}").body == file.read_bytes()[10:]


def test_request_trailers_are_ignored(serve: Start) -> None:
    client = connect(serve())
    stream = client.begin("/echo", "POST", end=False)
    client.send(stream, b"body")
    client.send_trailers(stream, [("x-checksum", "1234"), ("host", "other")])
    assert client.response(stream).body == b"body"
    assert client.request().body == b"hello"


def test_continue_is_said_when_somebody_wants_the_body(serve: Start) -> None:
    client = connect(serve())
    stream = client.begin("/echo", "POST", end=False, expect="100-continue", content_length="4")
    client.wait(lambda: client.answers[stream].informational)
    client.send(stream, b"body", end=True)
    assert client.response(stream).body == b"body"
    assert client.answers[stream].informational == [100]


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/raise", "/return-early", "/bad-header", "/too-short"])
def test_an_app_that_fails_gives_500(asgi: Start, path: str) -> None:
    client = connect(asgi())
    assert client.request(path).status == 500
    assert client.request().body == b"hello"


def test_an_answer_that_breaks_off_is_reset(asgi: Start) -> None:
    client = connect(asgi())
    assert client.reset_of(client.begin("/raise-late")) == h2.errors.ErrorCodes.INTERNAL_ERROR
    assert client.request().body == b"hello", "other streams go on"


@pytest.mark.parametrize("path", ["/exc-info-after", "/too-short"])
def test_a_wsgi_answer_that_breaks_off_is_reset(wsgi: Start, path: str) -> None:
    client = connect(wsgi())
    assert client.reset_of(client.begin(path)) == h2.errors.ErrorCodes.INTERNAL_ERROR
    assert client.request().body == b"hello"


def test_malformed_requests_are_reset(serve: Start) -> None:
    client = connect(serve())
    for wrong in (
        [("connection", "close")],
        [("X-Upper", "1")],
        [("te", "gzip")],
        [("transfer-encoding", "chunked")],
        [("content-length", "1"), ("content-length", "2")],
        [("x-split", "a\r\nb: c")],
        [(":late", "1")],
    ):
        code = client.reset_of(client.begin_with([*pseudo(), *wrong]))
        assert code == h2.errors.ErrorCodes.PROTOCOL_ERROR, wrong
    assert client.request().body == b"hello"


# --- limits ---------------------------------------------------------------------------------------------------------


def test_large_heads_get_431(serve: Start) -> None:
    client = connect(serve(max_header_bytes=2000, max_headers=10))
    assert client.request(x_large="x" * 3000).status == 431
    assert client.request(**{f"x_{index}": "x" for index in range(20)}).status == 431
    assert client.request().body == b"hello"


def test_a_long_target_gets_414(serve: Start) -> None:
    client = connect(serve(max_target=100))
    assert client.request("/" + "x" * 200).status == 414
    assert client.request().body == b"hello"


def test_large_bodies_get_413(serve: Start) -> None:
    client = connect(serve(max_body=1000))
    announced = client.begin("/echo", "POST", end=False, content_length="5000")
    assert client.response(announced).status == 413
    streamed = client.begin("/echo", "POST", end=False)
    client.send(streamed, bytes(1001))
    assert client.response(streamed).status == 413
    assert client.request("/echo", "POST", bytes(1000)).body == bytes(1000)


def test_streams_that_were_reset_count_until_their_apps_have_ended(asgi: Start) -> None:
    client = connect(asgi("http2_app:app"))
    client.allow_streams(1000)
    streams = [client.begin("/begin-then-wait?end") for _ in range(100)]
    for stream in streams[:10]:
        client.reset(stream)
    more = [client.begin() for _ in range(10)]
    assert {client.reset_of(stream) for stream in more} == {h2.errors.ErrorCodes.REFUSED_STREAM}
    client.reset(streams[10])
    assert connect_again(client).request("/open-gate?end").status == 200
    assert all(client.response(stream).body == b"begun ended" for stream in streams[11:])
    until(lambda: client.request().body == b"hello", "room for more")


def connect_again(client: Http2Client) -> Http2Client:
    return Http2Client.to(client.socket.getpeername())


def test_a_slow_head_ends_the_connection(serve: Start) -> None:
    server = serve(header_timeout=0.3)
    client = Http2Client.to(server.address)
    client.ping()
    client.raw(b"\0\0\5\1\4\0\0\0\1")  # a HEADERS frame whose five bytes never come
    assert client.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR
    silent = socket.create_connection(server.address)  # type: ignore[arg-type]
    silent.settimeout(20)
    silent.sendall(PREFACE)
    while silent.recv(4096):
        pass
    silent.close()


def test_a_slow_body_gets_408(serve: Start) -> None:
    client = connect(serve(body_timeout=0.3))
    stream = client.begin("/echo", "POST", end=False)
    client.send(stream, b"abc")
    assert client.response(stream).status == 408
    assert client.request().body == b"hello"


def test_an_idle_connection_is_told_to_go(serve: Start) -> None:
    client = connect(serve(keep_alive_timeout=0.3))
    client.request()
    assert client.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR


def test_an_answer_that_nobody_takes_is_given_up(serve: Start) -> None:
    client = connect(serve(write_timeout=0.3, max_response_spool=1 << 20))
    stream = client.begin("/megabytes")
    answer = client.answers[stream]
    client.held.add(stream)  # reads, but never opens the stream's window
    while not client.is_closed and not answer.is_over:
        client.pump()
    assert not answer.ended
    assert len(answer.body) <= 65_535


# --- beginnings and ends --------------------------------------------------------------------------------------------


def test_http1_goes_on_beside_it_and_an_upgrade_is_not_needed(serve: Start) -> None:
    server = serve()
    assert server.client().request("/", Upgrade="h2c", HTTP2_Settings="AAMAAABk").body == b"hello"
    assert connect(server).request().body == b"hello"


def test_the_preface_may_come_byte_by_byte(serve: Start) -> None:
    server = serve()
    slow = socket.create_connection(server.address)  # type: ignore[arg-type]
    slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Http2Client(Slowly(slow))  # type: ignore[arg-type]
    assert client.request("/echo", "POST", b"slow").body == b"slow"


class Slowly:
    """A socket that sends byte by byte."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real

    def sendall(self, data: bytes) -> None:
        for byte in data:
            self._real.sendall(bytes([byte]))

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def test_it_can_be_switched_off(asgi: Start) -> None:
    client = asgi(http2=False).client()
    client.send(PREFACE)
    assert client.response().status == 505


def test_draining_finishes_what_runs(serve: Start) -> None:
    server = serve()
    idle, busy = connect(server), connect(server)
    idle.request()
    stream = busy.begin("/slow?0.5")
    server.signal(signal.SIGTERM)
    assert idle.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR
    assert busy.response(stream).body == b"slow"
    assert busy.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR
    assert busy.last_stream == stream
    idle.close()
    busy.close()
    assert server.wait()["outcome"] == 0


def test_retiring_says_goaway_and_answers_what_comes_before_it_is_heard(asgi: Start) -> None:
    server = asgi("http2_app:app")
    client = connect(server)
    begun = client.begin("/begin-then-wait?end")
    client.wait(lambda: client.answers[begun].body)
    server.signal(signal.SIGUSR1)
    until(lambda: not accepts(server), "the server to stop accepting")
    # The client has not heard of it: the first GOAWAY names no stream, so that this one is not lost.
    late = client.begin("/open-gate?end")
    assert client.response(late).status == 200
    assert client.response(begun).body == b"begun ended"
    assert client.wait_for_end() == h2.errors.ErrorCodes.NO_ERROR
    client.close()
    assert server.wait()["outcome"] == 0


def accepts(server: Server) -> bool:
    """The server's settings come at once where somebody accepts."""
    client = Http2Client.to(server.address)
    client.socket.settimeout(0.2)
    try:
        client.pump()
        return not client.is_closed
    except TimeoutError:
        return False
    finally:
        client.close()


def test_the_graceful_timeout_bounds_draining(asgi: Start) -> None:
    server = asgi(graceful_timeout=0.3)
    client = connect(server)
    client.begin("/slow?5")
    client.ping()
    server.signal(signal.SIGTERM)
    assert server.wait()["outcome"] == 1


# --- WSGI threads ---------------------------------------------------------------------------------------------------


def test_streams_of_one_connection_run_in_threads(wsgi: Start) -> None:
    client = connect(wsgi(threads=4))
    streams = [client.begin("/meet") for _ in range(3)]
    names = {client.response(stream).body for stream in streams}
    assert len(names) == 3


def test_large_answers_of_threads_flow_side_by_side(wsgi: Start) -> None:
    client = connect(wsgi(threads=4))
    streams = [client.begin("/megabytes") for _ in range(3)]
    assert all(len(client.response(stream).body) == 32 << 20 for stream in streams)  # wherever they waited meanwhile


def test_several_connections_with_threads(wsgi: Start) -> None:
    server = wsgi(threads=4)
    wrong: list[object] = []

    def work(number: int) -> None:
        client = connect(server)
        for turn in range(20):
            body = bytes([number]) * (turn * 5000)
            streams = [client.begin("/echo", "POST", end=False) for _ in range(4)]
            for stream in streams:
                client.send(stream, body, end=True)
            wrong.extend(stream for stream in streams if client.response(stream).body != body)
        client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


# --- memory ---------------------------------------------------------------------------------------------------------


def test_memory_stays_flat(serve: Start) -> None:
    server = serve()

    def ask(rounds: int) -> None:
        client = connect(server)
        for _ in range(rounds):
            streams = [client.begin() for _ in range(20)]
            uploads = [client.begin("/echo", "POST", end=False) for _ in range(4)]
            for stream in uploads:
                client.send(stream, bytes(2000), end=True)
            for stream in streams + uploads:
                assert client.response(stream).status == 200
            client.reset(client.begin("/slow?0.01"))
        client.close()

    ask(20)
    memory = resident_kib(server)
    for _ in range(3):
        ask(20)
    assert resident_kib(server) - memory < 1500
