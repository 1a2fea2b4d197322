"""Average run lengths against published figures, against Markov chains, and against their own inverse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from schemas.errors import SettingsError
from twins.charts import cusum, ewma, run_length, run_lengths
from twins.charts.cusum import CusumChart
from twins.charts.ewma import EwmaChart
from twins.charts.run_length import cusum_arl, cusum_limit, ewma_arl, ewma_limit, shewhart_arl, shewhart_limit

Floats = NDArray[np.float64]
FOREVER = 1 << 60


@pytest.mark.parametrize(
    ("arl", "published"),
    [
        (shewhart_arl(3.0), 370.4),
        (shewhart_arl(3.0, 1.0), 43.9),
        (cusum_arl(0.5, 4.0), 167.7),
        (cusum_arl(0.5, 4.0, 1.0), 8.38),
        (cusum_arl(0.5, 5.0), 465.4),
        (cusum_arl(0.5, 5.0, 1.0), 10.38),
        (ewma_arl(0.2, 2.962), 499.7),
        (ewma_arl(0.2, 2.962, 1.0), 10.54),
        (ewma_arl(0.1, 2.814), 499.5),
        (ewma_arl(0.1, 2.814, 1.0), 10.33),
        (ewma_arl(0.3, 3.0), 465.5),
        (ewma_arl(0.3, 3.0, 1.0), 11.70),
    ],
)
def test_gives_the_published_figures(arl: float, published: float) -> None:
    # One unit of the last digit printed: the published EWMA figures come from chains of finitely many states.
    assert arl == pytest.approx(published, abs=0.1 if published > 20 else 0.01)


def chain(transitions: Floats, begin: int) -> float:
    return float(np.linalg.solve(np.eye(len(transitions)) - transitions, np.ones(len(transitions)))[begin])


def cusum_chain(reference: float, decision: float, shift: float, states: int) -> float:
    """Brook and Evans 1972: the sum in `states` steps, the first of half a width, for one side."""
    width = 2.0 * decision / (2 * states - 1)
    to = np.arange(states)[None, :] - np.arange(states)[:, None]
    upper = ndtr((to + 0.5) * width + reference - shift)
    lower = ndtr((to - 0.5) * width + reference - shift)
    lower[:, 0] = 0.0
    return chain(upper - lower, 0)


def ewma_chain(weight: float, limit: float, shift: float, states: int) -> float:
    """Lucas and Saccucci 1990: the average in an odd number of steps between its limits."""
    end = limit * (weight / (2.0 - weight)) ** 0.5
    width = 2.0 * end / states
    middle = -end + (np.arange(states) + 0.5) * width
    away = middle[None, :] - (1.0 - weight) * middle[:, None]
    upper, lower = ndtr((away + width / 2) / weight - shift), ndtr((away - width / 2) / weight - shift)
    return chain(upper - lower, states // 2)


def extrapolated(arl: Callable[[int], float], states: int) -> float:
    """What a chain tends to: its error falls with the square of the states (Richardson)."""
    ratio = 3.0
    coarse, fine = arl(states), arl(int(ratio) * states)
    return fine + (fine - coarse) / (ratio**2 - 1.0)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("reference", "decision"), [(0.5, 4.0), (0.5, 5.0), (0.25, 8.0), (1.0, 2.5)])
def test_cusum_agrees_with_the_chain_of_brook_and_evans(reference: float, decision: float, shift: float) -> None:
    up, down = (extrapolated(partial(cusum_chain, reference, decision, side * shift), 101) for side in (1.0, -1.0))
    # 1e-4: what is left of the chain's error after one extrapolation
    assert cusum_arl(reference, decision, shift) == pytest.approx(1.0 / (1.0 / up + 1.0 / down), rel=1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("weight", "limit"), [(0.2, 2.962), (0.1, 2.814), (0.3, 3.0), (0.05, 2.615)])
def test_ewma_agrees_with_the_chain_of_lucas_and_saccucci(weight: float, limit: float, shift: float) -> None:
    chained = extrapolated(partial(ewma_chain, weight, limit, shift), 101)
    assert ewma_arl(weight, limit, shift) == pytest.approx(chained, rel=1e-4)


def test_an_ewma_of_one_point_is_shewharts_chart() -> None:
    for shift in (0.0, 1.0, 2.5):
        assert ewma_arl(1.0, 3.0, shift) == pytest.approx(shewhart_arl(3.0, shift), rel=1e-9)
        assert ewma_arl(1.0, 3.0, shift, growing=True) == pytest.approx(shewhart_arl(3.0, shift), rel=1e-9)


def test_more_nodes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        (ewma_arl, (0.01, 2.0)), (ewma_arl, (0.05, 4.5)), (ewma_arl, (0.2, 2.962, 2.0, True)),
        (ewma_arl, (1.0, 5.0)), (cusum_arl, (0.1, 12.0)), (cusum_arl, (0.5, 14.0)), (cusum_arl, (1.0, 3.0, 3.0)),
    ]  # fmt: skip
    usual = [arl(*arguments) for arl, arguments in cases]  # type: ignore[operator]
    monkeypatch.setattr(run_length, "_NODES_PER_SD", 12)
    finer = [arl(*arguments) for arl, arguments in cases]  # type: ignore[operator]
    for one, other in zip(usual, finer, strict=True):
        # rounding of some 1e-14 in the chance of a signal at each point, relative to that chance, 1 / ARL
        assert one == pytest.approx(other, rel=1e-12 + 1e-13 * other)


@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_ewma_that_runs_has_the_run_length_that_is_computed(growing: bool, shift: float) -> None:
    chart = EwmaChart(0.1, 2.0, FOREVER, growing)
    lengths = run_lengths(ewma.start(20_000), partial(ewma.step, chart), seed=8, shift=shift)
    error = lengths.std() / len(lengths) ** 0.5
    assert lengths.mean() == pytest.approx(ewma_arl(0.1, 2.0, shift, growing), abs=4 * error)
    assert ewma_arl(0.1, 2.0, shift, True) < ewma_arl(0.1, 2.0, shift, False)


@pytest.mark.parametrize("shift", [0.0, 1.0, -1.0])
def test_the_cusum_that_runs_has_the_run_length_that_is_computed(shift: float) -> None:
    chart = CusumChart(0.5, 3.0, FOREVER)
    lengths = run_lengths(cusum.start(20_000), partial(cusum.step, chart), seed=9, shift=shift)
    assert lengths.mean() == pytest.approx(cusum_arl(0.5, 3.0, shift), abs=4 * lengths.std() / len(lengths) ** 0.5)


def test_false_alarms_of_a_cusum_are_its_arl0_apart() -> None:
    chart = CusumChart(0.5, 3.0, FOREVER)
    rng = np.random.default_rng(10)
    state, signals, points = cusum.start(500), 0, 4000
    for point in range(points):
        state, fired = cusum.step(chart, state, np.full(500, point), rng.normal(size=500), np.ones(500, np.bool_))
        signals += int((fired > 0).sum())
    # 2 million points, some 34,000 signals: the standard error is half a percent
    assert 500 * points / signals == pytest.approx(cusum_arl(0.5, 3.0), rel=0.02)


@settings(max_examples=15, deadline=None)
@given(st.floats(2.0, 1e5), st.floats(0.05, 1.0), st.booleans())
def test_an_ewma_limit_gives_the_arl0_it_was_asked_for(arl0: float, weight: float, growing: bool) -> None:
    limit = ewma_limit(weight, arl0, growing)
    assert limit == round(limit, 6)
    # half of the last decimal of the limit, times how steeply the ARL grows with it
    assert ewma_arl(weight, limit, 0.0, growing) == pytest.approx(arl0, rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.floats(10.0, 1e5), st.floats(0.2, 1.0))
def test_a_cusum_limit_gives_the_arl0_it_was_asked_for(arl0: float, reference: float) -> None:
    assert cusum_arl(reference, cusum_limit(reference, arl0)) == pytest.approx(arl0, rel=1e-5)


@settings(deadline=None)
@given(st.floats(2.0, 1e7))
def test_a_shewhart_limit_gives_the_arl0_it_was_asked_for(arl0: float) -> None:
    assert shewhart_arl(shewhart_limit(arl0)) == pytest.approx(arl0, rel=1e-5)


def test_gives_the_limits_that_are_tabulated() -> None:
    # Lucas and Saccucci 1990: ARL0 about 500
    for weight, limit in ((0.05, 2.615), (0.1, 2.814), (0.2, 2.962), (0.3, 3.023)):
        assert ewma_limit(weight, 500.0) == pytest.approx(limit, abs=0.0006)


@pytest.mark.parametrize("arl0", [1.9, 2e7, np.nan, np.inf])
def test_an_arl0_out_of_range_is_refused(arl0: float) -> None:
    for limit in (shewhart_limit, partial(ewma_limit, 0.2), partial(cusum_limit, 0.5)):
        with pytest.raises(SettingsError, match="expected an ARL0 of 2 to 1e"):
            limit(arl0)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(SettingsError, match="make it smaller"):
        cusum_limit(3.5, 500.0)  # single points beyond 3.5 are rarer already
    with pytest.raises(SettingsError, match="make it smaller"):
        cusum_limit(0.0, 500.0)
    with pytest.raises(SettingsError, match="k and h"):
        cusum_arl(0.0, 4.0)
    with pytest.raises(SettingsError, match="weight"):
        ewma_arl(0.001, 3.0)
    with pytest.raises(SettingsError, match="weight"):
        ewma_limit(1.5, 500.0)
