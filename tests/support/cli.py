"""The real `serai` executable, run as a user runs it."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .places import REPOSITORY

EXECUTABLE = Path(os.environ.get("SERAI", REPOSITORY / "build" / "release" / "serai"))


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    arguments: list[str]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of a command that streams JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self) -> str:
        return f"serai {' '.join(self.arguments)} ended with {self.code}\n{self.out}{self.err}"


class CommandFailed(AssertionError):
    """A command that had to succeed did not."""


def environment(root: Path) -> dict[str, str]:
    """The caller's environment, with the root to talk to and without a terminal's habits."""
    return {**os.environ, "SERAI_ROOT": str(root), "NO_COLOR": "1"}


def run(
    root: Path, *arguments: str, stdin: str = "", timeout: float = 300, variables: Mapping[str, str] | None = None
) -> Outcome:
    """Runs one command to its end and returns what became of it."""
    done = subprocess.run(
        [EXECUTABLE, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**environment(root), **(variables or {})},
        check=False,
    )
    return Outcome(list(arguments), done.returncode, done.stdout, done.stderr)


def must(outcome: Outcome) -> Outcome:
    if outcome.code != 0:
        raise CommandFailed(str(outcome))
    return outcome
