"""Dynamic time warping: a known warping comes back, live and with both ends fixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.errors import SettingsError
from tests.unit.twins.monitoring.made import batches, course
from twins.monitoring.alignment import Run
from twins.monitoring.pca import Floats
from twins.monitoring.warping import Warp, WarpState, advance, both_ends, choose_reference, open_ended

POINTS = 101


def curve(share: Floats) -> Floats:
    return np.stack([np.sin(5 * share) + 2 * share, np.exp(share) - share**3], axis=1)


def warp(band: float = 0.3) -> Warp:
    share = np.linspace(0, 1, POINTS)
    found = choose_reference([Run("reference", share * 20.0, curve(share))], POINTS, band)
    return replace(found, spread=np.full(2, 0.1))  # one run alone has no spread between runs


def warped(rows: int = 150, bend: float = 0.12) -> tuple[Run, Floats]:
    """A run whose true place on the reference is known: early half too fast, late half too slow."""
    share = np.linspace(0, 1, rows)
    truth = share + bend * np.sin(np.pi * share)
    truth = np.minimum(truth, 1.0)
    return Run("warped", share * 20.0, curve(truth)), truth


def test_a_known_warping_is_recovered_with_both_ends_fixed() -> None:
    run, truth = warped()
    found = both_ends(warp(), [run])[0]
    assert np.max(np.abs(found - truth)) < 0.025  # two and a half points of the grid
    assert (found[0], found[-1]) == (0.0, 1.0)


def test_a_known_warping_is_recovered_live() -> None:
    run, truth = warped()
    found = open_ended(warp(), [run])[0]
    assert np.max(np.abs(found - truth)) < 0.05
    assert np.mean(np.abs(found - truth)) < 0.015


@pytest.mark.parametrize("rows", [30, 100, 700])
def test_the_rate_of_sampling_does_not_matter(rows: int) -> None:
    run, truth = warped(rows)
    # the coarsest has a row each .034 of the run
    assert np.mean(np.abs(open_ended(warp(), [run])[0] - truth)) < 0.034
    assert np.mean(np.abs(both_ends(warp(), [run])[0] - truth)) < 0.025


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_maturity_never_falls_and_stays_within_its_band(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = np.sort(rng.random(40))
    values = rng.normal(size=(40, 2))
    values[rng.random((40, 2)) < 0.3] = np.nan
    values[5] = np.nan
    run = Run("any", share * 25.0, values)
    for found in (open_ended(warp(), [run])[0], both_ends(warp(), [run])[0]):
        assert np.all(np.diff(found) >= 0)
        assert np.all((found >= 0) & (found <= 1))
    live = open_ended(warp(0.1), [run])[0]
    hours = np.minimum((run.hours - run.hours[0]) / 20.0, 1.0)
    assert np.all(live[1:] <= hours[1:] + 0.1 + 1 / POINTS)


def test_a_silence_wider_than_the_band_begins_anew() -> None:
    run, _ = warped()
    keep = (run.hours < 4.0) | (run.hours > 16.0)
    found = open_ended(warp(0.1), [Run("silent", run.hours[keep], run.values[keep])])[0]
    assert np.all(np.isfinite(found))
    assert found[-1] > 0.85


def test_a_unit_is_the_same_alone_and_among_others_bit_for_bit() -> None:
    rng = np.random.default_rng(3)
    state, n = WarpState.start(warp(), 7), 7
    alone = [WarpState.start(warp(), 1) for _ in range(n)]
    for step in range(12):
        hours, values = np.full(n, step * 1.5), rng.normal(size=(n, 2))
        values[rng.random((n, 2)) < 0.2] = np.nan
        state = advance(warp(), state, hours, values)
        for unit in range(n):
            alone[unit] = advance(warp(), alone[unit], hours[unit : unit + 1], values[unit : unit + 1])
            assert alone[unit].costs[0].tobytes() == state.costs[unit].tobytes()
            assert alone[unit].maturity[0] == state.maturity[unit]


def test_runs_together_are_as_runs_alone() -> None:
    runs = batches(5, 5, slowest=1.4)
    reference = choose_reference(runs, 60, 0.3)
    for way in (both_ends, open_ended):
        for run, found in zip(runs, way(reference, runs), strict=True):
            assert np.array_equal(found, way(reference, [run])[0])


def test_the_reference_is_the_run_of_median_duration() -> None:
    runs = batches(5, 9, slowest=1.5)
    found = choose_reference(runs, 60, 0.3)
    assert found.duration_hours == sorted(run.duration_hours for run in runs)[4]
    assert found.run in {run.name for run in runs}


def test_warped_runs_agree_better_than_runs_by_elapsed_time() -> None:
    share = np.linspace(0, 1, 121)
    runs, rng = [], np.random.default_rng(1)
    for number, bend in enumerate(np.linspace(-0.12, 0.12, 7)):
        truth = np.clip(share + bend * np.sin(np.pi * share), 0, 1)
        runs.append(Run(f"{number}", share * 20.0, course(truth, 0.0, 0.0, rng, 0.005)))
    reference = choose_reference(runs, POINTS, 0.3)
    found = np.stack(both_ends(reference, runs))
    grid = np.linspace(0, 1, POINTS)
    growth = [np.interp(grid, one, run.values[:, 0]) for one, run in zip(found, runs, strict=True)]
    plain = [np.interp(grid, share, run.values[:, 0]) for run in runs]
    assert np.std(growth, axis=0).mean() < 0.5 * np.std(plain, axis=0).mean()


def test_a_reference_without_a_tag_is_refused() -> None:
    with pytest.raises(SettingsError, match="none of tag 2, in only"):
        choose_reference([Run("only", np.arange(5.0), np.array([[1.0, np.nan]] * 5))], 10, 0.3)
