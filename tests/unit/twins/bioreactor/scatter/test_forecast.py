"""Forecasts along the feed plan, and what peers tell each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.twins.bioreactor.scatter.made import made, run
from twins.bioreactor.scatter import PlateSettings, ScatterSettings, growth_rate, outlook, pooled
from twins.bioreactor.scatter import filter as scatter_filter
from twins.bioreactor.scatter.clock import diluted, gained
from twins.bioreactor.scatter.filter import ScatterState
from twins.bioreactor.scatter.peers import drawn_to, nobody


def believed(yields: list[float], unsure: list[float]) -> ScatterState:
    n = len(yields)
    state = scatter_filter.start(n)
    return replace(
        state,
        seen=np.zeros(n, np.int64),
        share=np.full(n, 0.1),
        level=np.full(n, 7.0),
        yields=np.array(yields),
        p00=np.full(n, 0.01),
        p01=np.zeros(n),
        p11=np.array(unsure),
        noise=np.full(n, 1e-4),
        shift=np.zeros(n),
    )


def test_feeding_in_parts_gains_the_share_of_feeding_at_once() -> None:
    share, volume, fed = np.array([0.2]), np.array([3.0]), np.array([0.7])
    once = gained(share, volume, fed)
    first = gained(share, volume, fed / 2)
    assert first + gained(share + first, volume + fed / 2, fed / 2) == pytest.approx(once, rel=1e-14)
    assert diluted(volume, fed) == pytest.approx(np.log(3.7 / 3.0), rel=1e-14)


def test_scatter_on_a_line_is_forecast_on_that_line_and_less_surely_further_off() -> None:
    state = believed([40.0], [4.0])
    planned = np.array([[20.0], [70.0], [160.0]])
    seen = outlook(ScatterSettings(), state, nobody(1), np.array([1.0, 3.0, 6.0]), np.array([900.0]), planned)
    assert np.exp(seen.centre[:, 0]) == pytest.approx(
        7.0 + 40.0 * 0.9 * planned[:, 0] / (900 + planned[:, 0]), rel=1e-12
    )
    assert np.all(np.diff(seen.spread[:, 0]) > 0)


def test_the_growth_rate_is_the_slope_along_the_plan_plus_dilution() -> None:
    hours = np.linspace(0.0, 2.0, 9)
    planned = np.expm1(0.1 * hours)[:, None] * 200.0
    found = growth_rate(believed([40.0], [4.0]), nobody(1), hours, np.array([900.0]), planned)
    ln = np.log(7.0 + 40.0 * 0.9 * planned[:, 0] / (900.0 + planned[:, 0]))
    expected = np.polyfit(hours, ln, 1)[0] + np.log1p(planned[-1, 0] / 900.0) / 2.0
    assert found[0] == pytest.approx(expected, rel=1e-9)


def test_beyond_the_plan_nothing_is_said() -> None:
    seen = outlook(
        ScatterSettings(),
        believed([40.0], [4.0]),
        nobody(1),
        np.array([1.0, 3.0]),
        np.array([9.0]),
        np.array([[1.0], [np.nan]]),
    )
    assert np.isfinite(seen.centre[0, 0])
    assert np.isnan(seen.centre[1, 0])
    assert np.isnan(seen.spread[1, 0])


def test_an_unsure_vessel_is_drawn_to_its_peers_and_a_sure_one_is_not() -> None:
    state = believed([40.0] * 9 + [400.0, 44.0], [1.0] * 9 + [1.0, 1e6])
    peers = pooled(state, np.ones(11, np.bool_), 0.3)
    assert peers.yields[0] == 40.0  # the broken one does not move it
    yields, variance = drawn_to(state, peers)
    assert yields[10] == pytest.approx(40.0, rel=1e-3)
    assert yields[9] == pytest.approx(400.0, rel=0.01)
    assert np.all(variance <= state.p11)


def test_the_order_of_vessels_does_not_matter_to_their_peers() -> None:
    rng = np.random.default_rng(5)
    yields, unsure = rng.uniform(30, 50, 17), rng.uniform(1, 100, 17)
    order = rng.permutation(17)
    plain = pooled(believed(yields.tolist(), unsure.tolist()), np.ones(17, np.bool_), 0.3)
    other = pooled(believed(yields[order].tolist(), unsure[order].tolist()), np.ones(17, np.bool_), 0.3)
    assert plain.yields[0] == other.yields[0]


def test_few_or_silent_vessels_have_no_peers() -> None:
    state = believed([40.0] * 6, [1.0] * 6)
    some = np.array([True, True, True, False, False, False])
    for peers in (pooled(state, some, 0.3), nobody(6)):
        yields, variance = drawn_to(state, peers)
        assert yields.tolist() == state.yields.tolist()
        assert variance.tolist() == state.p11.tolist()


def test_a_plate_on_its_line_is_forecast_to_a_tenth_of_its_rise() -> None:
    plate = made(cycles=260, wells=12, seed=9)
    _, said = run(plate, PlateSettings())
    for place, lead in enumerate((10, 30, 60)):
        errors = [np.abs(said[i].scatter[place] / plate.scatter[i + lead] - 1) for i in range(60, 260 - lead)]
        rise = [plate.scatter[i + lead] / plate.scatter[i] - 1 for i in range(60, 260 - lead)]
        # the mean absolute error of the noise alone is 0.8 %, the level adds half of that, and the yield a tenth of
        # the rise: the filter lets it wander by a tenth in an hour
        assert np.mean(errors) < 0.012 + 0.1 * np.mean(rise)
