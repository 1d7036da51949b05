"""A client that speaks HTTP/2 over one socket: the state machine is the library h2's, frames by hand are ours."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from engine.harness import PATIENCE, Response

HeaderList = list[tuple[str, str]]


@dataclass
class Answer:
    """What has come on one stream so far."""

    status: int = 0
    headers: HeaderList = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    informational: list[int] = field(default_factory=list)
    trailers: HeaderList = field(default_factory=list)
    ended: bool = False
    reset: int | None = None
    """The code of a RST_STREAM."""

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None


class Http2Client:
    """One connection. What comes is acknowledged at once, except on the streams in `held`."""

    def __init__(self, connection: socket.socket, settings: dict[int, int] | None = None) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        # What a server must refuse has to get out.
        config = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.answers: dict[int, Answer] = {}
        self.held: set[int] = set()
        self.goaway: int | None = None
        """The code of the last GOAWAY."""
        self.last_stream: int | None = None
        self.is_closed = False
        self.arrivals: list[tuple[int, int]] = []
        """Stream and size of each DATA frame, in order."""
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self._flush()

    @classmethod
    def to(
        cls,
        address: tuple[str, int] | str,
        settings: dict[int, int] | None = None,
        wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain,
    ) -> Http2Client:
        return cls(wrap(socket.create_connection(address)), settings)  # type: ignore[arg-type]

    def close(self) -> None:
        self.socket.close()

    # Requests.

    def begin(self, path: str = "/", method: str = "GET", end: bool = True, **headers: str) -> int:
        """Sends a request's head; the stream's number."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.begin_with([*pseudo(path, method), *named], end)

    def begin_with(self, headers: HeaderList, end: bool = True) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers, end_stream=end)
        self._flush()
        return stream

    def send(self, stream: int, data: bytes, end: bool = False) -> None:
        """All of it, as the server's windows allow."""
        while data or end:
            room = min(self.room(stream), self.h2.max_outbound_frame_size, len(data))
            if data and not room:
                self.pump()
                assert not self.answers[stream].is_over, "over before the request was whole"
                continue
            piece, data = data[:room], data[room:]
            last = end and not data
            self.h2.send_data(stream, piece, end_stream=last)
            self._flush()
            if last:
                return

    def send_trailers(self, stream: int, trailers: HeaderList) -> None:
        self.h2.send_headers(stream, trailers, end_stream=True)
        self._flush()

    def room(self, stream: int) -> int:
        return int(self.h2.local_flow_control_window(stream))

    def reset(self, stream: int, code: int = h2.errors.ErrorCodes.CANCEL) -> None:
        self.h2.reset_stream(stream, code)
        self._flush()

    def request(self, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> Response:
        stream = self.begin(path, method, end=body is None, **headers)
        if body is not None:
            self.send(stream, body, end=True)
        return self.response(stream)

    # Answers.

    def response(self, stream: int) -> Response:
        """Waits for the whole answer."""
        answer = self.answers[stream]
        self.wait(lambda: answer.is_over, f"an answer on stream {stream}")
        # A whole answer may be followed by a reset: the rest of the request is not wanted (RFC 9113 section 8.1).
        assert answer.ended, f"stream {stream} was reset with {answer.reset}"
        return Response(answer.status, answer.headers, bytes(answer.body))

    def reset_of(self, stream: int) -> int:
        """Waits until the server resets the stream."""
        answer = self.answers[stream]
        self.wait(lambda: answer.is_over, f"a reset of stream {stream}")
        assert answer.reset is not None and not answer.ended, f"stream {stream} was answered with {answer.status}"
        return answer.reset

    def wait(self, condition: Callable[[], Any], what: str = "") -> None:
        while not condition():
            assert not self.is_closed, f"the server closed the connection before {what}; GOAWAY {self.goaway}"
            self.pump()

    def allow_streams(self, count: int) -> None:
        """Behaves as if the server had allowed so many at once."""
        self.ping()
        self.h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = count
        self.h2.remote_settings.acknowledge()

    def wait_for_end(self, only_goaway: bool = False) -> int | None:
        """Until the server closes; the code of its last GOAWAY."""
        while not self.is_closed:
            self.pump(only_goaway)
        return self.goaway

    def acknowledge(self, stream: int) -> None:
        """Lets a held stream flow."""
        self.held.discard(stream)
        if size := len(self.answers[stream].body):
            self.h2.increment_flow_control_window(size, stream)
        self._flush()

    def ping(self) -> None:
        """To the server and back: it has seen all that was sent before."""
        seen = self._pongs
        self.h2.ping(b"are u ok")
        self._flush()
        self.wait(lambda: self._pongs > seen, "the answer to a ping")

    _pongs = 0

    # Bytes.

    def raw(self, data: bytes) -> None:
        """Frames by hand. A server that has had enough may close while they are sent."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def pump(self, only_goaway: bool = False) -> None:
        """Takes what the server sends next; of that only GOAWAY where streams were made by hand."""
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_closed = True
            return
        self._received += data
        while (size := self._frame_size()) and len(self._received) >= size:
            one, self._received = self._received[:size], self._received[size:]
            if one[3] == GOAWAY:
                self.last_stream, self.goaway = (int.from_bytes(one[at : at + 4], "big") for at in (9, 13))
                continue  # h2 would not let streams in progress go on
            if only_goaway:
                continue
            for event in self.h2.receive_data(one):
                self._handle(event)
        self._flush()

    _received = b""

    def _frame_size(self) -> int:
        return 9 + int.from_bytes(self._received[:3], "big") if len(self._received) >= 9 else 0

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.PingAckReceived):
            self._pongs += 1
            return
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(int(dict(event.headers)[":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.status = int(dict(event.headers)[":status"])
            answer.headers = [(name, value) for name, value in event.headers if name != ":status"]
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self.arrivals.append((event.stream_id, len(event.data)))
            self._consume(event)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def _consume(self, event: h2.events.DataReceived) -> None:
        size = event.flow_controlled_length
        if not size:
            return
        if event.stream_id in self.held:
            self.h2.increment_flow_control_window(size)
        else:
            self.h2.acknowledge_received_data(size, event.stream_id)

    def _flush(self) -> None:
        if data := self.h2.data_to_send():
            self.raw(data)


def pseudo(path: str = "/", method: str = "GET", authority: str = "test", scheme: str = "http") -> HeaderList:
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]


# Frames by hand (RFC 9113 section 4.1).

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(headers: Iterable[tuple[str, str]]) -> bytes:
    """Literal fields without indexing (RFC 7541 section 6.2.2), shorter than 127 bytes."""
    return b"".join(b"\0" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in headers)
