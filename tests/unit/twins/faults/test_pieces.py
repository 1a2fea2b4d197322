"""The pieces by themselves: gate, stillness, alarms, gas balance, signals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instants import MINUTE
from twins.faults import CHANNELS, NAMES, RESIDUAL_SD, Kind, Settings, alarms, gate, relations, signals, still
from twins.faults.alarms import Claims
from twins.faults.channels import CAP, CULTURE, DO, GCO2, GO2, PH, RPM, Floats, W, consequence_table

SETTINGS = Settings()
GATE = gate.gate_of(SETTINGS, CHANNELS)
ONE = np.ones(1, np.bool_)


def walk(values: Floats) -> list[gate.Verdict]:
    """Give the gate one channel's errors, in sd about 0."""
    state, found = gate.start(GATE, 1), []
    for minute, value in enumerate(values):
        signal = np.full((len(CHANNELS), 1), np.nan)
        signal[PH] = value * RESIDUAL_SD["ph"]
        state, verdict = gate.step(GATE, state, np.full(1, minute * MINUTE), signal, np.zeros_like(signal), ONE)
        found.append(verdict)
    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(5.1, 1000), st.booleans())
def test_no_spike_of_up_to_three_readings_is_a_step(seed: int, length: int, size: float, up: bool) -> None:
    # Readings rounded to what a quiet channel shows: a spike must not do, whatever its size.
    # Below 5.1 some are not wild.
    values = np.clip(np.random.default_rng(seed).normal(size=60), -1.5, 1.5)
    values[40 : 40 + length] += size if up else -size
    found = walk(values)
    assert not any(verdict.stepped[PH, 0] and not verdict.faded[PH, 0] for verdict in found)
    assert sum(int(verdict.spike[PH, 0]) for verdict in found) == 1
    assert all(verdict.gated[PH, 0] for verdict in found[40 + (size < 6) : 40 + length])


@pytest.mark.parametrize("size", [5.0, -5.0, 40.0])
def test_a_lasting_step_is_found_and_dated(size: float) -> None:
    values = 0.5 * np.random.default_rng(3).normal(size=60)
    values[40:] += size
    found = walk(values)
    (at,) = [minute for minute, verdict in enumerate(found) if verdict.stepped[PH, 0]]
    assert 43 <= at <= 46
    verdict = found[at]
    assert verdict.stepped[PH, 0] == np.sign(size)
    assert verdict.since[PH, 0] == 40 * MINUTE
    assert verdict.size[PH, 0] == pytest.approx(size, abs=1.5)  # three sd of the mean of two readings of 0.5 sd
    assert not verdict.ramp[PH, 0]


def test_a_ramp_is_told_from_a_step() -> None:
    values = 0.3 * np.random.default_rng(4).normal(size=60)
    values[40:] += 1.5 * np.arange(1, 21)
    fired = next(verdict for verdict in walk(values) if verdict.stepped[PH, 0])
    assert fired.ramp[PH, 0]


def test_learned_noise_stays_within_its_bounds() -> None:
    state = gate.start(GATE, 2)
    rng = np.random.default_rng(5)
    calm = np.zeros((len(CHANNELS), 2))
    for minute in range(3000):
        signal = np.full((len(CHANNELS), 2), np.nan)
        signal[PH] = RESIDUAL_SD["ph"] * rng.normal(size=2) * np.array([0.01, 1.3])
        state, _ = gate.step(GATE, state, np.full(2, minute * MINUTE), signal, calm, np.ones(2, np.bool_))
    low, high = SETTINGS.noise_bounds
    assert state.noise[PH, 0] == pytest.approx(low * RESIDUAL_SD["ph"])
    assert RESIDUAL_SD["ph"] < state.noise[PH, 1] < high * RESIDUAL_SD["ph"]


@pytest.mark.parametrize(("quantum", "most"), [(0.0, 7), (0.2, 9), (1.0, 40)])
def test_a_coarse_instrument_takes_longer_to_be_called_stuck(quantum: float, most: int) -> None:
    rng = np.random.default_rng(6)
    state = still.start(GATE.nominal, 1)
    unit = RESIDUAL_SD["ph"]

    def step(value: float) -> bool:
        nonlocal state
        row = np.full((len(CHANNELS), 1), np.nan)
        row[PH] = value
        state, stuck = still.step(state, row, GATE.nominal)
        return bool(stuck[PH, 0])

    for _ in range(3000):
        value = unit * rng.normal()
        assert not step(np.round(value / (quantum * unit)) * quantum * unit if quantum else value)
    held = 0.0
    step(held)
    taken = next(minute for minute in range(1, 100) if step(held))
    assert still.LEAST <= taken <= most


def claim(*those: tuple[int, Kind]) -> Claims:
    claims = Claims.none(1)
    for place, kind in those:
        claims.put(place, ONE, kind, np.full(1, 7))
    return claims


def test_an_alarm_hides_what_follows_from_it_and_ends_when_it_has_healed() -> None:
    none, seen = np.zeros((len(NAMES), 1), np.bool_), np.zeros((len(NAMES), 1), np.bool_)
    seen[RPM] = True
    state, turns = alarms.step(alarms.start(1), claim((RPM, Kind.STOPPED), (DO, Kind.STEPPED)), seen)
    assert np.nonzero(turns.raised[:, 0])[0].tolist() == [RPM]
    state, turns = alarms.step(state, claim((DO, Kind.STEPPED), (RPM, Kind.STOPPED), (W, Kind.STEPPED)), seen)
    assert np.nonzero(turns.raised[:, 0])[0].tolist() == [W]
    for _ in range(alarms.HEALED - 1):
        state, turns = alarms.step(state, claim(), none)
        assert not turns.cleared.any()
    state, turns = alarms.step(state, claim(), none)
    assert turns.cleared[RPM, 0]
    state, turns = alarms.step(state, claim((DO, Kind.STEPPED)), none)
    assert not turns.raised.any()  # it still settles
    for _ in range(alarms.LINGER):
        state, turns = alarms.step(state, claim(), none)
    state, turns = alarms.step(state, claim((DO, Kind.STEPPED)), none)
    assert turns.raised[DO, 0]


def test_no_fault_explains_a_silent_channel() -> None:
    seen = np.ones((len(NAMES), 1), np.bool_)
    state, _ = alarms.step(alarms.start(1), claim((RPM, Kind.STOPPED)), seen)
    _, turns = alarms.step(state, claim((DO, Kind.DROPPED)), seen)
    assert turns.raised[DO, 0]


def test_a_channel_does_not_follow_from_itself() -> None:
    table = consequence_table()
    assert table.shape == (CULTURE + 1, CULTURE + 1)
    assert not np.diagonal(table).any()


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16), st.floats(0, 5), st.floats(0, 1000))
def test_signals_turn_back_into_readings(noise: list[float], rpm: float, poured: float) -> None:
    readings = 100.0 + np.array(noise)[:, None]
    taken = signals.offsets(
        np.full((7, 1), rpm), np.full(1, poured), np.array([[0.2], [0.05], [0.2], [0.05]]), np.full((4, 1), 0.1)
    )
    back = signals.to_readings(signals.to_signals(readings, taken), taken)
    np.testing.assert_allclose(back, readings, rtol=1e-12)  # one logarithm and one sum there and back


def test_the_gas_balance_closes_for_dry_gas() -> None:
    # 200 mL/min of air; 1 mmol/L/h taken, 0.9 given, 5 L: the off-gas follows by hand from moles in and out.
    moles, taken, given = 200.0 * 60.0 / 22.414, 5.0, 4.5  # mmol/h
    out = moles - taken + given
    values = np.zeros((len(CHANNELS), 1))
    values[GO2], values[GCO2] = 100 * (0.2095 * moles - taken) / out, 100 * (4e-4 * moles + given) / out
    values[W], values[DO], values[CAP] = 5000.0, 50.0, 4.0
    inlet = np.array([[0.2095], [4e-4], [0.2095], [4e-4]])
    flows = signals.Flows(*(np.full(1, x) for x in (200.0, 0.2095, 4e-4, 0.0, 0.0, 150.0)))
    gas = relations.gas_balance(SETTINGS, values, inlet, flows)
    assert np.exp(gas.uptake[0]) == pytest.approx(1.0, rel=1e-9)
    assert np.exp(gas.evolved[0]) == pytest.approx(0.9, rel=1e-9)
