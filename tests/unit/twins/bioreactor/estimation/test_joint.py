"""The joint filter: against a Kalman filter where all is linear, against draws where it is not, and its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import expm

from schemas.errors import SettingsError, ShapeError
from twins.bioreactor.estimation.design import Channel, Design, Unsure, Wander
from twins.bioreactor.estimation.joint import Joint, JointFilter, Lane
from twins.bioreactor.estimation.measurement import expect, update
from twins.bioreactor.estimation.outputs import output_moments, output_quantiles, state_moments
from twins.bioreactor.models import MODELS
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import Array, Model, Namespace, StateInfo, stack
from twins.bioreactor.models.volume import volume_state

Floats = NDArray[np.float64]

LANES = pytest.mark.parametrize("lane", ["unscented", "extended"])
A = np.array([[-0.1, 0.4], [-0.3, -0.2]])


def _rates(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    return stack(xp, A[0, 0] * x[0] + A[0, 1] * x[1], A[1, 0] * x[0] + A[1, 1] * x[1], 0.0 * x[2])


LINEAR = Model(
    name="linear",
    version=1,
    title="two linear states",
    states=(
        StateInfo("a", "1", "linear", 1.0, "", 1.0, "other"),
        StateInfo("b", "1", "linear", 1.0, "", 0.0, "other"),
        volume_state(1.0),
    ),
    inputs=(),
    parameters=(),
    outputs=(),
    rates=_rates,
    step_hours=0.01,
)
CHO = Design(
    MODELS["cho_xing"],
    (Unsure("mu_m", 0.2), Unsure("Y_XS", 0.2), Unsure("K_S", 0.3)),
    (Wander("mu_m", 0.05, 12.0),),
    (
        Channel("capacitance", "viable_cells", 0.015, 0.0, 0.05, 0.015, 3.0),
        Channel("glucose", "glucose", 0.04, 0.2),
    ),
)
CHO_START = np.array([2e8, 4e6, 25.0, 4.0, 0.5, 0.2])


def cho(n: int, lane: Lane = "unscented") -> tuple[JointFilter, Joint, Floats]:
    """Give a filter, a belief of n units that differ, and their inputs."""
    filter_ = JointFilter(CHO, lane)
    spread = 1.0 + 0.1 * np.random.default_rng(5).standard_normal((6, n))
    joint = filter_.start(CHO_START[:, None] * spread, np.ones(n))
    u = np.array([one.default for one in CHO.model.inputs])[:, None] * np.ones(n)
    u[0] = np.linspace(0.0, 0.01, n)
    return filter_, joint, u


def one(joint: Joint, unit: int) -> bytes:
    return b"".join(np.ascontiguousarray(x[..., unit]).tobytes() for x in (joint.mean, joint.covariance, joint.volume))


def follow(filter_: JointFilter, joint: Joint, u: Floats, minutes: int, y: Floats, place: int = 0) -> None:
    """Go on minute by minute with a measurement each, y of shape (minutes, n)."""
    n = y.shape[1]
    yes, ones = np.ones(n, dtype=np.bool_), np.ones(n)
    for minute in range(minutes):
        filter_.predict(joint, np.full(n, minute / 60), np.full(n, 1 / 60), u)
        update(joint, filter_, place, y[minute], yes, ones, ~yes)


@LANES
def test_a_linear_model_gives_the_kalman_filter(lane: Lane) -> None:
    """The textbook's matrices, at 1e-9: what Runge-Kutta of step 0.01 h and differences leave."""
    filter_ = JointFilter(Design(LINEAR, channels=(Channel("y", "a", 0.0, 0.3),), initial_sd=0.5, drift=0.0), lane)
    joint = filter_.start(np.array([[1.0], [2.0]]), np.ones(1))
    m, P, F, H = joint.mean[:, 0].copy(), joint.covariance[:, :, 0].copy(), expm(A * 0.5), np.array([[1.0, 0.0]])
    rng = np.random.default_rng(3)
    yes = np.ones(1, dtype=np.bool_)
    for step in range(20):
        y = np.array([rng.normal()])
        filter_.predict(joint, np.array([0.5 * step]), np.array([0.5]), np.zeros((0, 1)))
        update(joint, filter_, 0, y, yes, np.ones(1), ~yes)
        m, P = F @ m, F @ P @ F.T
        S = H @ P @ H.T + 0.09
        K = P @ H.T / S
        if (y - H @ m) ** 2 <= 10.8276 * S[0, 0]:
            m, P = m + (K * (y - H @ m))[:, 0], P - K @ S @ K.T
        assert np.allclose(joint.mean[:, 0], m, rtol=0, atol=1e-7 if lane == "extended" else 1e-9)
        assert np.allclose(joint.covariance[:, :, 0], P, rtol=0, atol=1e-7 if lane == "extended" else 1e-9)


def test_mean_and_spread_after_a_day_are_those_of_draws() -> None:
    """5,000 draws know both to 1.5 % of the spread; what two derivatives leave after a day of wide doubt is 5 %."""
    filter_, joint, u = cho(1)
    rng = np.random.default_rng(8)
    d, m, draws = filter_.layout.size, filter_.layout.moving, 5_000
    root = np.linalg.cholesky(joint.covariance[:, :, 0] + 1e-18 * np.eye(d))
    points = joint.mean[:m] + root[:m] @ rng.standard_normal((d, draws))
    points[filter_.layout.wander[0][0]] = 0.0
    joint.covariance[filter_.layout.wander[0][0]] = joint.covariance[:, filter_.layout.wander[0][0]] = 0.0
    still = JointFilter(Design(CHO.model, CHO.unsure, (), CHO.channels, drift=0.0))
    assert still.layout.moving == m - 1
    rows = [row for row in range(d) if row != filter_.layout.wander[0][0]]
    belief = Joint(joint.mean[rows], joint.covariance[np.ix_(rows, rows)], joint.volume)
    _, p = filter_.physical(points, np.ones(draws))
    z = np.concatenate([points[:6], np.zeros((1, draws))])
    for step in range(48):
        still.predict(belief, np.array([step / 2]), np.array([0.5]), u)
        for part in range(10):
            z = rk4(np, CHO.model, step / 2 + part / 20, 0.05, z, u, p)
    sd = np.sqrt(np.diagonal(belief.covariance[:6, :6, 0]))
    assert np.abs(belief.mean[:6, 0] - z[:6].mean(axis=1)).max() <= 0.05 * sd.max()
    assert np.allclose(sd, z[:6].std(axis=1), rtol=0.06)


@LANES
def test_a_unit_alone_and_among_others_gives_the_same_bits(lane: Lane) -> None:
    n = 37
    filter_, joint, u = cho(n, lane)
    y = 2e8 * np.exp(0.02 * np.random.default_rng(1).standard_normal((10, n)))
    apart = [joint.part(slice(unit, unit + 1)) for unit in (0, 18, 36)]
    follow(filter_, joint, u, 10, y)
    for unit, alone in zip((0, 18, 36), apart, strict=True):
        follow(filter_, alone, np.ascontiguousarray(u[:, unit : unit + 1]), 10, y[:, unit : unit + 1])
        assert one(alone, 0) == one(joint, unit)


def test_time_that_does_not_pass_changes_no_bit() -> None:
    filter_, joint, u = cho(3)
    before = joint.copy()
    filter_.predict(joint, np.zeros(3), np.array([0.0, 0.5, 0.0]), u)
    assert [one(joint, unit) == one(before, unit) for unit in range(3)] == [True, False, True]


def test_a_long_gap_is_split_by_each_units_own_length() -> None:
    filter_, joint, u = cho(2)
    alone = joint.part(slice(0, 1))
    filter_.predict(joint, np.zeros(2), np.array([0.2, 7.0]), u)
    filter_.predict(alone, np.zeros(1), np.array([0.2]), np.ascontiguousarray(u[:, :1]))
    assert one(joint, 0) == one(alone, 0)


def test_measurements_that_are_not_there_change_no_bit() -> None:
    filter_, joint, u = cho(2)
    filter_.predict(joint, np.zeros(2), np.full(2, 1.0), u)
    before = joint.copy()
    there = np.array([False, True])
    update(joint, filter_, 0, np.array([np.nan, 2e8]), there, np.ones(2), np.zeros(2, dtype=np.bool_))
    assert one(joint, 0) == one(before, 0)
    assert one(joint, 1) != one(before, 1)


def test_growth_is_learned_from_cells_alone_and_what_is_not_seen_keeps_its_prior() -> None:
    """Cells that grow 20 % faster: mu_m moves by most of it; K_S means nothing while there is plenty of glucose."""
    filter_, joint, u = cho(1)
    u[0] = 0.0
    k = [p.value for p in CHO.model.parameters]
    k[0] *= 1.2
    z = joint.mean[:6]
    z = np.concatenate([z, np.zeros((1, 1))])
    cells = []
    for minute in range(1800):
        z = rk4(np, CHO.model, minute / 60, 1 / 60, z, u, k)
        cells.append(np.exp(z[0]))
    follow(filter_, joint, u, 1800, np.array(cells))
    learned = joint.mean[filter_.layout.unsure[0][0], 0] / np.log(1.2)
    assert 0.7 < learned < 1.1
    kept = dict(zip([one.parameter for one in CHO.unsure], filter_.seen(joint)[:, 0], strict=True))
    assert kept["mu_m"] < 0.4
    assert kept["K_S"] > 0.99


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_covariance_stays_a_covariance_through_gross_measurements(seed: int) -> None:
    filter_, joint, u = cho(4)
    rng = np.random.default_rng(seed)
    for step in range(30):
        filter_.predict(joint, np.full(4, step / 2), rng.choice([0.0, 1 / 60, 0.05, 0.3], 4), u)
        y = np.abs(10.0 ** rng.uniform(-3, 12, 4))
        update(joint, filter_, int(rng.integers(2)), y, rng.random(4) < 0.8, np.ones(4), rng.random(4) < 0.5)
        P = np.moveaxis(joint.covariance, -1, 0)
        assert np.isfinite(joint.mean).all()
        assert np.isfinite(P).all()
        assert (np.swapaxes(P, 1, 2) == P).all()
        sd = np.sqrt(np.diagonal(P, axis1=1, axis2=2))
        safe = np.where(sd > 0, sd, 1.0)
        assert np.linalg.eigvalsh(P / safe[:, :, None] / safe[:, None, :]).min() > -1e-8
        assert (filter_.quantiles(joint, np.array([-3.0, 0.0, 3.0]))[:, :6] >= 0.0).all()


def test_many_exact_measurements_leave_a_valid_covariance() -> None:
    filter_ = JointFilter(Design(LINEAR, channels=(Channel("y", "a", 0.0, 1e-5),), drift=0.0))
    joint = filter_.start(np.array([[1.0], [2.0]]), np.ones(1))
    yes = np.ones(1, dtype=np.bool_)
    for _ in range(20_000):
        update(joint, filter_, 0, np.ones(1), yes, np.ones(1), yes)
    assert 0.0 <= joint.covariance[0, 0, 0] <= 1e-10 / 20_000 * 1.001
    assert np.linalg.eigvalsh(joint.covariance[:, :, 0]).min() >= -1e-20


def test_the_gate_refuses_a_jump_and_opens_when_told() -> None:
    filter_, joint, u = cho(2)
    follow(filter_, joint, u, 30, np.full((30, 2), 2.02e8))
    before = joint.copy()
    jump, yes = np.full(2, 4e8), np.ones(2, dtype=np.bool_)
    judged = update(joint, filter_, 0, jump, yes, np.ones(2), np.array([False, True]))
    assert judged.accepted.tolist() == [False, True]
    assert one(joint, 0) == one(before, 0)
    assert expect(joint, filter_, 0).value[1] == pytest.approx(4e8, rel=0.01)
    assert np.linalg.eigvalsh(joint.covariance[:, :, 1]).min() > -1e-12


def test_a_part_shares_nothing_with_the_whole() -> None:
    filter_, joint, u = cho(3)
    part = joint.part(slice(1, 2))
    before = one(part, 0)
    filter_.predict(joint, np.zeros(3), np.full(3, 0.5), u)
    assert one(part, 0) == before


def test_the_mean_of_more_readings_is_worth_more() -> None:
    filter_, joint, u = cho(2)
    filter_.predict(joint, np.zeros(2), np.full(2, 6.0), u)
    yes = np.ones(2, dtype=np.bool_)
    update(joint, filter_, 1, np.full(2, 24.0), yes, np.array([1.0, 4.0]), ~yes)
    assert joint.covariance[2, 2, 1] < joint.covariance[2, 2, 0]


def test_an_output_has_the_moments_and_quantiles_of_draws() -> None:
    """40,000 draws know a mean to 0.5 % of the spread; the bend across the main direction is left out: 3 %."""
    design = Design(MODELS["t_cell"], (Unsure("bi", 0.2), Unsure("ai", 0.1)))
    filter_ = JointFilter(design)
    joint = filter_.start(np.array([[1e6], [5e4], [3.0], [80.0], [7.2]]), np.ones(1))
    output = next(one for one in design.model.outputs if one.name == "inhibition")
    t, u = np.zeros(1), np.zeros((3, 1))
    root = np.sqrt(np.diagonal(joint.covariance[:, :, 0]))
    draws = joint.mean + root[:, None] * np.random.default_rng(2).standard_normal((len(root), 40_000))
    x, p = filter_.physical(draws, np.ones(40_000))
    values = output.of(np, t, x, u, p)
    mean, sd = output_moments(filter_, joint, output, t, u)
    assert mean[0] == pytest.approx(values.mean(), abs=0.03 * values.std())
    assert sd[0] == pytest.approx(values.std(), rel=0.03)
    quantiles = output_quantiles(filter_, joint, output, t, u, np.array([-1.644854, 0.0, 1.644854]))[:, 0]
    assert quantiles == pytest.approx(np.quantile(values, [0.05, 0.5, 0.95]), abs=0.02)


def test_state_moments_are_those_of_a_log_normal() -> None:
    filter_, joint, _ = cho(1)
    joint.covariance[0, 0] = 0.3**2
    mean, sd = state_moments(filter_, joint)
    expected = np.exp(joint.mean[0, 0] + 0.045)
    assert mean[0, 0] == pytest.approx(expected, rel=1e-8)
    assert sd[0, 0] == pytest.approx(expected * np.sqrt(np.expm1(0.09)), rel=1e-6)


def test_a_quantile_of_next_to_nothing_is_nothing() -> None:
    filter_, joint, _ = cho(1)
    joint.mean[2], joint.covariance[2, 2] = -8.0, 4.0
    low, middle, high = filter_.quantiles(joint, np.array([-1.6, 0.0, 1.6]))[:, 2, 0]
    assert low == 0.0
    assert 0.0 < middle < high


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"unsure": (Unsure("mu", 0.2),)}, "parameter"),
        ({"wander": (Wander("mu_m", 0.1, 1.0), Wander("mu_m", 0.1, 2.0))}, "once"),
        ({"channels": (Channel("x", "cells", 0.1),)}, "state"),
        ({"channels": (Channel("x", "volume", 0.1),)}, "state"),
    ],
)
def test_a_design_that_cannot_be_is_refused(fields: dict[str, tuple[Unsure, ...]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Design(MODELS["cho_xing"], **fields)  # type: ignore[arg-type]


def test_a_gain_on_what_may_be_negative_is_refused() -> None:
    with pytest.raises(SettingsError, match="gain"):
        Design(LINEAR, channels=(Channel("y", "a", 0.1, gain_sd=0.1),))


def test_initial_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match="initial"):
        JointFilter(CHO).start(np.ones((5, 2)), np.ones(2))
