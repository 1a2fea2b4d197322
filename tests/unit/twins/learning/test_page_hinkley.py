"""The Page-Hinkley test for many streams is river's, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from river.drift import PageHinkley as Rivers

from twins.learning.page_hinkley import COUNT, FALLING, FOUND, GREATEST, LEAST, MEAN, RISING, TIMES, PageHinkley


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_rivers_to_the_bit_through_changes_and_beginnings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours = PageHinkley(delta=0.3, threshold=9.0, least=10)
    points = rng.standard_normal((4, 300)) + np.where(np.arange(300) > 120, 2.0, 0.0)
    points[1] -= np.where(np.arange(300) > 200, 4.0, 0.0)
    theirs = [Rivers(min_instances=10, delta=0.3, threshold=9.0) for _ in points]
    rows, found = ours.begin(4), np.zeros(4, dtype=np.int64)
    for x in points.T:
        ours.step(rows, x)
        for row, one, value in zip(rows, theirs, x.tolist(), strict=True):
            one.update(value)
            assert row[COUNT] == one._x_mean.n
            assert row[MEAN] == one._x_mean.get()
            assert (row[RISING], row[FALLING]) == (one._sum_increase, one._sum_decrease)
            assert (row[LEAST], row[GREATEST]) == (one._min_increase, one._max_decrease)
            assert bool(row[FOUND]) == one.drift_detected
        found += rows[:, FOUND] > 0
    assert found.tolist() == rows[:, TIMES].tolist()
    assert found.sum() >= 4, f"seed {seed}: changes of two standard deviations were not seen"


def test_streams_do_not_know_of_each_other() -> None:
    rng = np.random.default_rng(5)
    points, test = rng.standard_normal((3, 100)), PageHinkley(0.1, 5.0)
    together, alone = test.begin(3), test.begin(1)
    for x in points.T:
        test.step(together, x)
        test.step(alone, x[1:2])
    assert together[1].tobytes() == alone[0].tobytes()


def test_nothing_is_found_where_nothing_was_seen() -> None:
    up, down = PageHinkley.sums(PageHinkley(0.1, 5.0).begin(2))
    assert up.tolist() == down.tolist() == [0.0, 0.0]
