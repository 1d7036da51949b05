"""bench/ratios.py: what rounds say, and when they say nothing."""

import random

import pytest
import ratios
from ratios import Ratio


def test_bounds_of_nine_rounds_leave_out_one_at_each_end() -> None:
    ours = [0.80, 0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 1.50]
    ratio = ratios.paired(ours, [1.0] * 9)
    assert (ratio.low, ratio.median, ratio.high) == (0.90, 0.93, 0.96)


@pytest.mark.parametrize(("rounds", "outside"), [(5, None), (6, 0), (8, 0), (9, 1), (12, 2), (18, 4)])
def test_ranks_left_out_are_those_of_the_sign_test(rounds: int, outside: int | None) -> None:
    assert ratios.ranks_outside(rounds) == outside


def test_bounds_hold_as_often_as_they_say() -> None:
    dice = random.Random(4)
    missed = 0
    for _ in range(1000):
        ratio = ratios.paired([dice.lognormvariate(0, 0.1) for _ in range(9)], [1.0] * 9)
        assert ratio.low is not None and ratio.high is not None
        missed += not ratio.low <= 1 <= ratio.high
    assert missed <= 60  # 3.9 % are expected


def test_rounds_are_compared_pair_by_pair() -> None:
    noise = [1, 3, 2, 8, 1, 5, 2, 9, 4]
    ratio = ratios.paired([0.9 * level for level in noise], noise)
    assert ratio.low == pytest.approx(0.9) and ratio.high == pytest.approx(0.9)


def test_a_round_that_only_one_has_does_not_count() -> None:
    assert ratios.paired([1.0, 1.0, 5.0], [1.0, 1.0]).rounds == 2


@pytest.mark.parametrize(
    ("low", "median", "high", "verdict"),
    [
        (0.70, 0.80, 0.99, "ahead"),  # wide, but all of it is below 1
        (0.98, 0.99, 1.03, "ahead"),
        (0.98, 0.99, 1.031, "behind"),
        (0.99, 1.00, 1.01, "behind"),
        (1.01, 1.20, 1.90, "behind"),
        (0.90, 0.95, 1.02, "undecided"),
        (None, 0.50, None, "undecided"),
    ],
)
def test_verdict(low: float | None, median: float, high: float | None, verdict: str) -> None:
    assert Ratio(median, low, high, 9).verdict == verdict
