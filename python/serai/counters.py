"""The page of numbers that each worker's engine keeps, as the master reads it.

The layout is the engine's (src/worker/counters.h, `serai._engine.PAGE_…`), written here once more because the master
does not load the engine; tests/serve/test_metrics.py compares the two.
"""

import enum
import struct

CELLS = 128
PAGE_BYTES = CELLS * 8
HISTOGRAMS, HISTOGRAM_CELLS = 16, 16
"""The first one's first cell, and the cells of each: one for each bound, one for beyond, the sum in nanoseconds."""
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds."""


class Cell(enum.IntEnum):
    """Where each number is."""

    BUSY_SINCE = 0
    REQUESTS = 1
    IN_FLIGHT = 2
    CONNECTIONS = 3
    ACCEPTED = 4
    RESPONSES_5XX = 5
    BYTES_IN = 6
    BYTES_OUT = 7
    THREADS_BUSY = 8
    LIMITS_HIT = 9
    TIMED_OUT = 10
    STUCK = 11
    WAITING = 12
    TURNED_AWAY = 13


Page = tuple[int, ...]


def read(page: bytes) -> Page:
    """A worker's numbers."""
    return struct.unpack_from(f"={CELLS}Q", page)
