"""Moving in time: never below 0, never infinite, a unit alone as among others, fixed steps as the accurate solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.models import MODELS, ProcessModel
from twins.bioreactor.models.coordinates import coordinate_rates, to_coordinates, to_states
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.solve import solve

Floats = NDArray[np.float64]
NAMES = pytest.mark.parametrize("name", list(MODELS))


def defaults(model: ProcessModel) -> tuple[Floats, Floats, Floats]:
    """Give states, inputs and parameters as they stand in the model."""
    return (
        np.array([state.initial for state in model.states]),
        np.array([one.default for one in model.inputs]),
        np.array([one.value for one in model.parameters]),
    )


def held(u: Floats) -> Callable[[float], Floats]:
    """Inputs that stay."""
    return lambda hour: u


def march(model: ProcessModel, x: Floats, u: Floats, p: Floats, hours: float, steps: int) -> Floats:
    z = to_coordinates(np, model.states, x)
    for step in range(steps):
        z = rk4(np, model, step * hours / steps, hours / steps, z, u, p)
    found: Floats = to_states(np, model.states, z)
    return found


@NAMES
def test_fixed_steps_agree_with_the_accurate_solution(name: str) -> None:
    """At the model's own step, four feeds side by side, from nothing to plenty: 0.1 % of each state's range."""
    model = MODELS[name]
    x, u, p = defaults(model)
    hours = {"yeast": 8.0, "e_coli": 10.0, "pensim": 10.0}.get(name, 120.0)
    if name == "pensim":
        x[0], x[1] = 8.0, 2.0
    volume = x[[state.name for state in model.states].index("volume")]
    feeds = volume * np.array([0.0, 1e-4, 5e-4, 5e-3])
    wide = np.repeat(u[:, None], feeds.size, axis=1)
    wide[0] = feeds
    steps = int(np.ceil(hours / model.step_hours))
    ours = march(model, np.repeat(x[:, None], feeds.size, axis=1), wide, p[:, None], hours, steps)
    for column, feed in enumerate(feeds.tolist()):
        one = u.copy()
        one[0] = feed
        series, end = solve(model, (0.0, hours), x, held(one), p, np.linspace(0, hours, 50)[1:-1].tolist())
        span = np.ptp(np.column_stack([x, series, end]), axis=1) + 1e-3 * np.array([s.scale for s in model.states])
        assert (np.abs(ours[:, column] - end) < 1e-3 * span).all(), (feed, np.abs(ours[:, column] - end) / span)


def test_the_order_is_four() -> None:
    """Halving the step divides the error by 16: glucose falls as its coordinate, lactate rises as itself."""
    model = MODELS["cho_xing"]
    x, u, p = defaults(model)
    x[4], x[5] = 5.0, 1.0
    _, exact = solve(model, (0.0, 48.0), x, lambda t: u, p, [], 1e-12)
    errors = [
        float(np.max(np.abs(march(model, x, u, p, 48.0, steps) - exact)[:6] / exact[:6])) for steps in (6, 12, 24)
    ]
    assert errors[0] / errors[1] == pytest.approx(16.0, rel=0.35)
    assert errors[1] / errors[2] == pytest.approx(16.0, rel=0.35)


@NAMES
def test_a_unit_does_not_depend_on_its_neighbours(name: str) -> None:
    model = MODELS[name]
    rng = np.random.default_rng(7)
    x, u, p = (one[:, None] * rng.uniform(0.5, 1.5, (one.size, 133)) for one in defaults(model))
    u[0] = rng.uniform(0, 0.01, 133)
    if name == "pensim":
        u[3] = rng.uniform(293, 303, 133)
    z = to_coordinates(np, model.states, x)
    whole, alone = z, [z[:, j : j + 1] for j in range(133)]
    for step in range(5):
        hours = rng.uniform(0, 0.1, 133)
        whole = rk4(np, model, 0.1 * step, hours, whole, u, p)
        alone = [
            rk4(np, model, 0.1 * step, hours[j : j + 1], one, u[:, j : j + 1], p[:, j : j + 1])
            for j, one in enumerate(alone)
        ]
    assert np.array_equal(whole, np.concatenate(alone, axis=1))
    assert np.array_equal(whole[:, 40:80], np.concatenate(alone[40:80], axis=1))


@NAMES
def test_draws_and_units_may_both_be_axes(name: str) -> None:
    model = MODELS[name]
    x, u, p = defaults(model)
    z = to_coordinates(np, model.states, np.broadcast_to(x[:, None, None], (x.size, 3, 2)))
    moved = rk4(np, model, 0.0, 0.05, z, u[:, None, None], p[:, None, None])
    assert moved.shape == z.shape
    assert np.array_equal(moved[:, 2, 1], moved[:, 0, 0])


@NAMES
def test_no_time_changes_nothing(name: str) -> None:
    model = MODELS[name]
    x, u, p = defaults(model)
    z = to_coordinates(np, model.states, np.stack([x, 0.1 * x], axis=1))
    moved = rk4(np, model, 3.0, np.array([0.0, 0.01]), z, u[:, None], p[:, None])
    assert np.array_equal(moved[:, 0], z[:, 0])
    assert not np.array_equal(moved[:, 1], z[:, 1])


_AMOUNT = st.one_of(st.just(0.0), st.floats(0, 1e4), st.floats(0, 1e-12))


@given(
    name=st.sampled_from(list(MODELS)),
    times=st.lists(_AMOUNT, min_size=8, max_size=8),
    hours=st.lists(st.one_of(st.floats(0, 1), st.floats(0, 1e3)), min_size=1, max_size=4),
    feed=st.one_of(st.just(0.0), st.floats(0, 10)),
    factors=st.lists(st.floats(0.01, 100), min_size=40, max_size=40),
)
def test_concentrations_stay_non_negative_and_finite(
    name: str, times: list[float], hours: list[float], feed: float, factors: list[float]
) -> None:
    """Wild initial values, parameters, feeds and steps: up to 1e4 scales, a hundredfold off, 1,000 h in one step."""
    model = MODELS[name]
    scales = np.array([state.scale for state in model.states])
    x = scales * np.array(times[: scales.size])
    _, u, p = defaults(model)
    u[0] = feed
    low = np.array([one.low for one in model.parameters])
    high = np.array([one.high for one in model.parameters])
    p = np.clip(p * np.array(factors[: p.size]), low, high)
    z = to_coordinates(np, model.states, x)
    with np.errstate(all="ignore"):
        for length in hours:
            z = rk4(np, model, 0.0, length, z, u, p)
            assert np.isfinite(z).all()
            found = to_states(np, model.states, z)
            assert np.isfinite(found).all()
            assert all(found[row] > 0 for row, state in enumerate(model.states) if state.coordinate != "linear")
        speed = coordinate_rates(np, model, 0.0, z, u, p)
    assert np.isfinite(speed).all()


@NAMES
def test_what_vanishes_does_so_at_a_bounded_pace(name: str) -> None:
    """dz/dt as a state goes to 0, nothing fed: bounded by rate constants, no 1/x in it."""
    model = MODELS[name]
    x, u, p = defaults(model)
    for row, state in enumerate(model.states):
        if state.coordinate == "linear":
            continue
        speeds = []
        for trace in (1e-3, 1e-6, 1e-9, 1e-12):
            low = x.copy()
            low[row] = trace * state.scale
            speeds.append(float(coordinate_rates(np, model, 0.0, to_coordinates(np, model.states, low), u, p)[row]))
        assert min(speeds) > -100.0, (state.name, speeds)


def test_a_lag_that_ends_within_a_step_does_not_throw_dead_cells_off() -> None:
    """At I = 0 death begins from no dead cells at all: they get at most what the largest rate of the step gives."""
    model = MODELS["t_cell"]
    x, u, p = defaults(model)
    x[3] = -1e-3
    end = march(model, x, u, p, 0.05, 1)
    assert 0.0 <= end[1] < 0.05 * 0.083 * 5e5


def test_a_run_dry_recovers_when_it_is_fed_again() -> None:
    """Glucose used up for two days, then fed: it follows the feed at once, not a coordinate gone astray."""
    model = MODELS["cho_duran"]
    x, u, p = defaults(model)
    x[0], x[2] = 4e9, 0.5
    dry = march(model, x, u, p, 48.0, 960)
    assert 0.0 < dry[2] < 1e-2
    u[0] = 0.01
    fed = march(model, dry, u, p, 1.0, 20)
    _, exact = solve(model, (0.0, 1.0), dry, lambda t: u, p, [])
    assert fed[2] == pytest.approx(exact[2], rel=1e-3)
    assert fed[2] > 4.0


@NAMES
def test_the_accurate_solution_is_no_less_than_nothing(name: str) -> None:
    model = MODELS[name]
    x, u, p = defaults(model)
    hours = 40.0 if name in ("yeast", "e_coli") else 400.0
    found, _ = solve(model, (0.0, hours), x, lambda t: u, p, np.linspace(0, hours, 200)[1:].tolist())
    for row, state in enumerate(model.states):
        assert state.coordinate == "linear" or (found[row] >= 0.0).all()


def test_what_cannot_be_integrated_is_said() -> None:
    model = MODELS["cho_xing"]
    x, u, p = defaults(model)
    u[0] = np.nan
    with pytest.raises(SettingsError, match=r"expected cho_xing to be integrable .* not finite"):
        solve(model, (0.0, 1.0), x, lambda t: u, p, [])
