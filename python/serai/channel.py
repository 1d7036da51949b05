"""Framed messages between Serai's processes, as src/control has them: a 4-byte little-endian length, then JSON."""

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
_MAX_MESSAGE = 4 * 1024**2
_MAX_DESCRIPTORS = 8
_FD_SIZE = 4
_ANCILLARY_SPACE = socket.CMSG_LEN(_MAX_DESCRIPTORS * _FD_SIZE)
_RECEIVE_FLAGS = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC  # socket.recv_fds() knows no flags


class ProtocolError(Exception):
    """The peer sent something that is no message."""


def frame(message: Message) -> bytes:
    """The bytes of a message. Long texts are cut so that it fits."""
    body = json.dumps(message).encode()
    if len(body) > _MAX_MESSAGE:
        shorter = {key: value[:65536] if isinstance(value, str) else value for key, value in message.items()}
        body = json.dumps(shorter).encode()
    return struct.pack("<I", len(body)) + body


class Channel:
    """One end of a stream socket. Sending blocks; receiving is driven by readiness. Owns the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._pending = bytearray()
        self._descriptors: list[int] = []
        self._closed = False

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def send(self, message: Message, descriptors: list[int] | None = None) -> bool:
        """False when the peer is gone."""
        data = frame(message | {"descriptor_count": len(descriptors)} if descriptors else message)
        try:
            if descriptors:
                sent = socket.send_fds(self._socket, [data], descriptors)
                data = data[sent:]
            self._socket.sendall(data)
            return True
        except OSError:
            return False

    def receive(self) -> list[Message] | None:
        """The messages that have arrived, perhaps none; None at the end. Does not wait. Raises ProtocolError.

        Descriptors that ride with a message are its "descriptors"; the receiver owns them.
        """
        while not self._closed and self._read_some():
            pass
        messages = self._complete()
        return messages or (None if self._closed else [])

    def _read_some(self) -> bool:
        """False when nothing is left to read for now."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(65536, _ANCILLARY_SPACE, _RECEIVE_FLAGS)
        except BlockingIOError:
            return False
        except OSError:
            data, ancillary = b"", []
        self._descriptors += _descriptors_in(ancillary)
        self._pending += data
        self._closed = not data
        return True

    def _complete(self) -> list[Message]:
        messages = []
        while len(self._pending) >= 4:
            (length,) = struct.unpack_from("<I", self._pending)
            if length > _MAX_MESSAGE:
                raise ProtocolError(f"a message of {length} bytes")
            if len(self._pending) < 4 + length:
                break
            messages.append(self._parse(bytes(self._pending[4 : 4 + length])))
            del self._pending[: 4 + length]
        return messages

    def _parse(self, body: bytes) -> Message:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"no JSON: {error}") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise ProtocolError("no object with a type")
        if count := message.pop("descriptor_count", 0):
            message["descriptors"], self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return message

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()


def _descriptors_in(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found += [fd for (fd,) in struct.iter_unpack("i", data[: len(data) // _FD_SIZE * _FD_SIZE])]
    return found


def pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(first), Channel(second)
