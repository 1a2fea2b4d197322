"""Forecasts of a joint filter: what a calibration promises, and what a verdict says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from msgspec import structs

from schemas.errors import SettingsError
from twins.bioreactor.estimation import outlook
from twins.bioreactor.estimation.design import Design, Unsure, Wander
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.models import MODELS

FILTER = JointFilter(Design(MODELS["t_cell"], (Unsure("rg", 0.2), Unsure("bi", 0.2)), (Wander("rg", 0.05, 12.0),)))
LEAD = 12.0


def beliefs(n: int, seed: int, spread: float = 1.0) -> Joint:
    """Draw beliefs of runs whose parameters have been seen: half of the prior's variance is learned."""
    rng = np.random.default_rng(seed)
    joint = FILTER.start(np.array([[1e6], [5e4], [3.0], [40.0], [7.2]]) * np.ones(n), np.ones(n))
    for row, sd in ((5, 0.2), (6, 0.2), (7, 0.05)):
        joint.mean[row] = spread * sd * np.sqrt(0.5) * rng.standard_normal(n)
        joint.covariance[row, row] *= 0.5
    return joint


def known(n: int, seed: int, spread: float = 1.0) -> outlook.Known:
    """Make runs whose end lies about the forecast by 1.5 times the filter's own doubt."""
    now = beliefs(n, seed, spread)
    u = np.array([0.0, 0.0, 20.0])[:, None] * np.ones(n)
    later = outlook.carry(FILTER, now, np.full(n, 60.0), LEAD, u)
    missed = 1.5 * np.sqrt(later.covariance[0, 0]) * np.random.default_rng(seed + 1).standard_normal(n)
    return outlook.Known(LEAD, now, later, np.exp(later.mean[0] + missed))


def calibration(n: int = 800) -> outlook.Calibration:
    return outlook.calibrate(FILTER, "test", "viable_cells", [known(n, 1)])


def test_an_overconfident_filter_is_widened_until_its_intervals_hold() -> None:
    """800 and 2,000 runs: 90 % within 2 %."""
    by, test = calibration(), known(2000, 50)
    said = outlook.say(FILTER, test.now, test.later, LEAD, by)
    assert 0.88 <= np.mean((test.truth >= said.low) & (test.truth <= said.high)) <= 0.92
    assert by.at(LEAD).factor == pytest.approx(1.5 * 1.645, rel=0.15)
    assert np.mean(said.verdict == outlook.OUTSIDE_CALIBRATION) < 0.02


def test_runs_unlike_those_of_the_calibration_are_named_and_given_more_room() -> None:
    by, test = calibration(), known(500, 90, spread=4.0)
    said = outlook.say(FILTER, test.now, test.later, LEAD, by)
    assert np.mean(said.verdict == outlook.OUTSIDE_CALIBRATION) > 0.4
    usual = np.sqrt(test.later.covariance[0, 0]) * by.at(LEAD).factor
    assert (np.log(said.high / said.median) >= usual * 0.999).all()
    assert np.mean(np.log(said.high / said.median)) > 1.5 * np.mean(usual)


def test_a_run_that_was_hardly_measured_says_so() -> None:
    now = FILTER.start(np.array([[1e6], [5e4], [3.0], [40.0], [7.2]]), np.ones(1))
    assert outlook.verdict(FILTER, now, calibration().at(LEAD)).tolist() == [outlook.NOT_ENOUGH_DATA]
    assert outlook.VERDICTS[outlook.NOT_ENOUGH_DATA] == "not enough data"


def test_a_parameter_beyond_its_range_is_outside_the_model() -> None:
    now = beliefs(2, 3)
    now.mean[5, 1] = np.log(1000.0)
    assert outlook.verdict(FILTER, now, calibration().at(LEAD)).tolist() == [outlook.FINE, outlook.OUTSIDE_MODEL]


def test_between_two_leads_the_larger_factor_counts_and_beyond_none() -> None:
    one = calibration(200).leads[0]
    by = structs.replace(calibration(200), leads=(one, structs.replace(one, lead_hours=24.0, factor=1.0)))
    assert by.at(1.0).factor == one.factor
    assert by.at(18.0).factor == one.factor
    assert by.at(24.0).factor == 1.0
    with pytest.raises(SettingsError, match="lead"):
        by.at(25.0)


def test_too_few_runs_promise_nothing() -> None:
    with pytest.raises(SettingsError, match="runs"):
        outlook.calibrate(FILTER, "test", "viable_cells", [known(50, 1)])


def test_a_calibration_goes_through_json_and_comes_back() -> None:
    by = calibration(200)
    assert msgspec.json.decode(msgspec.json.encode(by), type=outlook.Calibration) == by


def test_a_run_says_the_same_alone_and_among_others() -> None:
    by, test = calibration(), known(60, 7)
    said = outlook.say(FILTER, test.now, test.later, LEAD, by)
    alone = outlook.say(FILTER, test.now.part(slice(17, 18)), test.later.part(slice(17, 18)), LEAD, by)
    assert (alone.low[0], alone.median[0], alone.high[0]) == (said.low[17], said.median[17], said.high[17])


def test_a_forecast_step_of_a_quarter_hour_changes_little() -> None:
    """A hundredth of the forecast's own standard deviation."""
    now = beliefs(4, 9)
    u = np.array([0.0, 0.0, 20.0])[:, None] * np.ones(4)
    coarse = outlook.carry(FILTER, now, np.full(4, 60.0), 24.0, u)
    fine = now.copy()
    FILTER.predict(fine, np.full(4, 60.0), np.full(4, 24.0), u)
    assert np.abs(coarse.mean[0] - fine.mean[0]).max() <= 0.01 * np.sqrt(fine.covariance[0, 0]).min()
    assert np.sqrt(coarse.covariance[0, 0]) == pytest.approx(np.sqrt(fine.covariance[0, 0]), rel=0.01)
