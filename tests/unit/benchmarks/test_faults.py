"""A small run of the campaign of faults: the plant stays in its ranges, and what is found is found in time."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.faults import campaign, command
from benchmarks.faults.injection import Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.plant import Plant
from benchmarks.faults.vessel import DO, PH, RANGES, T, draw
from benchmarks.intervals import wilson

SEED = 11


def test_a_healthy_vessel_stays_in_its_ranges_and_raises_next_to_nothing() -> None:
    rng = np.random.default_rng(SEED)
    draws = draw(rng, 12)
    plant = Plant(draws, Noise(rng, draws, False), np.arange(12), Injection(12))
    for minute in range(1440):
        now = plant.step()
        for row, value in ((T, now.temperature), (PH, now.ph), (DO, now.oxygen)):
            low, high = RANGES[row]
            assert minute < 240 or ((low < value) & (value < high)).all()
    _, alarms, _ = campaign.healthy(12, SEED, student=False, shifted=False, days=1)
    assert alarms <= 2  # 0.02 a unit-day is the aim; above 2 of 12 has a chance below 1 in 500 even at 0.05


def test_sure_faults_are_found_and_named_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for hours, name in ((9, "WARM_HOURS"), (1, "ONSET_HOURS"), (1, "WATCH_HOURS")):
        monkeypatch.setattr(campaign, name, hours)
        monkeypatch.setattr(f"benchmarks.faults.scenarios.{name}", hours)
    for scored in campaign.faults(13, SEED, ("stuck", "drop-out", "heater lost", "air lost")):
        counts, good = command.in_time(scored)
        assert counts.sum() >= 12, scored.scenario
        assert good.sum() >= 11, scored.scenario  # two of 13 may fail at the bar of 90 %
        assert scored.right[good].mean() >= 0.9, scored.scenario


def test_intervals_hold_their_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(90, 100)
    assert low == pytest.approx(0.8256, abs=1e-4)  # Newcombe 1998, Statistics in Medicine 17:857, method 3
    assert high == pytest.approx(0.9448, abs=1e-4)
    rate, low, high = command.false_rate(10, 100.0)
    assert rate == 0.1
    assert low == pytest.approx(0.0479, abs=2e-3)  # exact: 4.795 and 18.39 of 10
    assert high == pytest.approx(0.1839, abs=2e-3)
