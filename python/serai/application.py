"""The application, imported and asked: what a zygote shares with its workers."""

import dataclasses
import os
import time
from typing import Any

from serai import interface, loading
from serai.failure import Failure
from serai.settings import Interface, Settings


@dataclasses.dataclass(frozen=True)
class Application:
    """A callable, and how to call it."""

    callable: Any
    interface: Interface
    reason: str
    """Why this interface, in words."""
    import_seconds: float
    files: list[str] = dataclasses.field(default_factory=list)
    """With --reload: those that were imported and are not the installation's."""

    def describe(self) -> dict[str, Any]:
        """For the master's `ready` message."""
        told = {"interface": self.interface, "reason": self.reason, "import_ms": round(self.import_seconds * 1000, 1)}
        return told | ({"files": self.files} if self.files else {})


def load(settings: Settings) -> Application:
    """Imports the app as the settings say. Raises Failure; `failed_message` makes it a message."""
    started = time.monotonic()
    loading.import_path(settings.app_dir)
    found = loading.load(loading.Target.parse(settings.app, factory=settings.factory))
    if settings.interface == "auto":
        kind, reason = interface.detect(found, settings.app)
    else:
        kind, reason = settings.interface, "--interface says so"
    seconds = time.monotonic() - started
    if not settings.reload:
        return Application(found, kind, reason, seconds)
    from serai import crash_page, watch

    return Application(crash_page.wrap(found, kind), kind, reason, seconds, watch.imported_files())


def failed_message(failure: Failure) -> dict[str, Any]:
    """What a zygote or worker tells the master when it cannot load the app."""
    step = "interface" if failure.tried.startswith("asking ") else "import"
    trace = failure.traceback if isinstance(failure, loading.LoadError) else ""
    return {
        "type": "failed",
        "step": step,
        "tried": failure.tried,
        "error": failure.found,
        "fix": failure.fix,
        "traceback": trace,
        "exit_code": failure.exit_code,
    }


def read_env_file(path: str) -> dict[str, str]:
    """KEY=VALUE lines; quotes around a value, `export` before a key, comments and empty lines. Raises Failure."""
    tried = f"reading the environment file {path}"
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(tried, str(error), "check --env-file") from None
    values = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        key, separator, value = (part.strip() for part in text.partition("="))
        if not separator or not key.isidentifier():
            raise Failure(tried, f"line {number} is not KEY=VALUE", "correct the line")
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        values[key] = value[1:-1] if quoted else value
    return values


def apply_environment(settings: Settings) -> None:
    """The app's environment, before it is imported. Raises Failure."""
    if settings.env_file:
        os.environ.update(read_env_file(settings.env_file))
