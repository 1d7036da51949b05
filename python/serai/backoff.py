"""How long to wait before the next try of something that keeps failing."""

_FIRST = 0.1
_LONGEST = 30.0
HEALTHY_AFTER = 10.0
"""Seconds of service after which earlier failures are forgotten."""


class Backoff:
    """At once after a healthy life; then 0.1 s, doubling to 30 s."""

    def __init__(self) -> None:
        self.failures = 0

    def next_delay(self, lived: float) -> float:
        """Seconds to wait now that something failed which had served for `lived` seconds."""
        if lived >= HEALTHY_AFTER:
            self.failures = 0
        self.failures += 1
        return 0.0 if self.failures == 1 else min(_LONGEST, _FIRST * 2.0 ** min(self.failures - 2, 20))
