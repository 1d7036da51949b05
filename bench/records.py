"""What has been measured, a JSON file per row, written after each turn: a run that was stopped goes on where it was."""

import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rows import Row

FORMAT = 1


@dataclass
class Entry:
    """A server on one row. Screened, or `reason` says why it has no figures. `note`: what it leaves out."""

    name: str
    version: str
    threads: str = ""
    reason: str = ""
    note: str = ""
    screened: dict[str, float] | None = None
    rounds: list[dict[str, float]] = field(default_factory=list)

    def costs(self) -> list[float]:
        return [sample["server"] for sample in self.rounds]


@dataclass
class Record:
    """One row. `limits`: µs of the bare server and of the app alone, one pair per round."""

    row: str
    settings: dict[str, Any]
    machine: dict[str, str]
    entries: list[Entry] = field(default_factory=list)
    limits: list[dict[str, float]] = field(default_factory=list)
    complete: bool = False

    def find(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)


def machine() -> dict[str, str]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": f"{os.cpu_count()} × {model[1] if model else platform.machine()}",
        "system": f"Linux {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "command": "make bench",
    }


class Store:
    """A folder of records. A record made with other settings, another Python or another version of ours is no use."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._settings = {"format": FORMAT, "python": sys.version, **settings}
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, row: Row) -> Record:
        found = self._read(self._path(row.name))
        if found and found.settings == self._settings:
            return found
        return Record(row.name, self._settings, machine())

    def save(self, record: Record) -> None:
        path = self._path(record.row)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")
        fresh.replace(path)

    def forget(self, row: Row) -> None:
        self._path(row.name).unlink(missing_ok=True)

    def all(self, rows: list[Row]) -> Iterator[tuple[Row, Record]]:
        """Those that were measured, whatever with."""
        for row in rows:
            if record := self._read(self._path(row.name)):
                yield row, record

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> Record | None:
        try:
            fields = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        if fields.get("settings", {}).get("format") != FORMAT:
            return None
        fields["entries"] = [Entry(**entry) for entry in fields["entries"]]
        return Record(**fields)
