"""Early hints and trailers over HTTP/2."""

import h2.events
import pytest
from engine.harness import Start
from engine.http2_client import ask, fields_of

LINKS = [("link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]


def test_early_hints_go_before_the_answer(asgi: Start, wsgi: Start) -> None:
    asgi_hints = fields_of(ask(asgi(), "/early-hint"), h2.events.InformationalResponseReceived)
    assert asgi_hints == [[(":status", "103"), *LINKS]]
    wsgi_hints = fields_of(ask(wsgi(), "/early-hints"), h2.events.InformationalResponseReceived)
    assert wsgi_hints[0] == [(":status", "103"), *LINKS]


@pytest.mark.parametrize("path", ["/trailers", "/trailers?length"])
def test_trailers_follow_the_body(asgi: Start, path: str) -> None:
    events = ask(asgi(), path, te="trailers")
    assert fields_of(events, h2.events.TrailersReceived) == [[("x-checksum", "123"), ("x-second", "456")]]
    assert b"".join(e.data for e in events if isinstance(e, h2.events.DataReceived)) == b"body"


def test_clients_that_do_not_ask_get_no_trailers(asgi: Start) -> None:
    assert not fields_of(ask(asgi(), "/trailers"), h2.events.TrailersReceived)
