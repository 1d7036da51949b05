"""The line to the supervisor in hosted mode (docs/architecture.md, "Messages")."""

import os
import socket
from collections.abc import MutableMapping
from typing import Protocol

from serai import log
from serai.channel import Channel, Message, ProtocolError
from serai.failure import Failure
from serai.loop import Loop

VERSION = 1
_VARIABLE = "SERAI_CONTROL_FD"


class Commands(Protocol):
    """What a supervisor can ask for."""

    def drain(self, timeout: float | None) -> None:
        """End in order: idle connections stay until their next request."""

    def stop(self) -> None:
        """End at once."""

    def scale(self, workers: int) -> None:
        """So many workers from now on."""

    def reload(self) -> None:
        """Take the new code."""


class ControlLink:
    """Without a supervisor it says nothing and hears nothing. When the supervisor goes, serving goes on."""

    def __init__(self, channel: Channel | None) -> None:
        self._channel = channel
        if channel:
            channel.send({"type": "hello", "version": VERSION, "role": "master", "pid": os.getpid()})

    @staticmethod
    def from_environment(environment: MutableMapping[str, str]) -> "ControlLink":
        """Takes the descriptor over and the variable away, for neither is meant for the app. Raises Failure."""
        number = environment.pop(_VARIABLE, "")
        if not number:
            return ControlLink(None)
        try:
            end = socket.socket(fileno=int(number))
        except (OSError, ValueError) as error:
            raise Failure(
                f"taking over the control channel, {_VARIABLE}={number}", str(error), f"unset {_VARIABLE}"
            ) from None
        end.set_inheritable(False)
        return ControlLink(Channel(end))

    @property
    def is_open(self) -> bool:
        """There is a supervisor: the app is hosted."""
        return self._channel is not None

    def report(self, message: Message) -> None:
        """Tells the supervisor."""
        if self._channel:
            self._channel.send(message)

    def listen(self, loop: Loop, commands: Commands) -> None:
        """Obeys from now on."""
        if self._channel:
            self._loop, self._commands = loop, commands
            loop.on_readable(self._channel.fileno(), self._on_readable)

    def close(self) -> None:
        """Also in a forked child."""
        if self._channel:
            self._channel.close()
            self._channel = None

    def _on_readable(self) -> None:
        assert self._channel
        try:
            messages = self._channel.receive()
            if messages is not None:
                for message in messages:
                    self._obey(message)
                return
            log.debug("control.closed", "the supervisor is gone; serving goes on")
        except (ProtocolError, KeyError, TypeError, ValueError) as error:
            log.error(
                "control.refused", f"the supervisor sent something that is no command of version {VERSION}: {error}"
            )
        if self._channel:
            self._loop.forget(self._channel.fileno())
            self.close()

    def _obey(self, message: Message) -> None:
        match message["type"]:
            case "hello":
                if message.get("version") != VERSION:
                    raise ProtocolError(f"version {message.get('version')} is spoken there")
            case "drain":
                timeout = message.get("timeout")
                self._commands.drain(None if timeout is None else float(timeout))
            case "stop":
                self._commands.stop()
            case "scale":
                self._commands.scale(int(message["workers"]))
            case "reload":
                self._commands.reload()
            case unknown:
                log.warning(
                    "control.unknown", f"the supervisor asked for {unknown!r}, which this version does not know"
                )
