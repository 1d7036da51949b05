"""Ids of requests: from the client or made here, shown to the app, to the client and to the access log."""

import re
from collections.abc import Callable
from pathlib import Path

import h2.events
import pytest
from engine.harness import Server, Start, request_bytes
from engine.http2_client import ask, fields_of

OURS = re.compile("[0-9a-f]{32}")
Serve = Callable[..., Server]


@pytest.fixture(params=["asgi", "wsgi"])
def serve(request: pytest.FixtureRequest, asgi: Start, wsgi: Start) -> Serve:
    start = asgi if request.param == "asgi" else wsgi
    return lambda **options: start(f"coded:{request.param}", **options)


def test_a_request_without_one_gets_one(serve: Serve) -> None:
    client = serve(request_id="trust").client()
    seen = set()
    for _ in range(3):
        answer = client.request("/show-id")
        assert OURS.fullmatch(answer.header("x-request-id") or "")
        assert answer.body.decode() == answer.header("x-request-id")
        seen.add(answer.body)
    assert len(seen) == 3


def test_the_clients_is_kept_where_it_is_trusted_and_sane(serve: Serve) -> None:
    client = serve(request_id="trust").client()
    answer = client.request("/show-id", X_Request_ID="req-4/2:a=b")
    assert (answer.header("x-request-id"), answer.body) == ("req-4/2:a=b", b"req-4/2:a=b")
    for insane in ('a"b', "a b", "x" * 129, ""):
        answer = client.request("/show-id", X_Request_ID=insane)
        assert OURS.fullmatch(answer.header("x-request-id") or ""), insane
        assert answer.body.decode() == answer.header("x-request-id")


def test_the_clients_is_replaced_where_all_are_made_here(serve: Serve) -> None:
    answer = serve(request_id="generate").get("/show-id", X_Request_ID="theirs")
    assert OURS.fullmatch(answer.header("x-request-id") or "")
    assert answer.body.decode() == answer.header("x-request-id")


def test_nothing_happens_unless_asked_for(serve: Serve) -> None:
    answer = serve().get("/show-id", X_Request_ID="theirs")
    assert (answer.header("x-request-id"), answer.body) == (None, b"theirs")


def test_another_header_may_have_it(serve: Serve) -> None:
    server = serve(request_id="trust", request_id_header="x-correlation-id")
    answer = server.get("/show-id", X_Correlation_ID="abc", X_Request_ID="theirs")
    assert (answer.header("x-correlation-id"), answer.body) == ("abc", b"theirs")
    assert answer.header("x-request-id") is None


def test_the_apps_own_stays(serve: Serve) -> None:
    answer = serve(request_id="trust").get("/id")
    assert [value for name, value in answer.headers if name.lower() == "x-request-id"] == ["the app's own"]


def test_errors_of_ours_have_it(serve: Serve) -> None:
    client = serve(request_id="trust").client()
    answer = client.request("/raises-early", X_Request_ID="abc")
    assert (answer.status, answer.header("x-request-id")) == (500, "abc")
    assert client.request("/show-id", X_Request_ID="def").body == b"def"


def test_files_and_compressed_answers_have_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a {}")
    server = serve(request_id="trust", compress=["gzip"], static=[("/static", str(tmp_path))])
    answer = server.get("/static/a.css", X_Request_ID="abc")
    assert (answer.body, answer.header("x-request-id")) == (b"a {}", "abc")
    answer = server.get("/text", X_Request_ID="abc", Accept_Encoding="gzip")
    assert (answer.header("content-encoding"), answer.header("x-request-id")) == ("gzip", "abc")


def test_http2_has_them_too(serve: Serve) -> None:
    head = dict(fields_of(ask(serve(request_id="trust"), "/show-id"), h2.events.ResponseReceived)[0])
    assert OURS.fullmatch(head["x-request-id"])


def test_a_websocket_has_one(asgi: Start) -> None:
    client = asgi("coded:asgi", request_id="trust").client()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    client.send(request_bytes("/", Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==", X_Request_ID="abc", **upgrade))
    status, headers = client.head()
    assert (status, dict(headers)["x-request-id"]) == (101, "abc")
    assert client.exactly(5) == b"\x81\x03abc"
