"""The detector's laws (order of units, company, storage, silence), and what it says of faults of a vessel at rest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import SettingsError, ShapeError
from schemas.instants import MINUTE
from tests.unit.twins.faults.vessels import LEVEL, ROW, Floats, fold, readings
from twins.faults import CHANNELS, NAMES, RESIDUAL_SD, Detector, Kind, Outcome, Settings, State, arrays, restored

QUICK = Settings(settle_minutes=60, learn_minutes=120)  # the vessel of these tests begins at rest
BEGIN = 150


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(QUICK)


@pytest.fixture(scope="module")
def rested(detector: Detector) -> State:
    state, outcomes = fold(detector, detector.start(2), 0, BEGIN)
    assert not any(outcome.raised.any() for outcome in outcomes)
    return state


def alarms(outcomes: list[Outcome], unit: int = 0) -> list[tuple[int, str, Kind]]:
    """Minute after the first, channel and kind of each alarm raised."""
    return [
        (minute, NAMES[int(place)], Kind(int(outcome.kind[place, unit])))
        for minute, outcome in enumerate(outcomes)
        for place in np.nonzero(outcome.raised[:, unit])[0]
    ]


def same(one: State, other: State, these: NDArray[np.int64] | None = None) -> None:
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(array if these is None else array[..., these], arrays(other)[name], name)


def disturb(minute: int, values: Floats, demands: Floats) -> None:
    """Something of everything, alike in all units."""
    values[ROW["ph"]] += 0.05 * (minute > 90)
    values[ROW["air"], :] = np.where(100 < minute < 110, np.nan, values[ROW["air"]])
    values[ROW["dissolved_oxygen"]] -= 10.0 * (minute == 120)


def test_a_unit_is_the_same_bit_for_bit_alone_and_among_others(detector: Detector) -> None:
    alone, _ = fold(detector, detector.start(1), 0, 140, disturb)
    among, _ = fold(detector, detector.start(19), 0, 140, disturb)
    same(among, alone, np.array([0]))


def test_units_in_another_order_give_the_same_in_that_order(detector: Detector) -> None:
    order = np.array([3, 0, 4, 1, 2])
    straight, shuffled = detector.start(5), detector.start(5)
    for minute in range(130):
        values, demands = readings(7, minute, 5)
        disturb(minute, values, demands)
        when = np.full(5, minute * MINUTE)
        straight, _ = detector.step(straight, when, values, demands)
        shuffled, _ = detector.step(shuffled, when, values[:, order], demands[:, order])
    same(straight, shuffled, order)


def test_a_state_that_was_stored_goes_on_as_if_it_had_not_been(detector: Detector, rested: State) -> None:
    stored = {
        name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape) for name, array in arrays(rested).items()
    }
    ahead, _ = fold(detector, rested, BEGIN, BEGIN + 20, disturb)
    again, _ = fold(detector, restored(stored), BEGIN, BEGIN + 20, disturb)
    same(ahead, again)


def test_a_step_leaves_the_state_it_was_given_as_it_was(detector: Detector, rested: State) -> None:
    before = {name: array.copy() for name, array in arrays(rested).items()}
    fold(detector, rested, BEGIN, BEGIN + 10, disturb)
    for name, array in arrays(rested).items():
        np.testing.assert_array_equal(array, before[name], name)


def test_single_missing_minutes_raise_nothing(detector: Detector, rested: State) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        values[minute % len(CHANNELS)] = np.nan
        if minute % 10 == 0:
            values[:] = np.nan

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 60, change)
    assert alarms(outcomes) == []


def test_unknown_demands_are_no_fault(detector: Detector) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        demands[:] = np.nan

    _, outcomes = fold(detector, detector.start(1), 0, 150, change)
    assert alarms(outcomes) == []


@pytest.mark.parametrize("name", RESIDUAL_SD)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_step_of_eight_sd_names_the_channel_within_a_quarter_of_an_hour(
    detector: Detector, rested: State, name: str, sign: float
) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        size = 8.0 * sign * RESIDUAL_SD[name]
        values[ROW[name]] = values[ROW[name]] * np.exp(size) if name == "capacitance" else values[ROW[name]] + size

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 15, change)
    (found,) = alarms(outcomes)
    assert found[1:] in ((name, Kind.STEPPED), (name, Kind.STOPPED))
    assert found[0] >= 3  # a spike of three readings must not do
    assert not outcomes[-1].trusted[ROW[name]].any()


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("size", [6.0, -25.0])
def test_a_spike_is_gated_and_logged_and_raises_nothing(
    detector: Detector, rested: State, length: int, size: float
) -> None:
    row = ROW["ph"]

    def change(minute: int, values: Floats, demands: Floats) -> None:
        if minute < BEGIN + length:
            values[row] += size * RESIDUAL_SD["ph"]

    _, plain = fold(detector, rested, BEGIN, BEGIN + 20)
    _, spiked = fold(detector, rested, BEGIN, BEGIN + 20, change)
    assert alarms(spiked) == []
    assert any(outcome.spike[row, 0] for outcome in spiked)
    for one, other in zip(spiked, plain, strict=True):
        assert abs(one.estimate[row, 0] - other.estimate[row, 0]) < 0.5 * RESIDUAL_SD["ph"]


def test_a_stuck_probe_is_named_within_ten_minutes_and_heals(detector: Detector, rested: State) -> None:
    row = ROW["dissolved_oxygen"]

    def change(minute: int, values: Floats, demands: Floats) -> None:
        if minute < BEGIN + 60:
            values[row] = 50.0

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 120, change)
    (found,) = alarms(outcomes)
    assert found[0] <= 10
    assert found[1:] == ("dissolved_oxygen", Kind.STUCK)
    assert not outcomes[59].trusted[row, 0]
    assert any(outcome.cleared[row, 0] for outcome in outcomes[60:])
    assert outcomes[-1].trusted[row, 0]


def test_a_channel_that_falls_silent_is_named_and_heals(detector: Detector, rested: State) -> None:
    row = ROW["weight"]

    def change(minute: int, values: Floats, demands: Floats) -> None:
        if minute < BEGIN + 30:
            values[row] = np.nan

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 90, change)
    assert alarms(outcomes) == [(QUICK.missing_minutes - 1, "weight", Kind.DROPPED)]
    assert any(outcome.cleared[row, 0] for outcome in outcomes[30:])


def test_a_probe_that_stepped_and_came_back_is_trusted_again(detector: Detector, rested: State) -> None:
    row = ROW["ph_second"]

    def change(minute: int, values: Floats, demands: Floats) -> None:
        if minute < BEGIN + 40:
            values[row] += 0.06

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 110, change)
    assert [found[1] for found in alarms(outcomes)] == ["ph_second"]
    assert not outcomes[35].trusted[row, 0]
    assert outcomes[-1].trusted[row, 0]
    assert (outcomes[-1].kind[:, 0] == Kind.NONE).all()


@pytest.mark.parametrize(
    ("one", "other"), [("offgas_oxygen", "offgas_carbon_dioxide"), ("temperature", "jacket_temperature")]
)
def test_two_tags_that_exchange_their_values_are_named_as_a_swap(
    detector: Detector, rested: State, one: str, other: str
) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        values[[ROW[one], ROW[other]]] = values[[ROW[other], ROW[one]]]

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 15, change)
    (found,) = alarms(outcomes)
    assert found[2] == Kind.SWAPPED
    place = NAMES.index(found[1])
    assert {found[1], NAMES[outcomes[-1].other[place, 0]]} == {one, other}


def test_swapped_echoes_of_two_pumps_are_named(detector: Detector, rested: State) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        values[[ROW["base"], ROW["feed"]]] = values[[ROW["feed"], ROW["base"]]]

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 10, change)
    assert [found[1:] for found in alarms(outcomes)] == [("base", Kind.SWAPPED)]


def test_a_stirrer_that_stops_is_said_in_the_minute_in_which_oxygen_falls(detector: Detector, rested: State) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        values[ROW["agitation"]] = 0.0
        values[ROW["dissolved_oxygen"]] -= min(10.0 * (minute - BEGIN + 1), 50.0)

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 30, change)
    assert alarms(outcomes) == [(0, "agitation", Kind.STOPPED)]


def test_a_drift_of_one_ph_probe_names_the_pair(detector: Detector, rested: State) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        values[ROW["ph_second"]] += 0.001 * (minute - BEGIN)

    _, outcomes = fold(detector, rested, BEGIN, BEGIN + 90, change)
    (found,) = alarms(outcomes)
    assert found[1:] == ("ph", Kind.DRIFTED)
    assert NAMES[outcomes[-1].other[ROW["ph"], 0]] == "ph_second"


def test_a_lost_feed_shows_in_the_weight(detector: Detector) -> None:
    def change(minute: int, values: Floats, demands: Floats) -> None:
        demands[5], values[ROW["feed"]] = 20.0, 20.0
        values[ROW["weight"]] += 19.0 * min(minute, BEGIN) / 60.0 - max(minute - BEGIN, 0) / 60.0

    _, outcomes = fold(detector, detector.start(1), 0, BEGIN + 120, change)
    (found,) = alarms(outcomes)
    assert found[1:] == ("feed", Kind.STOPPED)
    assert found[0] > BEGIN


def test_what_does_not_fit_is_refused(detector: Detector) -> None:
    state = detector.start(2)
    values, demands = readings(1, 0, 2)
    with pytest.raises(ShapeError):
        detector.step(state, np.zeros(2, np.int64), values[:3], demands)
    with pytest.raises(SettingsError):
        Settings(residual_sd={"ph": 0.0})
    with pytest.raises(SettingsError):
        Settings(settle_minutes=100, learn_minutes=50)
    with pytest.raises(SettingsError):
        Settings(noise_bounds=(1.5, 2.0))
    assert set(LEVEL) == set(CHANNELS)
