"""A forecast's bands hold what they promise, and a predicted crossing has the probability it names."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.instants import HOUR
from twins.bioreactor import PredictedLimit, read_config
from twins.bioreactor import filter as ekf
from twins.bioreactor.config import rules_of
from twins.bioreactor.fold import Beliefs, ParameterTable, prior
from twins.bioreactor.forecast import QUANTILES, crossing, forecast, quantiles
from twins.bioreactor.parameters.assumed_growth import GROWTH

VALUE = {parameter.name: parameter.value for parameter in GROWTH}
NOW = 1_000_000 * HOUR


def one(table: ParameterTable, rate: float, sd: float) -> Beliefs:
    beliefs = prior(table)
    beliefs.f[ekf.RATE], beliefs.f[ekf.P11] = rate, sd * sd
    beliefs.f[ekf.P00], beliefs.f[ekf.P01] = 0.03**2, 0.3 * 0.03 * sd
    beliefs.i[ekf.INITIALISED] = 1
    return beliefs


def test_the_fan_is_that_of_the_model_drawn_many_times() -> None:
    seed, runs, hours, steps = 5, 20_000, 8.0, 400
    print("seed", seed)
    rng = np.random.default_rng(seed)
    table = ParameterTable({})
    fan = forecast(one(table, 0.2, 0.05), np.array([NOW]), table.gather([0]), hours)
    start = rng.multivariate_normal([0.0, 0.2], [[0.03**2, 0.3 * 0.03 * 0.05], [0.3 * 0.03 * 0.05, 0.05**2]], runs)
    lnx, rate = start[:, 0].copy(), start[:, 1].copy()
    dt = hours / steps
    for _ in range(steps):
        lnx += rate * dt + VALUE["biomass_noise"] * np.sqrt(dt) * rng.normal(size=runs)
        rate += -VALUE["growth_rate_reversion"] * (rate - VALUE["growth_rate_mean"]) * dt
        rate += VALUE["growth_rate_noise"] * np.sqrt(dt) * rng.normal(size=runs)
    spread = quantiles(fan)
    for drawn, said in ((np.exp(lnx), spread["biomass"]), (rate, spread["growth_rate"])):
        # 20,000 runs: a quantile's own error is well below 2 %
        np.testing.assert_allclose(said[-1, 0], np.quantile(drawn, QUANTILES), rtol=0.02)
    rule = rules_of(read_config({"predicted": [{"tag": "biomass", "high": 5.0, "unit": "g/L"}]}))[1]
    probability, _ = crossing(fan, rule)
    assert probability[0] == pytest.approx(float((lnx > np.log(5.0)).mean()), abs=0.02)


def test_the_median_crosses_when_it_is_said_to() -> None:
    table = ParameterTable({"growth_rate_reversion": 0.0})
    fan = forecast(one(table, 0.1, 0.001), np.array([NOW]), table.gather([0]), 12.0)
    rule = rules_of(read_config({"predicted": [{"tag": "biomass", "high": 2.0, "unit": "g/L"}]}))[1]
    _, expected = crossing(fan, rule)
    assert (expected[0] - NOW) / HOUR == pytest.approx(np.log(2.0) / 0.1, abs=1e-3)
    never = rules_of(read_config({"predicted": [{"tag": "biomass", "high": 100.0, "unit": "g/L"}]}))[1]
    probability, expected = crossing(fan, never)
    assert (round(float(probability[0]), 6), expected[0]) == (0.0, -1)


def test_planned_feed_fills_and_dilutes() -> None:
    table = ParameterTable({"planned_feed_rate": 0.1, "growth_rate_reversion": 0.0})
    fan = forecast(one(table, 0.0, 1e-3), np.array([NOW]), table.gather([0]), 10.0)
    assert fan.volume[-1, 0] == pytest.approx(2.0)
    assert fan.lnx[-1, 0] == pytest.approx(-np.log(2.0), abs=1e-12)
    rule = rules_of(read_config({"predicted": [{"tag": "volume", "high": 1.5, "unit": "L"}]}))[1]
    probability, expected = crossing(fan, rule)
    assert probability[0] == 1.0
    assert (expected[0] - NOW) / HOUR == pytest.approx(5.0, abs=1e-6)


def test_a_twin_does_not_depend_on_its_neighbours() -> None:
    table = ParameterTable({})
    many = [one(table, rate, 0.05) for rate in np.linspace(-0.1, 0.4, 37)]
    whole = Beliefs(
        np.concatenate([part.f for part in many], axis=1),
        np.concatenate([part.i for part in many], axis=1),
        many[0].batches * 37,
    )
    fans = forecast(whole, np.full(37, NOW), table.gather([0] * 37), 12.0)
    for j, part in enumerate(many):
        fan = forecast(part, np.array([NOW]), table.gather([0]), 12.0)
        assert all((quantiles(fan)[name][:, 0] == quantiles(fans)[name][:, j]).all() for name in quantiles(fan))


def test_a_predicted_limit_needs_a_side() -> None:
    assert PredictedLimit("biomass", high=1.0).raise_at == 0.8
