"""The CUSUM chart against a textbook's worked example, against its formula on lists, and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError, ShapeError
from twins.charts import cusum
from twins.charts.cusum import CusumChart
from twins.charts.points import HIGH, LOW, NEVER

GAP = 1000
HERE = np.array([True])
# Montgomery, Introduction to Statistical Quality Control, 7th ed., table 9.1: mean 10, sd 1; +1 sd from point 21 on
DATA = [
    9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08,
    9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52,
]  # fmt: skip


def test_gives_the_textbooks_sums_and_its_estimate_of_when_the_shift_began() -> None:
    chart = CusumChart(0.5, 5.0, GAP)
    state = cusum.start(1)
    for point, x in enumerate(DATA[:29], 1):
        state, fired = cusum.step(chart, state, np.array([point]), np.array([x - 10.0]), HERE)
        assert fired[0] == (HIGH if point == 29 else 0)
    assert state.high[0] == pytest.approx(5.28, abs=1e-9)  # table 9.2, C+ of point 29
    assert state.low[0] == 0.0
    assert state.high_since[0] == 23  # N+ = 7: the shift came between points 22 and 23
    state, fired = cusum.step(chart, state, np.array([30]), np.array([DATA[29] - 10.0]), HERE)
    assert fired[0] == 0
    assert state.high[0] == pytest.approx(0.02, abs=1e-9)  # begun anew: 0.52 - 0.5
    assert state.high_since[0] == 30


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-4, 4) | st.just(np.nan), st.booleans(), st.sampled_from([1, GAP, GAP + 1])), max_size=40
    ),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([0.7, 2.0, 5.0]),
)
def test_agrees_with_the_formula_on_lists(
    series: list[tuple[float, bool, int]], reference: float, decision: float
) -> None:
    chart = CusumChart(reference, decision, GAP)
    state = cusum.start(1)
    high = low = 0.0
    now, newest = 0, 0
    for z, there, elapsed in series:
        now += elapsed
        state, fired = cusum.step(chart, state, np.array([now]), np.array([z]), np.array([there]))
        if there and z == z:
            if now - newest > GAP or high > decision or low > decision:
                high = low = 0.0
            newest = now
            high, low = max(0.0, high + z - reference), max(0.0, low - z - reference)
            assert fired[0] == (HIGH if high > decision else 0) + (LOW if low > decision else 0)
            assert (state.high_since[0] == NEVER) == (high == 0)
        else:
            assert fired[0] == 0
        assert (state.high[0], state.low[0]) == (high, low)


@settings(deadline=None)
@given(st.lists(st.floats(-4, 4), max_size=40))
def test_mirrored_residuals_give_mirrored_signals(series: list[float]) -> None:
    chart = CusumChart(0.5, 2.0, GAP)
    state = cusum.start(2)
    for point, z in enumerate(series):
        state, fired = cusum.step(chart, state, np.full(2, point), np.array([z, -z]), np.ones(2, np.bool_))
        assert (fired[0] & 1, fired[0] >> 1) == (fired[1] >> 1, fired[1] & 1)
        assert state.high[0] == state.low[1]


def test_a_chart_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(4)
    chart = CusumChart(0.5, 3.0, 20)
    many, alone = cusum.start(33), [cusum.start(1) for _ in range(33)]
    for place in range(150):
        z, there, at = rng.normal(size=33), rng.random(33) < 0.7, np.full(33, 7 * place)
        many, fired = cusum.step(chart, many, at, z, there)
        for j in range(33):
            alone[j], mine = cusum.step(chart, alone[j], at[:1], z[j : j + 1], there[j : j + 1])
            assert mine[0] == fired[j]
            for name in ("high", "low", "high_since", "low_since", "seen"):
                assert getattr(alone[j], name)[0] == getattr(many, name)[j]


def test_a_restarted_chart_is_as_new() -> None:
    chart = CusumChart(0.5, 3.0, GAP)
    state, _ = cusum.step(chart, cusum.start(2), np.zeros(2, np.int64), np.ones(2), np.ones(2, np.bool_))
    state = cusum.restart(state, np.array([True, False]))
    assert state.high.tolist() == [0.0, 0.5]
    assert state.high_since.tolist() == [NEVER, 0]
    assert state.seen.tolist() == [NEVER, 0]


@pytest.mark.parametrize(
    ("reference", "decision", "gap", "says"),
    [(0.0, 5, 1, "reference"), (0.5, 0, 1, "decision"), (0.5, 5, -1, "gap"), (0.5, np.nan, 1, "decision")],
)
def test_a_wrong_setting_says_what_was_expected(reference: float, decision: float, gap: int, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        CusumChart(reference, decision, gap)


def test_arrays_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError):
        cusum.step(CusumChart(0.5, 3, 1), cusum.start(2), np.zeros(1, np.int64), np.zeros(2), np.ones(2, np.bool_))
