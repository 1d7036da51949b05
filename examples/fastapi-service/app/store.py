"""Readings in SQLite. Calls block for microseconds, so they run on the event loop's thread."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .models import NewReading, Reading, Summary

SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    id INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    celsius REAL NOT NULL,
    taken TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS reading_by_sensor ON reading (sensor);
CREATE TABLE IF NOT EXISTS summary (
    sensor TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    mean REAL NOT NULL
);
"""

SUMMARISE = """
INSERT OR REPLACE INTO summary
SELECT sensor, count(*), min(celsius), max(celsius), avg(celsius) FROM reading WHERE sensor = ? GROUP BY sensor
"""


class Store:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add(self, reading: NewReading) -> Reading:
        cursor = self._db.execute(
            "INSERT INTO reading (sensor, celsius, taken) VALUES (?, ?, ?)",
            (reading.sensor, reading.celsius, reading.taken.isoformat()),
        )
        return Reading(id=cursor.lastrowid, **reading.model_dump())

    def readings(self, after: int = 0, sensor: str | None = None, limit: int = -1) -> Iterator[Reading]:
        rows = self._db.execute(
            "SELECT * FROM reading WHERE id > ? AND (? IS NULL OR sensor = ?) ORDER BY id LIMIT ?",
            (after, sensor, sensor, limit),
        )
        return (Reading(**row) for row in rows)

    def summarise(self, sensor: str) -> None:
        self._db.execute(SUMMARISE, (sensor,))

    def summary(self, sensor: str) -> Summary | None:
        row = self._db.execute("SELECT * FROM summary WHERE sensor = ?", (sensor,)).fetchone()
        return Summary(**row) if row else None
