"""Run rules against a second, list-based reading of the texts, on the shortest series that fire, and as laws."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.errors import ShapeError
from twins.charts import rules
from twins.charts.points import NEVER

GAP = 1000  # us
# Values on the lines and between them, so that every tie is met.
LATTICE = [-3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]


def fold(series: list[float | None], instants: list[int] | None = None) -> list[set[str]]:
    """What fires at each point of one series; None is a point that is missing."""
    state = rules.start(1)
    said: list[set[str]] = []
    for place, z in enumerate(series):
        at = np.array([place if instants is None else instants[place]])
        there = np.array([z is not None])
        state, fired = rules.step(state, at, np.array([0.0 if z is None else z]), there, GAP)
        said.append(set(rules.names_of(int(fired[0]))))
    return said


def oracle(points: list[float]) -> set[str]:
    """What fires at the last of all points since the last restart, read from the texts once more, on lists."""

    def last(count: int) -> list[float]:
        return points[-count:] if len(points) >= count else []

    def one_side(window: list[float], line: float, least: int) -> bool:
        high = bool(window) and window[-1] > line and sum(z > line for z in window) >= least
        low = bool(window) and window[-1] < -line and sum(z < -line for z in window) >= least
        return high or low

    found = set()
    if abs(points[-1]) > 3:
        found |= {"nelson.1", "western_electric.1"}
    for name, count in (("nelson.2", 9), ("western_electric.4", 8)):
        window = last(count)
        if window and (all(z > 0 for z in window) or all(z < 0 for z in window)):
            found.add(name)
    steps = [b - a for a, b in pairwise(points)]
    if len(steps) >= 5 and (min(steps[-5:]) > 0 or max(steps[-5:]) < 0):
        found.add("nelson.3")
    if len(steps) >= 13 and all(a * b < 0 for a, b in zip(steps[-13:], steps[-12:], strict=False)):
        found.add("nelson.4")
    # Early on a window is shorter than it will be; what is missing does not count for any side.
    if one_side(points[-3:], 2, 2):
        found |= {"nelson.5", "western_electric.2"}
    if one_side(points[-5:], 1, 4):
        found |= {"nelson.6", "western_electric.3"}
    if last(15) and all(-1 <= z <= 1 for z in last(15)):
        found.add("nelson.7")
    eight = last(8)
    if eight and not any(-1 <= z <= 1 for z in eight) and min(eight) < 0 < max(eight):
        found.add("nelson.8")
    return found


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*LATTICE, None]), st.sampled_from([1, 1, 1, 1, 1, 1, 1, GAP, GAP + 1])), max_size=60
    )
)
def test_agrees_with_a_list_of_all_points(series: list[tuple[float | None, int]]) -> None:
    instants = np.cumsum([elapsed for _, elapsed in series]).tolist()
    points: list[float] = []
    newest = 0
    for fired, (z, _), at in zip(fold([z for z, _ in series], instants), series, instants, strict=True):
        if z is None:
            assert fired == set()
            continue
        if at - newest > GAP:
            points = []
        points.append(z)
        newest = at
        assert fired == oracle(points)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_list_of_all_points_over_long_series_of_many_charts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    charts, length = 12, 1500
    # Slow waves make the rare rules fire; no two charts are alike.
    z = rng.normal(size=(length, charts)) * rng.uniform(0.3, 1.6, charts)
    z += np.sin(np.arange(length)[:, None] / rng.uniform(3, 40, charts))
    alternating = rng.random((length, charts)) < 0.3
    z = np.where(alternating, np.abs(z) * np.where(np.arange(length)[:, None] % 2, 1, -1), z)
    there = rng.random((length, charts)) < 0.9
    state = rules.start(charts)
    points: list[list[float]] = [[] for _ in range(charts)]
    met: set[str] = set()
    for place in range(length):
        state, fired = rules.step(state, np.full(charts, place), z[place], there[place], GAP)
        for chart in range(charts):
            if not there[place, chart]:
                assert fired[chart] == 0
                continue
            points[chart].append(float(z[place, chart]))
            expected = oracle(points[chart][-15:])
            assert set(rules.names_of(int(fired[chart]))) == expected
            met |= expected
    assert met == {name for name, _ in rules.MEANINGS}


SHORTEST: dict[str, list[float]] = {
    "nelson.1": [3.01],
    "nelson.2": [0.1, 0.5, 0.2, 0.6, 0.3, 0.7, 0.1, 0.4, 0.2],
    "nelson.3": [-0.5, -0.3, 0.1, 0.2, 0.4, 0.5],
    "nelson.4": [0.1, 0.5, -0.2, 0.3, 0.1, 0.9, -0.4, 0.2, -0.1, 0.6, 0.5, 0.7, 0.0, 0.2],
    "nelson.5": [2.1, -0.5, 2.2],
    "nelson.6": [1.1, 1.3, -0.2, 1.2, 1.5],
    "nelson.7": [0.1, -0.9, 1.0, -1.0, 0.5, 0.3, 0.0, -0.2, 0.4, 0.1, -0.6, 0.2, 0.2, -0.3, 0.8],
    "nelson.8": [1.1, -1.2, -1.5, 2.5, 1.3, -1.1, -1.7, 1.6],
    "western_electric.1": [-3.01],
    "western_electric.2": [-2.1, 0.4, -2.5],
    "western_electric.3": [-1.1, -1.2, 0.9, -3.5, -1.1],
    "western_electric.4": [-0.1, -0.5, -0.2, -0.6, -0.3, -0.7, -0.1, -0.4],
}


@pytest.mark.parametrize("name", SHORTEST)
def test_fires_on_the_shortest_series_and_not_on_one_point_fewer(name: str) -> None:
    series = SHORTEST[name]
    for mirrored in (series, [-z for z in series]):
        whole = fold([*mirrored])
        assert name in whole[-1]
        assert all(name not in fired for fired in whole[:-1])
        assert all(name not in fired for fired in fold([*mirrored[1:]]))


@pytest.mark.parametrize("name", SHORTEST)
def test_a_missing_point_is_no_point_and_a_long_gap_starts_anew(name: str) -> None:
    series = SHORTEST[name]
    missing: list[float | None] = []
    for z in series:
        missing += [None, z]
    assert name in fold(missing)[-1]
    kept = [*range(0, GAP * (len(series) - 1), GAP), GAP * (len(series) - 1)]
    assert name in fold([*series], kept)[-1]  # a gap of exactly the longest
    if len(series) > 1:
        torn = [*kept[:-1], kept[-1] + 1]
        assert name not in fold([*series], torn)[-1]


@pytest.mark.parametrize(
    ("name", "series", "last"),
    [
        ("nelson.1", [3.0], False),
        ("nelson.2", [0.1] * 8 + [0.0], False),
        ("nelson.3", [0.1, 0.2, 0.3, 0.4, 0.5, 0.5], False),
        ("nelson.5", [2.1, 2.0, 2.0], False),
        ("nelson.5", [2.1, -2.1, 0.1], False),  # one on each side
        ("nelson.5", [2.1, 2.1, 0.1], False),  # the last point is the odd one
        ("nelson.5", [2.1, 3.5], True),  # the third would be the odd one, wherever it lies
        ("nelson.6", [1.1, 1.1, 1.1, -1.1, -1.1], False),
        ("nelson.7", [0.1] * 14 + [1.01], False),
        ("nelson.7", [1.0] * 15, True),
        ("nelson.8", [1.1] * 8, False),  # all on one side
        ("nelson.8", [1.1] * 7 + [-1.1], True),
        ("nelson.8", [1.1] * 6 + [-1.0, -1.1], False),
        ("western_electric.4", [0.1] * 8, True),
    ],
)
def test_what_lies_on_a_line_and_what_counts_for_a_side(name: str, series: list[float], last: bool) -> None:
    assert (name in fold([*series])[-1]) is last


def test_a_rule_fires_again_at_each_further_point() -> None:
    fired = fold([0.1, 0.3] * 8)
    assert [place for place, names in enumerate(fired, 1) if "nelson.2" in names] == [*range(9, 17)]
    assert [place for place, names in enumerate(fired, 1) if "western_electric.4" in names] == [*range(8, 17)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_missing(bad: float) -> None:
    state, fired = rules.step(rules.start(1), np.array([5]), np.array([bad]), np.array([True]), GAP)
    assert fired[0] == 0
    assert state.seen[0] == NEVER
    assert fold([2.1, bad, 2.1])[-1] >= {"nelson.5"}


def test_a_chart_does_not_depend_on_its_neighbours_and_the_state_given_is_left() -> None:
    rng = np.random.default_rng(7)
    many = rules.start(37)
    alone = [rules.start(1) for _ in range(37)]
    for place in range(120):
        z, there = rng.normal(size=37) * 1.5, rng.random(37) < 0.8
        at = np.full(37, place * 7)
        before = [array.copy() for array in (many.registers, many.previous, many.seen)]
        after, fired = rules.step(many, at, z, there, 20)
        for array, kept in zip((many.registers, many.previous, many.seen), before, strict=True):
            np.testing.assert_array_equal(array, kept)
        many = after
        for j, one in enumerate(alone):
            alone[j], mine = rules.step(one, at[:1], z[j : j + 1], there[j : j + 1], 20)
            assert mine[0] == fired[j]
            assert (alone[j].registers[:, 0] == many.registers[:, j]).all()
            assert alone[j].previous[0] == many.previous[j]
            assert alone[j].seen[0] == many.seen[j]


def test_the_state_is_bounded() -> None:
    state = rules.start(3)
    for place in range(100):
        state, _ = rules.step(state, np.full(3, place), np.ones(3), np.ones(3, np.bool_), GAP)
    assert state.registers.max() < 1 << rules.REMEMBERED
    assert sum(array.nbytes for array in (state.registers, state.previous, state.seen)) == 3 * (18 + 8 + 8)


def test_a_restarted_chart_is_as_new() -> None:
    state = rules.start(2)
    for place in range(8):
        state, _ = rules.step(state, np.full(2, place), np.full(2, 0.5), np.ones(2, np.bool_), GAP)
    state = rules.restart(state, np.array([True, False]))
    state, fired = rules.step(state, np.full(2, 8), np.full(2, 0.5), np.ones(2, np.bool_), GAP)
    assert fired[0] == 0
    assert fired[1] & rules.NELSON_2


def test_arrays_of_another_length_are_refused() -> None:
    two: NDArray[np.float64] = np.zeros(2)
    with pytest.raises(ShapeError, match="one element a chart"):
        rules.step(rules.start(3), np.zeros(3, np.int64), two, np.ones(3, np.bool_), GAP)
