"""Stiff models in long steps: as near as the accurate solution asks, never below 0, a unit alone as among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.strict_arrays import StrictArray, StrictNamespace, plain
from twins.bioreactor.models import MODELS, Model, StateInfo, implicit
from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.model import is_stiff
from twins.bioreactor.models.solve import solve

Floats = NDArray[np.float64]
STIFF = [name for name, model in MODELS.items() if is_stiff(model)]
NAMES = pytest.mark.parametrize("name", STIFF)
RUNS = {"yeast": (0.005, 20.0), "e_coli": (0.01, 20.0), "pensim": (0.042, 60.0)}  # feed and hours; substrate runs out


def defaults(name: str) -> tuple[Floats, Floats, Floats]:
    model = MODELS[name]
    return (
        np.array([state.initial for state in model.states]),
        np.array([one.default for one in model.inputs]),
        np.array([one.value for one in model.parameters]),
    )


def test_which_models_are_stiff_is_the_models_own_word() -> None:
    assert STIFF == ["pensim", "yeast", "e_coli"]


@NAMES
def test_a_whole_run_agrees_with_the_accurate_solution(name: str) -> None:
    """Fed as published and not fed at all, quarter hours at a time: 1e-4 of each state's range, depletion included."""
    model, (feed, hours) = MODELS[name], RUNS[name]
    x, u, p = defaults(name)
    wide = np.repeat(u[:, None], 2, axis=1)
    wide[0] = (feed, 0.0)
    at = np.arange(0.25, hours + 1e-9, 0.25)
    z = to_coordinates(np, model.states, np.repeat(x[:, None], 2, axis=1))
    found = np.empty((len(x), len(at), 2))
    for place in range(len(at)):
        z = implicit.carry(model, 0.0, 0.25, z, wide, p[:, None])
        found[:, place] = to_states(np, model.states, z)
    assert (found > 0.0).all()
    for column in range(2):
        one = wide[:, column]
        exact, _ = solve(model, (0.0, hours), x, lambda t, one=one: one, p, at, 1e-10)  # type: ignore[misc]
        span = np.ptp(np.column_stack([x, exact]), axis=1) + 1e-3 * np.array([state.scale for state in model.states])
        error = np.abs(found[:, :, column] - exact).max(axis=1) / span
        assert (error < 1e-4).all(), (column, error)


@NAMES
@pytest.mark.parametrize("apart", [True, False])
def test_a_unit_does_not_depend_on_its_neighbours(name: str, apart: bool) -> None:
    model, rng = MODELS[name], np.random.default_rng(7)
    x, u, p = defaults(name)
    shape = (3, 37)
    z = to_coordinates(np, model.states, x[:, None, None] * rng.uniform(0.3, 1.5, (len(x), *shape)))
    us = u[:, None, None] * np.ones((1, 1, 37))
    us[0] = rng.uniform(0.0, 0.02, 37)
    ps: list[Any] = list(p)
    ps[0] = p[0] * rng.uniform(0.8, 1.2, shape)
    hours = rng.uniform(0.0, 0.3, 37)
    hours[5] = 0.0
    whole = implicit.carry(model, 0.0, hours, z, us, ps, apart)
    for some in (slice(5, 6), slice(0, 1), slice(30, 37)):
        part = [row[..., some] if np.ndim(row) else row for row in ps]
        alone = implicit.carry(model, 0.0, hours[some], z[..., some], us[..., some], part, apart)
        assert np.array_equal(alone, whole[..., some])
    assert np.array_equal(whole[..., 5], z[..., 5])


@NAMES
def test_a_step_runs_on_arrays_that_cannot_be_written_or_branched_on(name: str) -> None:
    model, xp = MODELS[name], StrictNamespace()
    x, u, p = defaults(name)
    z = to_coordinates(np, model.states, x[:, None] * np.array([[1.0, 0.3, 0.0]]))
    hours, us, ps = np.array([0.01, 0.25, 0.0]), u[:, None] * np.ones((1, 3)), p[:, None] * np.ones((1, 3))
    moved, error = implicit.rosenbrock(np, model, 0.0, hours, z, us, ps)
    strict: Any = implicit.rosenbrock(xp, model, 0.0, *(StrictArray(one) for one in (hours, z, us, ps)))
    assert np.array_equal(plain(strict[0]), moved)
    assert np.array_equal(plain(strict[1]), error)


def test_what_is_in_balance_is_found_in_one_long_step() -> None:
    """dx/dt = a - k x with h k = 25,000: the balance a/k from above, below and nothing; about 4 / (h k) is left."""
    states = (StateInfo("product", "g/L", "softplus", 0.1, "", 1.0), MODELS["yeast"].states[-1])
    model = Model(
        "balance", 1, "", states, (), (), (),
        lambda xp, t, x, u, p: xp.stack([3e4 - 1e5 * x[0], 0.0 * x[1]]), 1e-5, stiff=True,
    )  # fmt: skip
    z = to_coordinates(np, states, np.array([[0.2, 0.4, 1e-9], [1.0, 1.0, 1.0]]))
    moved, _ = implicit.rosenbrock(np, model, 0.0, 0.25, z, [], [])
    assert to_states(np, states, moved)[0] == pytest.approx([0.3, 0.3, 0.3], rel=1e-3)


def test_a_step_thrown_off_by_a_singular_matrix_is_not_good() -> None:
    """Growth of 8 /h over a quarter of an hour makes 1 - h gamma J nothing: what comes is huge, and no excuse."""
    states = (StateInfo("product", "g/L", "softplus", 0.1, "", 1.0), MODELS["yeast"].states[-1])
    model = Model(
        "growth", 1, "", states, (), (), (),
        lambda xp, t, x, u, p: xp.stack([8.0 * x[0], 0.0 * x[1]]), 0.05, stiff=True,
    )  # fmt: skip
    z = to_coordinates(np, states, np.array([[1.0], [1.0]]))
    with np.errstate(all="ignore"):
        _, error = implicit.rosenbrock(np, model, 0.0, 0.25, z, [], [])
    assert not error[0] <= 1.0
    carried = to_states(np, states, implicit.carry(model, 0.0, 0.25, z, [], []))
    assert carried[0, 0] == pytest.approx(np.exp(2.0), rel=1e-4)


def test_the_order_is_three() -> None:
    """Halving the step divides the error by 8, on a stretch without a switch."""
    model = MODELS["e_coli"]
    x, u, p = defaults("e_coli")
    x[2] = 0.2
    _, exact = solve(model, (0.0, 2.0), x, lambda t: u, p, [], 1e-12)
    errors = []
    for steps in (4, 8, 16):
        z = to_coordinates(np, model.states, x[:, None])
        for _ in range(steps):
            z, _ = implicit.rosenbrock(np, model, 0.0, 2.0 / steps, z, u[:, None], p[:, None])
        errors.append(float(np.max(np.abs(to_states(np, model.states, z)[:3, 0] / exact[:3] - 1.0))))
    assert errors[0] / errors[1] == pytest.approx(8.0, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(8.0, rel=0.3)


def test_factors_solve_what_they_are_of() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((5, 5, 4)) + 5.0 * np.eye(5)[:, :, None], rng.standard_normal((5, 4))
    matrix = [list(row) for row in a]
    implicit.factor(matrix)
    found = np.stack(implicit.solved(matrix, list(b)))
    assert np.einsum("ijn,jn->in", a, found) == pytest.approx(b, abs=1e-12)


_AMOUNT = st.one_of(st.just(0.0), st.floats(0, 1e4), st.floats(0, 1e-12))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(STIFF),
    times=st.lists(_AMOUNT, min_size=6, max_size=6),
    hours=st.one_of(st.floats(0, 1), st.floats(0, 1e3)),
    feed=st.one_of(st.just(0.0), st.floats(0, 10)),
    factors=st.lists(st.floats(0.01, 100), min_size=40, max_size=40),
)
def test_concentrations_stay_non_negative_and_finite(
    name: str, times: list[float], hours: float, feed: float, factors: list[float]
) -> None:
    """Wild values, a hundredfold off, and few halvings, so that steps that are not good are taken too."""
    model = MODELS[name]
    _, u, p = defaults(name)
    scales = np.array([state.scale for state in model.states])
    u[0] = feed
    low, high = (np.array([getattr(one, end) for one in model.parameters]) for end in ("low", "high"))
    p = np.clip(p * np.array(factors[: p.size]), low, high)
    z = to_coordinates(np, model.states, scales * np.array(times[: scales.size]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(implicit, "DEEPEST", 3)
        moved = implicit.carry(model, 0.0, hours, z[:, None], u[:, None], p[:, None])
    assert np.isfinite(moved).all()
    assert (to_states(np, model.states, moved) > 0.0).all()
