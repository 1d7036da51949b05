"""Early hints and trailers over HTTP/2, asked for by a client that knows its rules (PyPI h2)."""

import h2.config
import h2.connection
import h2.events
import pytest
from engine.harness import Server, Start


def ask(server: Server, path: str, **headers: str) -> list[h2.events.Event]:
    """All that came of one request."""
    client = server.client()
    talk = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    talk.initiate_connection()
    fields = {":method": "GET", ":path": path, ":scheme": "http", ":authority": "test", **headers}
    talk.send_headers(1, list(fields.items()), end_stream=True)
    found: list[h2.events.Event] = []
    while not any(isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) for event in found):
        client.send(talk.data_to_send())
        found += talk.receive_data(client.socket.recv(65536))
    client.close()
    return found


def fields_of(events: list[h2.events.Event], kind: type) -> list[list[tuple[str, str]]]:
    return [[(str(name), str(value)) for name, value in e.headers] for e in events if isinstance(e, kind)]


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
