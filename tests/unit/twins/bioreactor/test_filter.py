"""The batched filter against filterpy, against its own model, and against what would make it break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter
from numpy.typing import NDArray
from scipy.linalg import expm

from schemas.instants import HOUR, MINUTE
from twins.bioreactor import filter as ekf
from twins.bioreactor.fold import Beliefs, ParameterTable, fold_minutes, prior
from twins.bioreactor.parameters.assumed_growth import DEFAULTS, GROWTH, INDEX
from twins.bioreactor.rows import EMPTY_BUCKET, FEED, NO_ITEMS, SAMPLE, add_buckets, reading_bucket

Floats = NDArray[np.float64]
VALUE = {parameter.name: parameter.value for parameter in GROWTH}


def many(count: int, table: ParameterTable) -> tuple[Beliefs, Floats]:
    one = prior(table)
    beliefs = Beliefs(np.repeat(one.f, count, axis=1), np.repeat(one.i, count, axis=1), one.batches * count)
    return beliefs, table.gather([0] * count)


def fold_readings(
    beliefs: Beliefs, k: Floats, table: ParameterTable, minute: int, values: Floats, **extra: int
) -> None:
    buckets = [reading_bucket(float(value), minute * MINUTE) for value in values]
    if extra:
        volumes = list(EMPTY_BUCKET)
        volumes[FEED], volumes[SAMPLE] = extra.get("feed", 0), extra.get("sample", 0)
        buckets = [add_buckets(bucket, tuple(volumes)) for bucket in buckets]
    rows = np.ascontiguousarray(np.array(buckets, dtype=np.int64).T)
    count = len(values)
    fold_minutes(beliefs, k, np.full(count, minute, dtype=np.int64), rows, [NO_ITEMS] * count, table)


class Oracle:
    """The same filter for one twin over filterpy; F and Q by the matrix exponential (Van Loan 1978)."""

    def __init__(self, first: float) -> None:
        self.kf: Any = ExtendedKalmanFilter(dim_x=3, dim_z=1)
        sd = VALUE["gain_sd"]
        noise = VALUE["signal_relative_sd"] ** 2 + (VALUE["signal_absolute_sd"] / first) ** 2
        self.kf.x = np.array([[np.log(first)], [VALUE["growth_rate_mean"]], [0.0]])
        self.kf.P = np.array([[noise + sd**2, 0, -(sd**2)], [0, VALUE["growth_rate_sd"] ** 2, 0], [-(sd**2), 0, sd**2]])

    def step(self, hours: float, dilution: float, y: float) -> None:
        theta, mean = VALUE["growth_rate_reversion"], VALUE["growth_rate_mean"]
        a = np.array([[0.0, 1.0, 0.0], [0.0, -theta, 0.0], [0.0, 0.0, 0.0]])
        noise = np.diag([VALUE["biomass_noise"] ** 2, VALUE["growth_rate_noise"] ** 2, VALUE["gain_noise"] ** 2])
        block = expm(np.block([[-a, noise], [np.zeros((3, 3)), a.T]]) * hours)
        transition = block[3:, 3:].T
        self.kf.P = transition @ self.kf.P @ transition.T + transition @ block[:3, 3:]
        offset = np.array([[mean * hours - dilution], [mean], [0.0]])
        away = self.kf.x - np.array([[0.0], [mean], [0.0]])
        self.kf.x = transition @ away + offset
        h = float(np.exp(self.kf.x[0, 0] + self.kf.x[2, 0]))
        r = (VALUE["signal_relative_sd"] * h) ** 2 + VALUE["signal_absolute_sd"] ** 2
        self.kf.R = np.array([[r]])
        self.kf.update(np.array([[y]]), lambda x: np.array([[h, 0.0, h]]), lambda x: np.array([[h]]))


def test_agrees_with_filterpy_over_readings_and_feeds() -> None:
    rng = np.random.default_rng(3)
    table = ParameterTable({})
    beliefs, k = many(5, table)
    minute, volume = 1000, 1_000_000_000
    first = rng.uniform(0.5, 2.0, 5)
    fold_readings(beliefs, k, table, minute, first)
    oracles = [Oracle(round(value, 6)) for value in first.tolist()]
    level = first.copy()
    for _ in range(60):
        gap = int(rng.integers(1, 30))
        feed = int(rng.integers(0, 10_000_000))
        minute += gap
        level *= np.exp(0.1 * gap / 60)
        values = np.asarray(np.round(level * (1 + 0.01 * rng.normal(size=5)), 6), dtype=np.float64)
        fold_readings(beliefs, k, table, minute, values, feed=feed)
        dilution = float(np.log((volume + feed) / volume))
        volume += feed
        level *= np.exp(-dilution)
        for oracle, value in zip(oracles, values.tolist(), strict=True):
            # feed comes first by our convention, so it dilutes before the time to the reading passes
            oracle.kf.x[0, 0] -= dilution
            oracle.step(gap / 60, 0.0, value)
    assert (beliefs.i[ekf.GATE] == ekf.GATE_ACCEPTED).all()
    for j, oracle in enumerate(oracles):
        p = beliefs.f[ekf.P00 : ekf.P22 + 1, j]
        covariance = np.array([[p[0], p[1], p[2]], [p[1], p[3], p[4]], [p[2], p[4], p[5]]])
        # 1e-9 relative: two orders of operations over 60 steps in double precision
        np.testing.assert_allclose(beliefs.f[:3, j], oracle.kf.x[:, 0], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(covariance, oracle.kf.P, rtol=1e-9, atol=1e-13)


def test_a_twin_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(5)
    table = ParameterTable({})
    whole, k = many(133, table)
    alone = [many(1, table) for _ in range(133)]
    for minute in range(100, 130, 3):
        values = np.asarray(np.round(np.exp(rng.normal(size=133)), 6), dtype=np.float64)
        fold_readings(whole, k, table, minute, values, feed=1000)
        for j, (one, kj) in enumerate(alone):
            fold_readings(one, kj, table, minute, values[j : j + 1], feed=1000)
    assert all(
        (one.f[:, 0] == whole.f[:, j]).all() and (one.i[:, 0] == whole.i[:, j]).all()
        for j, (one, _) in enumerate(alone)
    )


def test_prediction_in_two_steps_is_prediction_in_one() -> None:
    table = ParameterTable({})
    one, k = many(1, table)
    fold_readings(one, k, table, 100, np.array([1.0]))
    two = one.copy_of([0])
    ekf.predict(one.f, np.array([3.0]), k)
    ekf.predict(two.f, np.array([0.01]), k)
    ekf.predict(two.f, np.array([2.99]), k)
    np.testing.assert_allclose(one.f, two.f, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("z", [0.0, 1e-9, 1e-3, 0.0499, 0.05, 0.0501, 0.3, 5.0])
def test_the_noise_of_integrated_growth_is_right_where_it_cancels(z: float) -> None:
    # Simpson's rule on the integral of ((1 - exp(-u)) / z)^2 over [0, z], in units of z
    u = np.linspace(0.0, 1.0, 2001)
    kernel = u if z == 0 else -np.expm1(-z * u) / z
    weights = np.ones(2001)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    expected = float((weights * kernel**2).sum() / 6000.0)
    assert ekf._psi(np.array([z]))[0] == pytest.approx(expected, rel=1e-11)


def test_stays_valid_after_very_many_very_precise_updates() -> None:
    table = ParameterTable({"signal_relative_sd": 0.0, "signal_absolute_sd": 1e-5})  # R = 1e-10
    beliefs, k = many(100, table)
    rng = np.random.default_rng(1)
    none = np.zeros(100, dtype=np.int64)
    for minute in range(10_000, 20_000):  # 100 twins x 10,000 updates
        fixed = np.rint((1.0 + 1e-5 * rng.normal(size=100)) * 1e6).astype(np.int64)
        rows = np.array([none + 1, fixed, fixed, fixed, none, none, none])
        fold_minutes(beliefs, k, none + minute, rows, [NO_ITEMS] * 100, table)
    p = beliefs.f[ekf.P00 : ekf.P22 + 1]
    matrices = np.array([[p[0], p[1], p[2]], [p[1], p[3], p[4]], [p[2], p[4], p[5]]]).transpose(2, 0, 1)
    assert np.isfinite(beliefs.f).all()
    assert (np.linalg.eigvalsh(matrices)[:, 0] >= -1e-12 * np.trace(matrices, axis1=1, axis2=2)).all()


def test_ninety_percent_bands_cover_ninety_percent() -> None:
    seed, twins = 11, 4000
    print("seed", seed)
    rng = np.random.default_rng(seed)
    table = ParameterTable({"signal_absolute_sd": 1e-4})
    beliefs, k = many(twins, table)
    theta, mean = VALUE["growth_rate_reversion"], VALUE["growth_rate_mean"]
    lnx = rng.normal(0.0, 0.3, twins)
    rate = rng.normal(mean, VALUE["growth_rate_sd"], twins)
    gain = rng.normal(0.0, VALUE["gain_sd"], twins)
    minute, fine = 1000, 20  # the truth moves in 20 small steps between readings
    for step in range(80):
        if step:
            for _ in range(fine):
                dt = 0.1 / fine
                lnx += rate * dt + VALUE["biomass_noise"] * np.sqrt(dt) * rng.normal(size=twins)
                rate += -theta * (rate - mean) * dt + VALUE["growth_rate_noise"] * np.sqrt(dt) * rng.normal(size=twins)
                gain += VALUE["gain_noise"] * np.sqrt(dt) * rng.normal(size=twins)
            minute += 6
        signal = np.exp(lnx + gain) * (1 + VALUE["signal_relative_sd"] * rng.normal(size=twins))
        fold_readings(beliefs, k, table, minute, signal)
    truth = (lnx, rate, gain)
    for row, variance, true in zip((ekf.LNX, ekf.RATE, ekf.GAIN), (ekf.P00, ekf.P11, ekf.P22), truth, strict=True):
        inside = np.abs(beliefs.f[row] - true) <= 1.6448536 * np.sqrt(beliefs.f[variance])
        # 4000 twins: the standard error of a coverage of 0.9 is 0.005
        assert 0.87 <= inside.mean() <= 0.93, (row, inside.mean())
    assert 0.9 <= beliefs.f[ekf.NIS_MEAN].mean() <= 1.1


def test_an_outlier_is_gated_and_a_jump_reopens_the_gate() -> None:
    table = ParameterTable({})
    beliefs, k = many(1, table)
    for minute in range(0, 120, 6):
        fold_readings(beliefs, k, table, 1000 + minute, np.array([1.0]))
    before = beliefs.f[ekf.LNX, 0]
    fold_readings(beliefs, k, table, 1120, np.array([3.0]))
    assert beliefs.i[ekf.GATE, 0] == ekf.GATE_REJECTED
    assert beliefs.f[ekf.LNX, 0] == pytest.approx(before, abs=0.02)
    for turn in range(3):
        fold_readings(beliefs, k, table, 1126 + 6 * turn, np.array([3.0]))
        assert beliefs.i[ekf.REJECTED, 0] == 2 + turn
    fold_readings(beliefs, k, table, 1144, np.array([3.0]))
    assert beliefs.i[ekf.GATE, 0] == ekf.GATE_REOPENED
    assert beliefs.i[ekf.REJECTED, 0] == 0
    assert np.exp(beliefs.f[ekf.LNX, 0]) == pytest.approx(3.0, rel=0.03)


def test_parameters_are_all_there_and_in_range() -> None:
    assert len(DEFAULTS) == len(INDEX)
    for parameter in GROWTH:
        assert parameter.low <= parameter.value <= parameter.high
        assert parameter.unit
        assert parameter.source.startswith("assumed: ")


def test_nothing_known_before_the_first_measurable_signal() -> None:
    table = ParameterTable({})
    beliefs, k = many(2, table)
    fold_readings(beliefs, k, table, 1000, np.array([0.005, 1.0]))
    assert beliefs.i[ekf.INITIALISED].tolist() == [0, 1]
    assert beliefs.i[ekf.TIME, 1] == 1000 * MINUTE
    assert HOUR == 60 * MINUTE
