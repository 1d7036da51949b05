"""What nine rounds say about two programs: the ratio of their costs, how sure it is, and whether it decides.

Rounds are paired: within one, both ran minutes apart on the same machine. The median of the ratios is bounded by order
statistics (the sign test turned round): exact, and without any assumption about how the noise is distributed.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
CLOSE = 0.03  # ahead may mean so much behind at worst; and so wide may half of the interval be


@dataclass(frozen=True)
class Ratio:
    """Ours by a peer's: below 1 we cost less. Bounds hold with at least CONFIDENCE; none: too few rounds for that."""

    median: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def verdict(self) -> str:
        """`ahead`, `behind` or `undecided`: more rounds are wanted."""
        if self.low is None or self.high is None:
            return "undecided"
        if self.high < 1:
            return "ahead"
        if self.low > 1:
            return "behind"
        if (self.high - self.low) / 2 > CLOSE:
            return "undecided"
        return "ahead" if self.median < 1 and self.high <= 1 + CLOSE else "behind"


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Of the rounds that both have."""
    ratios = sorted(our / their for our, their in zip(ours, theirs, strict=False))
    outside = ranks_outside(len(ratios))
    if outside is None:
        return Ratio(statistics.median(ratios), None, None, len(ratios))
    return Ratio(statistics.median(ratios), ratios[outside], ratios[-1 - outside], len(ratios))


def ranks_outside(count: int) -> int | None:
    """How many of `count` sorted values may be left out at each end, the rest still holding the median's interval."""
    outside, tail = -1, 0.0
    while True:
        tail += math.comb(count, outside + 1) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            return outside if outside >= 0 else None
        outside += 1
