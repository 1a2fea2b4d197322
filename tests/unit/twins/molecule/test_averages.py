"""How well a mean is known: against the closed form for a series with memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twins.molecule.averages import standard_error, statistics, thinned


def test_the_error_of_independent_values_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(size=4096)
    found = standard_error(values)
    assert found is not None
    # The largest of ten levels, each with its own error, lies above: by less than half.
    assert 1.0 <= found / (values.std() / math.sqrt(len(values))) < 1.5


def test_the_error_of_a_series_with_memory_holds_the_truth() -> None:
    """An AR(1) series, x' = a x + e, has a mean of variance (1 + a) / (1 - a) / n times its own."""
    a, n, series = 0.9, 4096, 60
    rng = np.random.default_rng(2)
    x = rng.normal(size=series) / math.sqrt(1 - a * a)
    rows = np.empty((n, series))
    for k in range(n):
        rows[k] = x
        x = a * x + rng.normal(size=series)
    wanted = math.sqrt((1 + a) / (1 - a) / n / (1 - a * a))
    found = [one for one in (standard_error(rows[:, k]) for k in range(series)) if one is not None]
    assert len(found) == series
    assert 0.9 < float(np.median(found)) / wanted < 1.5
    within = np.mean(np.abs(rows.mean(axis=0)) < 1.96 * np.array(found))
    assert within >= 0.88


def test_what_cannot_be_said_is_null() -> None:
    assert statistics(np.array([])) == {}
    assert statistics(np.array([4.0])) == {"first": 4.0, "last": 4.0, "mean": 4.0, "sd": None, "standard_error": None}


@pytest.mark.parametrize(("count", "most"), [(1, 100), (100, 100), (101, 100), (9999, 100), (150, 100)])
def test_thinning_keeps_both_ends_and_the_bound(count: int, most: int) -> None:
    places = thinned(count, most)
    assert len(places) <= most
    assert places[0] == 0
    assert places[-1] == count - 1
    assert np.all(np.diff(places) > 0)
