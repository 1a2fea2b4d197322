"""The scatter filter: it finds the yield, follows a sampling, shrugs at an outlier, and keeps to itself."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError, ShapeError
from tests.unit.twins.bioreactor.scatter.made import Made, chosen, cycle_of, made
from twins.bioreactor.scatter import filter as scatter_filter
from twins.bioreactor.scatter.filter import ScatterSettings, ScatterState

SETTINGS = ScatterSettings()


def fold(plate: Made) -> list[ScatterState]:
    state, states = scatter_filter.start(plate.size[1]), []
    for place in range(plate.size[0]):
        state = scatter_filter.step(SETTINGS, state, cycle_of(plate, place))
        states.append(state)
    return states


def bits(state: ScatterState) -> list[bytes]:
    return [getattr(state, field.name).tobytes() for field in fields(state)]


def test_it_finds_the_yield_and_says_how_surely() -> None:
    plate = made(cycles=300, wells=200, seed=1)
    last = fold(plate)[-1]
    off = (last.yields - plate.yields) / np.sqrt(last.p11)
    assert np.median(np.abs(last.yields / plate.yields - 1)) < 0.05
    # the truth here does not wander and the filter allows for it, so it is surer than it says
    assert np.mean(np.abs(off) < 1.645) > 0.9
    assert np.all(last.p00 * last.p11 >= last.p01**2)
    assert np.sqrt(np.median(last.noise)) == pytest.approx(0.01, rel=0.3)  # twenty cycles know it to a quarter


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_vessel_is_the_same_to_the_bit_alone_and_among_others(seed: int, wells: int) -> None:
    plate = made(cycles=30, wells=wells, seed=seed, sample_at=12, shift=0.1)
    together = fold(plate)[-1]
    for well in {0, wells // 2, wells - 1}:
        alone = fold(chosen(plate, [well]))[-1]
        for field in fields(together):
            assert getattr(alone, field.name)[0].tobytes() == getattr(together, field.name)[well].tobytes(), field.name


def test_the_unit_of_scatter_and_of_volume_does_not_matter() -> None:
    plate = made(cycles=80, wells=3, seed=2)
    plain = fold(plate)[-1]
    other = fold(
        replace(
            plate,
            scatter=plate.scatter * 8.0,
            volume=plate.volume / 1024.0,
            fed=plate.fed / 1024.0,
            drawn=plate.drawn / 1024.0,
        )
    )[-1]
    assert np.array_equal(other.level, plain.level * 8.0)  # powers of two: exact
    assert np.array_equal(other.yields, plain.yields * 8.0)
    assert np.array_equal(other.share, plain.share)


def test_a_missing_or_dark_or_late_reading_changes_nothing() -> None:
    plate = made(cycles=12, wells=5, seed=3)
    before = fold(plate)[-2]
    cycle = cycle_of(plate, 11)
    for gone in (
        replace(cycle, there=np.zeros(5, np.bool_)),
        replace(cycle, scatter=np.full(5, np.nan), volume=np.full(5, np.nan)),
        replace(cycle, scatter=np.zeros(5)),
        replace(cycle, instants=before.seen),
    ):
        assert bits(scatter_filter.step(SETTINGS, before, gone)) == bits(before)


def test_a_sampling_is_followed_and_an_outlier_is_not() -> None:
    plate = made(cycles=160, wells=20, seed=4, sample_at=150, shift=0.1)
    at = fold(plate)
    true = plate.scatter[159].mean() / at[159].level.mean()
    assert true == pytest.approx(1.0, abs=0.01)  # one standard deviation of a reading
    calm = made(cycles=160, wells=20, seed=4)
    spiked = replace(calm, scatter=calm.scatter.copy())
    spiked.scatter[150] *= 2.0
    # 100 % off, held to 4 standard deviations of about 2.5 %, and mostly taken for noise
    assert np.all(fold(spiked)[150].level / fold(calm)[150].level < 1.1)
    assert np.all(np.abs(fold(spiked)[159].level / fold(calm)[159].level - 1) < 0.03)


def test_the_state_is_left_as_it_was_and_holds_plain_arrays() -> None:
    plate = made(cycles=12, wells=4, seed=5)
    before = fold(plate)[-2]
    kept = bits(before)
    after = scatter_filter.step(SETTINGS, before, cycle_of(plate, 11))
    assert bits(before) == kept
    assert {getattr(after, field.name).dtype.name for field in fields(after)} == {"float64", "int64"}


def test_wrong_settings_and_shapes_are_refused() -> None:
    with pytest.raises(SettingsError, match="yield_wander"):
        ScatterSettings(yield_wander=0.0)
    cycle = cycle_of(made(cycles=1, wells=4, seed=6), 0)
    with pytest.raises(ShapeError, match="scatter"):
        scatter_filter.step(SETTINGS, scatter_filter.start(4), replace(cycle, scatter=np.ones(3)))
