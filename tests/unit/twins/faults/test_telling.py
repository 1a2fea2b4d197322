"""What is told of a channel: a step that something explains is no fault, and what went on slowly is not forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.instants import MINUTE
from tests.unit.twins.faults.vessels import ROW, fold, readings
from twins.faults import CHANNELS, NAMES, RESIDUAL_SD, Detector, Settings, State, arrays
from twins.faults.relations import ACID, BALANCE
from twins.faults.telling import JUMPED, NOTHING, RENEWED

BEGIN = 150


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(Settings(settle_minutes=60, learn_minutes=120))


@pytest.fixture(scope="module")
def rested(detector: Detector) -> State:
    state, _ = fold(detector, detector.start(1), 0, BEGIN)
    return state


def go_on(
    detector: Detector, state: State, shift: dict[str, float], told: dict[int, dict[str, int]], minutes: int,
    first: int = BEGIN,
) -> tuple[State, list[tuple[int, str, str]]]:  # fmt: skip
    """Fold minutes with shifted readings; `told` by minute. Give the alarms that turned."""
    turned = []
    for minute in range(first, first + minutes):
        values, demands = readings(5, minute, 1)
        for name, size in shift.items():
            values[ROW[name]] = values[ROW[name]] * np.exp(size) if name == "capacitance" else values[ROW[name]] + size
        said = np.zeros((len(CHANNELS), 1), np.int64)
        for name, how in told.get(minute - first, {}).items():
            said[ROW[name]] = how
        state, outcome = detector.step(state, np.full(1, minute * MINUTE), values, demands, said)
        for array, what in ((outcome.raised, "raised"), (outcome.cleared, "cleared")):
            turned += [(minute - first, NAMES[place], what) for place in np.nonzero(array[:, 0])[0]]
    return state, turned


def test_a_step_that_is_told_raises_nothing_on_any_channel(detector: Detector, rested: State) -> None:
    for name, sd in RESIDUAL_SD.items():
        how = RENEWED if name == "ph" else JUMPED
        _, untold = go_on(detector, rested, {name: 12.0 * sd}, {}, 16)
        _, told = go_on(detector, rested, {name: 12.0 * sd}, {0: {name: how}}, 16)
        assert untold, name
        assert not told, name


def test_a_step_may_come_a_little_before_it_is_told(detector: Detector, rested: State) -> None:
    state, early = go_on(detector, rested, {"weight": -40.0}, {2: {"weight": JUMPED}}, 40)
    assert early == []
    assert not state.standing.kind.any()


def test_a_probe_that_is_renewed_ends_its_alarm(detector: Detector, rested: State) -> None:
    after, raised = go_on(detector, rested, {"ph": 0.06}, {}, 15)
    assert [one[1:] for one in raised] == [("ph", "raised")]
    _, stays = go_on(detector, after, {"ph": 0.06}, {}, 60, BEGIN + 15)
    _, renewed = go_on(detector, after, {"ph": 0.0}, {0: {"ph": RENEWED}}, 60, BEGIN + 15)
    assert stays == []
    assert [one[1:] for one in renewed] == [("ph", "cleared")]


def test_a_slow_drift_goes_on_through_a_jump_and_is_forgotten_with_the_probe(detector: Detector, rested: State) -> None:
    for relation, name, sd in ((ACID, "ph", 0.0075), (BALANCE, "weight", 1.2)):
        bonds = replace(rested.relations, mean=rested.relations.mean.copy())
        bonds.mean[relation] += 3.0 * sd
        state = replace(rested, relations=bonds)
        before = float(bonds.mean[relation, 0] - bonds.centre[relation, 0])
        for how, left in ((JUMPED, before), (RENEWED, 0.0)):
            after, _ = go_on(detector, state, {name: 12.0 * RESIDUAL_SD[name]}, {0: {name: how}}, 1)
            gap = after.relations.mean[relation, 0] - after.relations.centre[relation, 0]
            assert gap == pytest.approx(left, abs=0.02 * sd)  # the centre follows a little


def test_to_be_told_nothing_is_not_to_be_told(detector: Detector, rested: State) -> None:
    values, demands = readings(5, BEGIN, 1)
    at = np.full(1, BEGIN * MINUTE)
    one, _ = detector.step(rested, at, values, demands)
    two, _ = detector.step(rested, at, values, demands, np.full((len(CHANNELS), 1), NOTHING))
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(array, arrays(two)[name], name)
