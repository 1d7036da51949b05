"""One request over HTTP/2, by a client that knows its rules (PyPI h2)."""

import h2.config
import h2.connection
import h2.events
from engine.harness import Server


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
        came = talk.receive_data(client.socket.recv(65536))
        for event in came:
            if isinstance(event, h2.events.DataReceived):
                talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        found += came
    client.close()
    return found


def fields_of(events: list[h2.events.Event], kind: type) -> list[list[tuple[str, str]]]:
    return [[(str(name), str(value)) for name, value in e.headers] for e in events if isinstance(e, kind)]
