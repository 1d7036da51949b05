"""When a worker that serves is due to be replaced: by requests, age, memory, or since requests of it are stuck."""

import random
import time
from typing import TYPE_CHECKING

from serai import units
from serai.counters import Cell
from serai.settings import Settings

if TYPE_CHECKING:
    from serai.worker_process import WorkerProcess

JITTER = 0.1
"""Each worker has limits up to so much below the settings', so that those started together are not due together."""
STUCK_GRACE = 5.0
"""Seconds that a thread may stay in the app, WSGI's or an event loop's, after its request was answered with 504."""


class Recycling:
    """One worker's limits. Asked now and then."""

    def __init__(self, settings: Settings) -> None:
        share = 1 - random.uniform(0, JITTER)
        self._requests = settings.max_requests * share
        self._age = settings.max_worker_age * share
        self._memory = settings.max_worker_memory * share
        self._stuck_since: float | None = None

    def reason(self, worker: "WorkerProcess") -> str:
        """Why it is to be replaced now; empty: it is not."""
        requests, age = worker.counter(Cell.REQUESTS), time.monotonic() - worker.started
        if 0 < self._requests <= requests:
            return f"it has had {requests} requests (--max-requests)"
        if 0 < self._age <= age:
            return f"it has served for {age:.0f} s (--max-worker-age)"
        if self._memory > 0 and (resident := worker.resident_memory()) >= self._memory:
            return f"it holds {units.show_size(resident)} of memory (--max-worker-memory)"
        if self._is_stuck(worker.counter(Cell.STUCK)):
            return f"{worker.counter(Cell.STUCK)} of its threads do not come back from requests that have timed out"
        return ""

    def _is_stuck(self, threads: int) -> bool:
        if not threads:
            self._stuck_since = None
            return False
        if self._stuck_since is None:
            self._stuck_since = time.monotonic()
        return time.monotonic() - self._stuck_since >= STUCK_GRACE
