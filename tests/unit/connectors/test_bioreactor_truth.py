"""The true course of a simulated run obeys its own equations."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.bioreactor_truth import Process, Truths
from schemas.errors import SettingsError

SEED = 5
UNITS = np.arange(4)


def test_mass_grows_at_the_growth_rate_between_samples() -> None:
    truths = Truths(Process(), 4, SEED)
    for hours in (0.5, 9.0, 10.2, 20.0, 33.0):  # none within 0.01 h of a sample
        before, after = (truths.at(UNITS, np.full(4, hours + step)) for step in (-1e-4, 1e-4))
        slope = (np.log(after.biomass_mass) - np.log(before.biomass_mass)) / 2e-4
        # central difference over 2e-4 h: truncation and rounding both stay below 1e-7
        assert slope == pytest.approx(truths.at(UNITS, np.full(4, hours)).growth_rate, abs=1e-7)


def test_sample_takes_volume_and_mass_and_leaves_the_concentration() -> None:
    process = Process()
    truths = Truths(process, 4, SEED)
    for hours in process.sample_hours():
        before, after = (truths.at(UNITS, np.full(4, hours + step)) for step in (-1e-9, 0.0))
        assert before.volume - after.volume == pytest.approx(process.sample_l, abs=1e-9)
        assert after.biomass == pytest.approx(before.biomass, rel=1e-8)


def test_volume_is_start_plus_feed_less_samples() -> None:
    process = Process()
    true = Truths(process, 4, SEED).at(UNITS, np.full(4, 35.0))
    drawn = sum(hours <= 35.0 for hours in process.sample_hours())
    assert true.volume == pytest.approx(process.volume_l + true.fed - drawn * process.sample_l)


def test_same_seed_same_units_another_seed_others() -> None:
    one, again, other = (Truths(Process(), 4, seed).at(UNITS, np.full(4, 3.0)).biomass for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).all()


def test_process_without_volume_for_its_samples_is_refused() -> None:
    with pytest.raises(SettingsError, match="volume"):
        Process(sample_l=0.5)
    assert Process(sample_every_hours=0.0).sample_hours() == []
