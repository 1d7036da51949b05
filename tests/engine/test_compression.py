"""Responses that the engine compresses, WSGI and ASGI, over HTTP/1.1 and HTTP/2."""

import gzip
import zlib
from collections.abc import Callable, Iterator

import brotli
import h2.events
import pytest
import zstandard
from engine.apps import coded
from engine.harness import Client, Response, Server, Start, request_bytes
from engine.http2_client import ask, fields_of

ALL = ["zstd", "br", "gzip"]
Serve = Callable[..., Server]


def decoded(body: bytes, coding: str) -> bytes:
    if coding == "br":
        return bytes(brotli.decompress(body))
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body)


@pytest.fixture(params=["asgi", "wsgi"])
def serve(request: pytest.FixtureRequest, asgi: Start, wsgi: Start) -> Serve:
    start = asgi if request.param == "asgi" else wsgi
    return lambda **options: start(f"coded:{request.param}", **{"compress": ALL, **options})


@pytest.mark.parametrize("coding", ALL)
def test_the_body_comes_whole_in_what_the_client_takes(serve: Serve, coding: str) -> None:
    client = serve().client()
    for path in ("/text", "/length", "/huge", "/pieces", "/large-pieces"):
        answer = client.request(path, Accept_Encoding=coding)
        assert (answer.header("content-encoding"), answer.header("vary")) == (coding, "accept-encoding")
        assert decoded(answer.body, coding) == b"".join(coded.ANSWERS[path][2])
        assert len(answer.body) < len(decoded(answer.body, coding)) / 4
    answer = client.request("/random", Accept_Encoding=coding)
    assert len(decoded(answer.body, coding)) == len(coded.RANDOM)


def test_a_body_of_moderate_size_has_a_length(serve: Serve) -> None:
    server = serve()
    answer = server.get("/text", Accept_Encoding="gzip")
    assert answer.header("content-length") == str(len(answer.body))
    assert server.get("/huge", Accept_Encoding="gzip").header("content-length") is None


def test_validators_are_weakened(serve: Serve) -> None:
    server = serve()
    coded_answer = server.get("/text", Accept_Encoding="gzip")
    assert (coded_answer.header("etag"), coded_answer.header("accept-ranges")) == ('W/"abc"', None)
    plain = server.get("/text")
    assert (plain.header("etag"), plain.header("accept-ranges"), plain.header("vary")) == (
        '"abc"',
        "bytes",
        "accept-encoding",
    )
    assert server.get("/not-modified", If_None_Match='W/"abc"').header("etag") == 'W/"abc"'
    assert server.get("/not-modified", If_None_Match='"abc"').header("etag") == '"abc"'


def test_the_client_chooses_and_then_the_server(serve: Serve) -> None:
    client = serve().client()
    for accepts, coding in [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "zstd"),
        ("identity", None),
        ("gzip;q=0", None),
        ("deflate", None),
    ]:
        answer = client.request("/text", Accept_Encoding=accepts)
        assert answer.header("content-encoding") == coding, accepts
        assert (decoded(answer.body, coding) if coding else answer.body) == coded.TEXT


def test_what_is_not_to_be_compressed_goes_as_it_is(serve: Serve) -> None:
    client = serve().client()
    for path in ("/small", "/image", "/no-type", "/coded", "/no-transform", "/digest", "/part"):
        answer = client.request(path, Accept_Encoding="gzip")
        own = dict(coded.ANSWERS[path][1])
        assert answer.header("content-encoding") == own.get("content-encoding"), path
        assert answer.header("vary") is None
        assert path == "/image" or answer.body == b"".join(coded.ANSWERS[path][2])


def test_answers_without_a_body_have_none(serve: Serve) -> None:
    client = serve().client()
    for path, status in (("/none", 204), ("/not-modified", 304), ("/empty", 200)):
        answer = client.request(path, Accept_Encoding="gzip")
        assert (answer.status, answer.header("content-encoding"), answer.body) == (status, None, b"")


def test_vary_keeps_what_the_app_says(serve: Serve) -> None:
    client = serve().client()
    assert client.request("/vary", Accept_Encoding="gzip").header("vary") == "Cookie, Origin, accept-encoding"
    assert client.request("/vary-all", Accept_Encoding="gzip").header("vary") == "*"


def test_head_says_what_get_would(serve: Serve) -> None:
    client = serve().client()
    answer = client.request("/text", "HEAD", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.header("etag")) == ("gzip", 'W/"abc"')
    assert answer.header("content-length") is None
    assert client.request("/small").body == coded.SMALL


def test_size_types_and_codings_are_choices(serve: Serve) -> None:
    server = serve(compress=["gzip"], compress_min_size=50, compress_types=["text/plain", "image/*"])
    assert server.get("/small", Accept_Encoding="br, gzip").header("content-encoding") == "gzip"
    assert server.get("/image", Accept_Encoding="br, gzip").header("content-encoding") == "gzip"
    assert server.get("/error", Accept_Encoding="br, gzip").header("content-encoding") is None


def test_errors_of_the_app_are_compressed_too(serve: Serve) -> None:
    answer = serve().get("/error", Accept_Encoding="br")
    assert (answer.status, answer.header("content-encoding")) == (500, "br")


def test_http10_has_them_too(serve: Serve) -> None:
    server = serve()
    client = server.client()
    client.send(b"GET /text HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert gzip.decompress(client.response().body) == coded.TEXT
    client = server.client()
    client.send(b"GET /huge HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert gzip.decompress(client.response().body) == coded.HUGE


def test_one_connection_many_answers(serve: Serve) -> None:
    client = serve().client()
    paths = ["/text", "/small", "/huge", "/none", "/pieces"] * 3
    client.send(b"".join(request_bytes(path, Accept_Encoding="gzip") for path in paths))
    for path in paths:
        answer = client.response()
        body = gzip.decompress(answer.body) if answer.header("content-encoding") else answer.body
        assert body == b"".join(coded.ANSWERS[path][2])


@pytest.mark.parametrize("coding", ALL)
def test_http2_has_them_too(serve: Serve, coding: str) -> None:
    server = serve()
    for path in ("/text", "/huge", "/pieces"):
        events = ask(server, path, **{"accept-encoding": coding})
        head = dict(fields_of(events, h2.events.ResponseReceived)[0])
        assert (head["content-encoding"], head["vary"]) == (coding, "accept-encoding")
        body = b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived))
        assert decoded(body, coding) == b"".join(coded.ANSWERS[path][2])


# --- streams


def pieces_of(client: Client, coding: str) -> Iterator[bytes]:
    """What each chunk decompresses to, as soon as it is there."""
    if coding == "br":
        brotli_decoder = brotli.Decompressor()
        yield from (bytes(brotli_decoder.process(chunk)) for chunk in client.chunks())
    elif coding == "zstd":
        zstd_decoder = zstandard.ZstdDecompressor().decompressobj()
        yield from (zstd_decoder.decompress(chunk) for chunk in client.chunks())
    else:
        gzip_decoder = zlib.decompressobj(31)
        yield from (gzip_decoder.decompress(chunk) for chunk in client.chunks())


@pytest.mark.parametrize("coding", ALL)
def test_events_arrive_as_they_are_sent(asgi: Start, coding: str) -> None:
    client = asgi("coded:asgi", compress=ALL).client()
    client.send(request_bytes("/events", Accept_Encoding=coding))
    status, _ = client.head()
    assert status == 200
    found = [piece for piece in pieces_of(client, coding) if piece]
    assert found == [b"data: %d\n\n" % n for n in range(5)]


@pytest.mark.parametrize("coding", ALL)
def test_a_piece_of_a_known_length_does_not_wait_for_the_rest(serve: Serve, coding: str) -> None:
    server = serve(threads=2)
    client = server.client()
    client.send(request_bytes("/first-then-wait", Accept_Encoding=coding))
    client.head()
    pieces = pieces_of(client, coding)
    first = b""
    while len(first) < 1000:
        first += next(pieces)
    assert first == coded.TEXT[:1000]
    assert server.get("/go-on").status == 200
    assert first + b"".join(pieces) == coded.TEXT


def test_streams_of_events_take_the_leanest_coding(serve: Serve) -> None:
    answer = serve().get("/events", Accept_Encoding="gzip, br, zstd")
    assert answer.header("content-encoding") == "gzip"


def test_more_streams_than_there_is_memory_for(asgi: Start) -> None:
    """Those beyond are answered as they are."""
    server = asgi("coded:asgi", compress=["br"])
    clients = [server.client() for _ in range(120)]
    for client in clients:
        client.send(request_bytes("/first-then-wait", Accept_Encoding="br"))
    heads = [dict(client.head()[1]) for client in clients]
    compressed = sum("content-encoding" in head for head in heads)
    assert 20 < compressed < 120
    assert {head["vary"] for head in heads} == {"accept-encoding"}
    server.get("/go-on")
    for client, head in zip(clients, heads, strict=True):
        chunks = b"".join(client.chunks()) if "content-encoding" in head else client.exactly(len(coded.TEXT))
        assert (brotli.decompress(chunks) if "content-encoding" in head else chunks) == coded.TEXT
        client.close()
    assert server.get("/text", Accept_Encoding="br").header("content-encoding") == "br"


def test_a_client_that_leaves_gives_its_memory_back(asgi: Start) -> None:
    server = asgi("coded:asgi", compress=["br"])
    for _ in range(150):
        client = server.client()
        client.send(request_bytes("/first-then-wait", Accept_Encoding="br"))
        assert "content-encoding" in dict(client.head()[1])
        client.reset()
    server.get("/go-on")


def test_write_is_flushed(wsgi: Start) -> None:
    answer = wsgi("coded:wsgi", compress=ALL).get("/write", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == coded.TEXT


# --- files


def test_files_go_as_they_are(serve: Serve) -> None:
    answer = serve().get("/file", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.body) == (None, coded.TEXT)
    assert answer.header("content-length") == str(len(coded.TEXT))


def test_a_part_of_a_file_within_a_compressed_body(asgi: Start) -> None:
    answer = asgi("coded:asgi", compress=ALL).get("/file-within", Accept_Encoding="gzip")
    assert gzip.decompress(answer.body) == coded.TEXT + b"end"


# --- what goes wrong


def test_trailers_stay_behind_the_body(asgi: Start) -> None:
    client = asgi("coded:asgi", compress=ALL).client()
    answer = client.request("/trailers", Accept_Encoding="gzip", TE="trailers")
    assert gzip.decompress(answer.body) == coded.TEXT
    assert client.trailers == [("x-sum", "123")]


@pytest.mark.parametrize("path", ["/too-short", "/too-long", "/raises-early"])
def test_a_body_of_another_length_than_declared_is_a_mistake(asgi: Start, path: str) -> None:
    server = asgi("coded:asgi", compress=ALL)
    assert server.get(path, Accept_Encoding="gzip").status == 500
    log = server.log()
    assert "Content-Length" in log or "on purpose" in log


def test_an_exception_before_the_body_is_a_500(serve: Serve) -> None:
    answer = serve().get("/raises-early", Accept_Encoding="gzip")
    assert (answer.status, answer.header("content-encoding")) == (500, None)


def test_a_coding_that_is_not_there_is_refused(asgi: Start) -> None:
    server = asgi("coded:asgi", compress=["lzma"])
    server.process.wait(20)
    assert "'lzma' is not available here" in server.log()


def test_nothing_is_compressed_unless_asked_for(asgi: Start) -> None:
    answer: Response = asgi("coded:asgi").get("/text", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.header("vary")) == (None, None)
