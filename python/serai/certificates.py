"""TLS certificates: the master has them read and checked, and hands them to its workers as a file in memory.

The workers read no files: all of them serve the same certificates, and a reload that finds broken ones changes nothing.
Reading is done by the engine in a short-lived child, for the master keeps the engine out of its own memory.
"""

import json
import os
import select
import time
import traceback
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from serai import log
from serai.channel import Channel
from serai.failure import FAILED, Failure, wrong_use
from serai.settings import Settings

if TYPE_CHECKING:
    from serai._engine import TlsContext, TlsSettings

_TRIED = "reading the TLS certificates"
_MAX_BUNDLE = 64 * 1024**2


class Certificates:
    """Lives in the master. Owns a file in memory with the certificates that are served now."""

    def __init__(self, settings: Settings) -> None:
        """Raises Failure."""
        self._settings = settings
        self._ticket_secret = os.urandom(32)
        """Lets every worker resume the sessions of the others."""
        self._ticket_period = _ticket_period()
        self._bundle_fd = self._read()

    @staticmethod
    def of(settings: Settings) -> "Certificates | None":
        """None where plain HTTP is to be served. Raises Failure."""
        _check(settings)
        return Certificates(settings) if settings.certfile else None

    def reload(self) -> bool:
        """Whether there are new ones. Broken ones are logged, and those at hand stay."""
        try:
            bundle_fd = self._read()
        except Failure as failure:
            log.error("tls.not_reloaded", f"{failure.found}; the old certificates stay: {failure.fix}")
            return False
        os.close(self._bundle_fd)
        self._bundle_fd = bundle_fd
        log.info("tls.reloaded", "new TLS handshakes use the certificates that are on disk now")
        return True

    def give(self, channel: Channel) -> None:
        """To a worker, which takes them with `Inbox`."""
        channel.send(
            {
                "type": "certificates",
                "ticket_secret": self._ticket_secret.hex(),
                "ticket_period": self._ticket_period,
            },
            [self._bundle_fd],
        )

    def close(self) -> None:
        """Also in a forked child."""
        if self._bundle_fd >= 0:
            os.close(self._bundle_fd)
            self._bundle_fd = -1

    def _read(self) -> int:
        with ExitStack() as undo:
            try:
                bundle_fd = os.memfd_create("serai-certificates")
                undo.callback(os.close, bundle_fd)
                bundle = self._read_into(bundle_fd)
            except (OSError, ValueError) as error:
                raise Failure(_TRIED, str(error), "see the limits of memory, processes and descriptors") from None
            if "error" in bundle:
                raise Failure(_TRIED, bundle["error"], bundle["fix"])
            for sentence in bundle["warnings"]:
                log.warning("tls.certificate", sentence)
            undo.pop_all()
        return bundle_fd

    def _read_into(self, bundle_fd: int) -> dict[str, Any]:
        pid = os.fork()
        if pid == 0:
            _read_in_child(self._settings, bundle_fd)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            raise Failure(_TRIED, f"the process that read them ended with status {status}", "see its traceback")
        return _load(bundle_fd)


def context(settings: Settings) -> "TlsContext | None":
    """For a server in this process, without a master; None where plain HTTP is to be served. Raises Failure."""
    _check(settings)
    if not settings.certfile:
        return None
    from serai._engine import TlsContext

    bundle = _read_and_check(settings)
    if "error" in bundle:
        raise Failure(_TRIED, bundle["error"], bundle["fix"])
    return TlsContext(_engine_settings(settings, bundle))


class Inbox:
    """Lives in a worker: takes what the master gives."""

    def __init__(self, settings: Settings, channel: Channel) -> None:
        self._settings = settings
        self._channel = channel
        self._context: TlsContext | None = None

    def wait(self) -> "TlsContext":
        """The context to serve with, made of the newest certificates. The master sent them before it had us forked."""
        from serai._engine import TlsContext

        select.select([self._channel.fileno()], [], [])
        message = self._newest()
        if message is None:
            raise Failure(_TRIED, "the master is gone", "start the server anew")
        self._context = TlsContext(_engine_settings(self._settings, message))
        return self._context

    def renew(self) -> None:
        """Takes newer ones, if there are any, for handshakes from now on. Safe in a signal handler."""
        message = self._newest() if self._context else None
        if self._context and message:
            self._context.replace(message["certificates"], message["authorities"])

    def _newest(self) -> dict[str, Any] | None:
        newest = None
        for message in self._channel.receive() or []:
            if message["type"] == "certificates":
                (bundle_fd,) = message.pop("descriptors")
                newest = message | _load(bundle_fd)
                os.close(bundle_fd)
        return newest


def _check(settings: Settings) -> None:
    """The options must make sense together."""
    tried = "reading the command line"
    if not settings.certfile:
        given = [name for name in ("keyfile", "ca_certs", "ciphers") if getattr(settings, name)]
        if given or settings.client_cert != "none":
            option = "--" + (given[0] if given else "client_cert").replace("_", "-")
            raise wrong_use(tried, f"{option} is given, but no --certfile", "name the certificate, too")
    if settings.client_cert != "none" and not settings.ca_certs:
        fix = "name the authorities that sign your clients' certificates with --ca-certs"
        raise wrong_use(tried, f"--client-cert {settings.client_cert} needs --ca-certs", fix)
    files = [path for path in settings.certfile if not os.path.isdir(path)]
    if settings.keyfile and len(settings.keyfile) != len(files):
        found = f"--certfile names {len(files)} files, --keyfile {len(settings.keyfile)}"
        raise wrong_use(tried, found, "give one --keyfile for each, in order, or none where they hold their keys")


def _pairs(settings: Settings) -> list[tuple[str, str]]:
    """Certificate and key; no key for a folder, or for files that hold both."""
    keys = iter(settings.keyfile)
    return [(path, "" if os.path.isdir(path) else next(keys, "")) for path in settings.certfile]


def _read_in_child(settings: Settings, bundle_fd: int) -> None:
    """Leaves the bundle, or an error, in the file. Does not return."""
    code = FAILED
    try:
        bundle = _read_and_check(settings)
        with open(bundle_fd, "w", encoding="ascii", closefd=False) as file:
            json.dump(bundle, file)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _read_and_check(settings: Settings) -> dict[str, Any]:
    from serai._engine import TlsContext, read_certificates

    try:
        bundle: dict[str, Any] = {
            "certificates": read_certificates(_pairs(settings)),
            "authorities": _read_authorities(settings.ca_certs),
        }
        bundle["warnings"] = TlsContext(_engine_settings(settings, bundle)).warnings()
        return bundle
    except ValueError as error:
        found, fix = error.args
        return {"error": found, "fix": fix}


def _read_authorities(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"the authorities' file {path}: {error.strerror}", "check --ca-certs") from None


def _engine_settings(settings: Settings, bundle: dict[str, Any]) -> "TlsSettings":
    chosen: TlsSettings = {
        "certificates": bundle["certificates"],
        "authorities": bundle["authorities"],
        "authorities_file": settings.ca_certs,
        "client_certificates": settings.client_cert,
        "min_version": settings.tls_min_version,
        "ciphers": settings.ciphers,
        "http2": settings.http2 == "on",
        "kernel_tls": settings.kernel_tls,
    }
    if "ticket_secret" in bundle:
        chosen["ticket_secret"] = bytes.fromhex(bundle["ticket_secret"])
        chosen["ticket_period"] = bundle["ticket_period"]
    return chosen


def _ticket_period() -> int:
    """As tls::TicketSecret counts them (src/tls/ticket_keys.h): tickets of the two periods before now are opened."""
    return max(0, int(time.clock_gettime(time.CLOCK_BOOTTIME)) // (4 * 3600) - 2)


def _load(bundle_fd: int) -> dict[str, Any]:
    """What the file holds; nothing where the child left nothing."""
    text = os.pread(bundle_fd, _MAX_BUNDLE, 0)
    return json.loads(text) if text else {}
