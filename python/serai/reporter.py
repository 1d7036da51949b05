"""What the fleet tells: people by the log, the supervisor by messages (docs/architecture.md, "Messages")."""

import sys
from collections.abc import Callable
from typing import Any

from serai import log
from serai.causes import Cause
from serai.channel import Message
from serai.failure import FAILED
from serai.generation import Generation
from serai.worker_process import WorkerProcess


class Reporter:
    """`send` takes a message to the supervisor, where there is one."""

    def __init__(self, send: Callable[[Message], None], app: str) -> None:
        self._send = send
        self._app = app

    def worker_started(self, worker: WorkerProcess) -> None:
        """It was forked."""
        self._send({"type": "worker_started", **_identity(worker)})

    def worker_ready(self, worker: WorkerProcess) -> None:
        """It serves."""
        self._send({"type": "worker_ready", **_identity(worker)})
        log.info("worker.ready", f"worker {worker.number} serves", **_identity(worker))

    def worker_recycled(self, worker: WorkerProcess, reason: str) -> None:
        """It serves until its successor does."""
        log.info("worker.recycled", f"worker {worker.number} is replaced: {reason}", **_identity(worker))

    def worker_exited(self, worker: WorkerProcess, cause: Cause) -> None:
        """It ended, as asked or not."""
        self._send({"type": "worker_exited", **_identity(worker), "cause": cause.as_message()})
        write = log.info if worker.state == "retiring" and not worker.condemned else log.error
        stack = {"stack": cause.stack + "\n"} if cause.stack else {}
        write("worker.exited", f"worker {worker.number} {cause.sentence}", **_identity(worker), **stack)

    def started(self, generation: Generation) -> None:
        """All workers of the first start serve."""
        message = _ready(generation)
        self._send(message)
        shown = {key: message[key] for key in ("workers", "preload", "import_ms")}
        log.info("serve.ready", f"{self._app} is {message['interface'].upper()}: {message['reason']}", **shown)

    def reloaded(self, generation: Generation) -> None:
        """The workers of this generation have replaced all others."""
        self._send(_ready(generation))
        log.info("serve.reloaded", "all workers run the new code", generation=generation.number)

    def start_failed(self, failure: Message) -> None:
        """The server ends for it."""
        self._send({**failure, "type": "failed"})
        _log_failure("serve.failed", "the app does not start", failure)

    def reload_failed(self, failure: Message) -> None:
        """The old code serves on."""
        self._send({**failure, "type": "reload_failed"})
        _log_failure("serve.reload_failed", "the new code does not start, the old one serves on", failure)

    def worker_failed(self, failure: Message) -> None:
        """A replacement did not start; another one is tried."""
        _log_failure("worker.failed", "a worker does not start", failure)


def unexplained(error: str, stack: str = "") -> Message:
    """A failure that left no message of its own."""
    fix = "see what was logged before"
    failure = {"step": "start", "tried": "starting a worker", "error": error, "fix": fix, "traceback": stack}
    return {**failure, "exit_code": FAILED}


def _identity(worker: WorkerProcess) -> dict[str, int]:
    return {"worker": worker.number, "pid": worker.pid or 0, "generation": worker.generation.number}


def _ready(generation: Generation) -> Message:
    app = generation.app
    preload, preload_reason = _preload(generation)
    files = {"files": app["files"]} if "files" in app else {}
    return files | {
        "type": "ready",
        "workers": len(generation.serving()),
        "generation": generation.number,
        "interface": app.get("interface", ""),
        "reason": app.get("reason", ""),
        "import_ms": app.get("import_ms", 0),
        "server_version": app.get("version", ""),
        "preload": preload,
        "preload_reason": preload_reason,
        "python": sys.version.split()[0],
    }


def _preload(generation: Generation) -> tuple[bool, str]:
    """Whether the app is imported once for all workers, and why."""
    if generation.importing == "never":
        return False, "; ".join(generation.obstacles) or "--preload off"
    return True, "--preload on" if generation.importing == "always" else "the import left no threads or sockets"


def _log_failure(event: str, sentence: str, failure: Message) -> None:
    fields: dict[str, Any] = {"step": failure["step"], "tried": failure["tried"], "do": failure["fix"]}
    if failure.get("traceback"):
        fields["traceback"] = failure["traceback"] + "\n"
    log.error(event, f"{sentence}: {failure['error']}", **fields)
