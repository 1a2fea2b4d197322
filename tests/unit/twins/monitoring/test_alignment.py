"""Runs of unequal length on one grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError, ShapeError
from twins.monitoring.alignment import Run, common_grid, direction, elapsed_maturity, on_grid, tag_maturity


def test_runs_of_unequal_length_and_rate_with_one_course_become_the_same() -> None:
    grid = np.linspace(0, 1, 21)
    found = []
    for duration, rows in ((10.0, 201), (13.0, 333)):
        hours = np.linspace(5.0, 5.0 + duration, rows)
        run = Run("r", hours, np.sin(3 * (hours - 5.0) / duration)[:, None])
        found.append(on_grid(elapsed_maturity(run, run.duration_hours), run.values, grid, 1.0))
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)  # both are lines between samples of a curve


@given(st.integers(2, 60))
def test_a_run_with_as_many_rows_as_points_keeps_its_values(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 2))
    run = Run("r", 0.1 * np.arange(float(rows)), values)
    found = on_grid(elapsed_maturity(run, run.duration_hours), values, np.linspace(0, 1, rows), 1.0)
    np.testing.assert_allclose(found, values, rtol=0, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 30))
def test_interpolation_is_numpys(seed: int, rows: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    at = np.concatenate([[0.0], np.sort(rng.random(rows)), [1.0]])
    values = rng.normal(size=(len(at), 1))
    grid = np.linspace(0, 1, points)
    np.testing.assert_allclose(on_grid(at, values, grid, 1.0)[:, 0], np.interp(grid, at, values[:, 0]), atol=1e-12)


def test_beyond_the_first_and_last_value_and_across_a_wide_gap_nothing_is_made_up() -> None:
    at = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    values = np.array([np.nan, 2.0, np.nan, np.nan, 8.0, np.nan])[:, None]
    grid = np.array([0.0, 0.2, 0.5, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(on_grid(at, values, grid, 0.61)[:, 0], [np.nan, 2.0, 5.0, 8.0, np.nan, np.nan])
    np.testing.assert_array_equal(on_grid(at, values, grid, 0.59)[:, 0], [np.nan, 2.0, np.nan, 8.0, np.nan, np.nan])


def test_at_a_sample_that_stands_twice_the_first_counts_there_and_the_last_after_it() -> None:
    at = np.array([0.0, 0.5, 0.5, 1.0])
    values = np.array([0.0, 10.0, 20.0, 40.0])[:, None]
    np.testing.assert_allclose(on_grid(at, values, np.array([0.25, 0.5, 0.75]), 1.0)[:, 0], [5.0, 10.0, 30.0])


def test_a_maturity_tag_never_goes_back_rising_or_falling() -> None:
    falling = np.array([9.0, np.nan, 5.0, 6.0, 1.0])
    np.testing.assert_array_equal(tag_maturity(falling, -1), [-9.0, -9.0, -5.0, -5.0, -1.0])
    assert direction([falling, falling - 1], "glucose") == -1
    assert direction([-falling], "feed") == 1


def test_the_grid_is_what_all_runs_pass_through() -> None:
    runs = [np.array([0.0, 5.0, 10.0]), np.array([np.nan, 1.0, 9.0])]
    np.testing.assert_allclose(common_grid(runs, ["a", "b"], 3, "feed"), [1.0, 5.0, 9.0])


def test_what_cannot_be_aligned_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="run late that begins where run early has ended"):
        common_grid([np.array([0.0, 1.0]), np.array([2.0, 3.0])], ["early", "late"], 5, "feed")
    with pytest.raises(SettingsError, match="ends where it began"):
        direction([np.array([1.0, 2.0, 1.0])], "ph")
    with pytest.raises(SettingsError, match="rows of one time only, for run r"):
        elapsed_maturity(Run("r", np.zeros(2), np.zeros((2, 1))), 0.0)
    with pytest.raises(ShapeError):
        Run("r", np.zeros(3), np.zeros((2, 1)))
