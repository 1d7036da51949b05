"""Static folders: files are answered before the application is asked, over HTTP/1.1 and HTTP/2."""

import gzip
from collections.abc import Callable
from pathlib import Path

import h2.events
import pytest
from engine.harness import Server, Start, request_bytes
from engine.http2_client import ask, fields_of

LARGE = bytes(range(256)) * 8192  # 2 MiB

Serve = Callable[..., Server]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "site.css").write_text("body {}\n" * 100)
    (folder / "site.css.gz").write_bytes(gzip.compress(b"body {}\n" * 100))
    (folder / "base.27e20196a850.css").write_text("b {}")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "sub" / "index.html").write_text("<p>sub")
    (folder / ".env").write_text("SECRET=1")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture(params=["asgi", "wsgi"])
def serve(request: pytest.FixtureRequest, files: Path, asgi: Start, wsgi: Start) -> Serve:
    start = asgi if request.param == "asgi" else wsgi
    return lambda prefix="/static", **options: start(static=[(prefix, str(files))], **options)


def test_files_come_with_what_caches_need(serve: Serve, files: Path) -> None:
    server = serve()
    answer = server.get("/static/site.css")
    assert (answer.status, answer.body) == (200, (files / "site.css").read_bytes())
    assert answer.header("content-type") == "text/css; charset=utf-8"
    assert answer.header("cache-control") == "public, max-age=60"
    assert answer.header("vary") == "Accept-Encoding"
    tag = answer.header("etag")
    assert tag
    assert server.get("/static/site.css", If_None_Match=tag).status == 304
    assert "immutable" in str(server.get("/static/base.27e20196a850.css").header("cache-control"))


def test_the_age_for_caches_is_a_choice(serve: Serve) -> None:
    assert serve(static_max_age=3600).get("/static/site.css").header("cache-control") == "public, max-age=3600"
    assert serve(static_max_age=0).get("/static/site.css").header("cache-control") == "no-cache"


def test_a_compressed_sibling_is_sent_to_who_takes_it(serve: Serve, files: Path) -> None:
    answer = serve().get("/static/site.css", Accept_Encoding="gzip")
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body) == (files / "site.css").read_bytes()


def test_ranges_and_large_files(serve: Serve) -> None:
    server = serve()
    part = server.get("/static/large.bin", Range="bytes=1000000-1000009")
    assert (part.status, part.body) == (206, LARGE[1000000:1000010])
    assert part.header("content-range") == f"bytes 1000000-1000009/{len(LARGE)}"
    assert server.get("/static/large.bin").body == LARGE
    assert server.get("/static/large.bin", Range=f"bytes={len(LARGE)}-").status == 416


def test_head_has_the_length_and_no_body(serve: Serve) -> None:
    client = serve().client()
    answer = client.request("/static/large.bin", "HEAD")
    assert (answer.status, answer.header("content-length"), answer.body) == (200, str(len(LARGE)), b"")
    assert client.request("/static/base.27e20196a850.css").body == b"b {}"


def test_head_tells_what_get_does_also_where_responses_are_compressed(serve: Serve, files: Path) -> None:
    (files / "plain.txt").write_text("text\n" * 1000)
    client = serve(compress=["gzip"]).client()
    names = ("content-length", "content-encoding", "etag", "accept-ranges", "vary")
    answers = [client.request("/static/plain.txt", method, Accept_Encoding="gzip") for method in ("GET", "HEAD")]
    first, second = ([answer.header(name) for name in names] for answer in answers)
    assert first == second
    assert first[0] == "5000"


def test_other_methods_are_refused_where_there_is_a_file(serve: Serve) -> None:
    client = serve().client()
    answer = client.request("/static/site.css", "POST", b"x" * 100)
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")
    assert client.request("/static/site.css").status == 200


def test_what_is_not_there_is_the_apps(serve: Serve) -> None:
    server = serve(prefix="/static")
    for path in (
        *(
            "/static/none.css",
            "/static/",
            "/static",
            "/static/sub/",
            "/static/.env",
            "/static/out",
            "/statics/site.css",
        ),
        *("/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static/sub%2findex.html", "/static/site.css%00"),
    ):
        answer = server.get(path)
        assert answer.status in (400, 404, 500), path  # of the apps under test: they know no such path
        assert b"secret" not in answer.body
        assert b"SECRET" not in answer.body


def test_the_app_answers_beside_them(serve: Serve) -> None:
    client = serve(prefix="").client()
    client.send(request_bytes("/site.css") + request_bytes("/") + request_bytes("/base.27e20196a850.css"))
    bodies = [client.response().body for _ in range(3)]
    assert (len(bodies[0]), bodies[1], bodies[2]) == (800, b"hello", b"b {}")


def test_an_index_page_where_it_is_asked_for(serve: Serve) -> None:
    answer = serve(prefix="", static_index=True).get("/sub/")
    assert (answer.body, answer.header("content-type")) == (b"<p>sub", "text/html; charset=utf-8")


def test_http2_has_them_too(serve: Serve) -> None:
    events = ask(serve(), "/static/site.css", range="bytes=0-6")
    head = dict(fields_of(events, h2.events.ResponseReceived)[0])
    assert (head[":status"], head["content-length"]) == ("206", "7")
    assert b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived)) == b"body {}"


def test_they_are_counted_as_any_answer(serve: Serve) -> None:
    server = serve()
    server.get("/static/site.css")
    assert server.stop()["stats"]["requests"] == 1


def test_many_requests_at_once_on_one_connection(serve: Serve) -> None:
    client = serve().client()
    client.send(request_bytes("/static/base.27e20196a850.css") * 500)
    assert [client.response().body for _ in range(500)] == [b"b {}"] * 500


def test_a_client_that_leaves_is_forgotten(serve: Serve) -> None:
    server = serve()
    for _ in range(20):
        client = server.client()
        client.send(request_bytes("/static/large.bin"))
        client.reset()
    assert server.get("/static/base.27e20196a850.css").body == b"b {}"
