"""The ring of forecasts that wait: each comes back once, when its instant has come, and not before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ShapeError
from twins.forecasting import Waiting

LEADS = np.array([10, 30])


def said(value: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[value], [value + 0.5]])


@settings(deadline=None)
@given(st.lists(st.integers(8, 13), min_size=1, max_size=30))
def test_a_forecast_comes_back_at_its_instant_and_once(gaps: list[int]) -> None:
    ring = Waiting.empty(2, 8, 1)
    made: list[int] = []
    back: dict[tuple[int, int], int] = {}
    now = 0
    for gap in gaps:
        now += gap
        due, ring = ring.take(now, LEADS, 4)
        for place, lead in enumerate(LEADS.tolist()):
            if np.isnan(due.centre[place, 0]):
                continue
            origin = round(float(due.centre[place, 0] - 0.5 * place))
            assert origin in made
            assert abs(origin + lead - now) <= 4
            assert (place, origin) not in back
            back[place, origin] = now
        ring = ring.put(now, said(float(now)), said(1.0), said(1.0))
        made.append(now)
    for place, lead in enumerate(LEADS.tolist()):
        for target in np.cumsum(gaps).tolist():
            near = [origin for origin in made if abs(origin + lead - target) <= 4]
            # with gaps above 8 and a tolerance of 4 an instant is spoken of by two origins at most
            if len(near) == 1:
                assert (place, near[0]) in back


def test_an_origin_older_than_the_ring_is_forgotten() -> None:
    ring = Waiting.empty(2, 3, 1)
    for now in (0, 10, 20, 30):
        ring = ring.put(now, said(float(now)), said(1.0), said(1.0))
    due, _ = ring.take(30, LEADS, 0)
    assert due.centre[0, 0] == 20.0
    assert np.isnan(due.centre[1, 0])  # origin 0 was overwritten


def test_taking_and_putting_leave_the_ring_as_it_was() -> None:
    ring = Waiting.empty(2, 4, 1)
    ring.put(0, said(1.0), said(1.0), said(1.0))
    assert ring.next.tolist() == [0]
    assert np.all(np.isnan(ring.centre))
    full = ring.put(0, said(1.0), said(1.0), said(1.0))
    full.take(10, LEADS, 0)
    assert full.open[:, 0].tolist() == [1, 1]


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ShapeError):
        Waiting.empty(2, 4, 1).put(0, np.zeros((2, 3)), said(1.0), said(1.0))
