"""The EWMA chart against NIST's worked example, against its formula, and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError, ShapeError
from twins.charts import ewma
from twins.charts.ewma import EwmaChart
from twins.charts.points import HIGH, LOW

GAP = 1000
# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4: lambda 0.3, target 50, s 2.0539
CENTRE, SD = 50.0, 2.0539
DATA = [
    52, 47, 53, 49.3, 50.1, 47, 51, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1,
]  # fmt: skip
PRINTED = [
    50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33,
    50.11, 49.36, 49.52, 50.05, 49.38, 49.92, 50.73, 51.23, 51.94, 51.99,
]  # fmt: skip


def one(z: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([z])


HERE = np.array([True])


def test_gives_the_printed_digits_of_nists_example() -> None:
    chart = EwmaChart(0.3, 3.0, GAP)
    state = ewma.start(1)
    for place, (x, printed) in enumerate(zip(DATA, PRINTED, strict=True)):
        state, fired = ewma.step(chart, state, np.array([place]), one((x - CENTRE) / SD), HERE)
        # 0.005 is half the last digit printed; 1e-9 lets a tie round either way
        assert state.average[0] * SD + CENTRE == pytest.approx(printed, abs=0.005 + 1e-9)
        assert fired[0] == 0
    limit = ewma.limits(chart, state)[0] * SD
    assert round(CENTRE + limit, 4) == 52.5884
    assert round(CENTRE - limit, 4) == 47.4116


def test_growing_limits_are_those_of_each_point() -> None:
    chart = EwmaChart(0.3, 3.0, GAP, growing=True)
    state = ewma.start(1)
    for t in range(1, 40):
        state, _ = ewma.step(chart, state, np.array([t]), one(0.0), HERE)
        variance = sum((0.3 * 0.7**j) ** 2 for j in range(t))  # of the weights of t points
        assert ewma.limits(chart, state)[0] == pytest.approx(3.0 * variance**0.5, rel=1e-12)


@pytest.mark.parametrize("growing", [False, True])
def test_fires_high_and_low_at_the_limit_and_not_on_it(growing: bool) -> None:
    chart = EwmaChart(0.5, 3.0, GAP, growing)
    share = 0.5**2 if growing else 0.5 / 1.5
    line = 3.0 * share**0.5 / 0.5
    for z, expected in ((line * 1.000001, HIGH), (line * 0.999999, 0), (-line * 1.000001, LOW)):
        _, fired = ewma.step(chart, ewma.start(1), np.array([0]), one(z), HERE)
        assert fired[0] == expected
    exact = EwmaChart(1.0, 3.0, GAP, growing)  # an average of one point, without rounding
    assert ewma.step(exact, ewma.start(1), np.array([0]), one(3.0), HERE)[1][0] == 0


def test_keeps_firing_until_the_average_is_back() -> None:
    chart = EwmaChart(0.3, 3.0, GAP)
    state, said = ewma.start(1), []
    for place, z in enumerate([5.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0]):
        state, fired = ewma.step(chart, state, np.array([place]), one(z), HERE)
        said.append(int(fired[0]))
    assert said == [1, 1, 1, 1, 1, 0, 0]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-5, 5) | st.sampled_from([np.nan, np.inf]), st.booleans(), st.sampled_from([1, GAP, GAP + 1])
        ),
        max_size=30,
    ),
    st.floats(0.01, 1),
    st.booleans(),
)
def test_agrees_with_the_formula_on_a_list(series: list[tuple[float, bool, int]], weight: float, growing: bool) -> None:
    chart = EwmaChart(weight, 2.7, GAP, growing)
    state = ewma.start(1)
    points: list[float] = []
    now, newest = 0, 0
    for z, there, elapsed in series:
        now += elapsed
        state, fired = ewma.step(chart, state, np.array([now]), one(z), np.array([there]))
        if not (there and np.isfinite(z)):
            assert fired[0] == 0
            continue
        points = [*points, z] if now - newest <= GAP else [z]
        newest = now
        t = len(points)
        average = sum(weight * (1 - weight) ** (t - 1 - j) * point for j, point in enumerate(points))
        spread = weight / (2 - weight) * (1 - (1 - weight) ** (2 * t) if growing else 1)
        # 30 points of at most 5, added up in another order
        assert state.average[0] == pytest.approx(average, abs=1e-12)
        limit = 2.7 * spread**0.5
        if abs(abs(average) - limit) > 1e-9:
            assert fired[0] == (HIGH if average > limit else LOW if average < -limit else 0)


def test_a_chart_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(2)
    chart = EwmaChart(0.2, 2.0, 20, growing=True)
    many, alone = ewma.start(33), [ewma.start(1) for _ in range(33)]
    for place in range(100):
        z, there, at = rng.normal(size=33), rng.random(33) < 0.7, np.full(33, 7 * place)
        many, fired = ewma.step(chart, many, at, z, there)
        for j in range(33):
            alone[j], mine = ewma.step(chart, alone[j], at[:1], z[j : j + 1], there[j : j + 1])
            assert mine[0] == fired[j]
            assert alone[j].average[0] == many.average[j]
            assert alone[j].faded[0] == many.faded[j]


def test_a_restarted_chart_is_as_new() -> None:
    chart = EwmaChart(0.2, 2.0, GAP)
    state, _ = ewma.step(chart, ewma.start(2), np.zeros(2, np.int64), np.ones(2), np.ones(2, np.bool_))
    state = ewma.restart(state, np.array([True, False]))
    assert state.average.tolist() == [0.0, 0.2]
    assert state.faded[0] == 1.0
    assert state.seen.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("weight", "limit", "gap", "says"),
    [(0.0, 3, 1, "weight"), (1.1, 3, 1, "weight"), (0.2, 0, 1, "limit"), (0.2, 3, -1, "gap"), (np.nan, 3, 1, "weight")],
)
def test_a_wrong_setting_says_what_was_expected(weight: float, limit: float, gap: int, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        EwmaChart(weight, limit, gap)


def test_arrays_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError):
        ewma.step(EwmaChart(0.2, 3, 1), ewma.start(3), np.zeros(3, np.int64), np.zeros(3), np.ones(2, np.bool_))
