"""One definition for every array library: what models and steps use is pure, and the same everywhere."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.strict_arrays import StrictArray, StrictNamespace, plain
from twins.bioreactor.models import MODELS, ProcessModel
from twins.bioreactor.models import volume as v
from twins.bioreactor.models.coordinates import coordinate_rates, to_coordinates, to_states
from twins.bioreactor.models.implicit import rosenbrock
from twins.bioreactor.models.integrate import rk4

Floats = NDArray[np.float64]
NAMES = pytest.mark.parametrize("name", list(MODELS))


def points(model: ProcessModel, count: int = 9) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(17)
    x = np.array([state.initial + state.scale for state in model.states])[:, None] * rng.uniform(0, 2, (1, count))
    x[1, 0] = 0.0
    u = np.array([one.default for one in model.inputs])[:, None] * np.ones((1, count))
    u[0] = rng.uniform(0, 0.01, count)
    return x, u, np.array([one.value for one in model.parameters])[:, None]


@NAMES
def test_rates_outputs_and_steps_run_on_arrays_that_cannot_be_written_or_branched_on(name: str) -> None:
    model: ProcessModel = MODELS[name]
    xp: Any = StrictNamespace()
    x, u, p = points(model)
    sx, su, sp = StrictArray(x), StrictArray(u), StrictArray(p)
    assert np.array_equal(plain(model.rates(xp, 0.0, sx, su, sp)), model.rates(np, 0.0, x, u, p))
    for output in model.outputs:
        assert np.array_equal(plain(output.of(xp, 0.0, sx, su, sp)), output.of(np, 0.0, x, u, p)), output.name
    z = to_coordinates(np, model.states, x)
    sz = to_coordinates(xp, model.states, sx)
    assert np.array_equal(plain(sz), z)
    assert np.array_equal(
        plain(coordinate_rates(xp, model, 0.0, sz, su, sp)), coordinate_rates(np, model, 0.0, z, u, p)
    )
    hours = np.full(x.shape[1], 0.01)
    moved = rk4(xp, model, 0.0, StrictArray(hours), sz, su, sp)
    assert np.array_equal(plain(moved), rk4(np, model, 0.0, hours, z, u, p))
    drawn = v.draw_sample(xp, model.states, to_states(xp, model.states, moved), 1e-6)
    added = v.add_bolus(xp, model.states, drawn, 1e-6, sx)
    assert added.shape == x.shape


def test_the_strict_arrays_do_refuse() -> None:
    one: Any = StrictArray([1.0, 2.0])
    with pytest.raises(TypeError, match="does not support item assignment"):
        one[0] = 1.0
    with pytest.raises(TypeError, match="no truth value"):
        bool(one > 0)
    with pytest.raises(TypeError):
        np.exp(one)
    with pytest.raises(AttributeError, match="not among"):
        StrictNamespace().cumsum(one)


@pytest.mark.jax
@NAMES
def test_jax_gives_what_numpy_gives(name: str) -> None:
    """Jitted, in double precision: to rounding, 1e-12 of each value (XLA orders and fuses operations its own way)."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    model = MODELS[name]
    xp = jax.numpy
    x, u, p = points(model)
    ours = model.rates(np, 0.0, x, u, p)
    theirs = jax.jit(lambda x, u, p: model.rates(xp, 0.0, x, u, p))(x, u, p)
    scales = np.array([state.scale for state in model.states])[:, None]
    assert (np.abs(np.asarray(theirs) - ours) <= 1e-12 * (np.abs(ours) + scales)).all()
    z = to_coordinates(np, model.states, x)
    moved, _ = jax.jit(lambda z, u, p: rosenbrock(xp, model, 0.0, 0.01, z, u, p))(z, u, p)
    # derivatives are differences over 1e-7, which let 1e-9 of rounding in
    assert (np.abs(np.asarray(moved) - rosenbrock(np, model, 0.0, 0.01, z, u, p)[0]) <= 1e-7 * (1 + np.abs(z))).all()
    stepped = jax.jit(lambda z, u, p: rk4(xp, model, 0.0, 0.01, z, u, p))(z, u, p)
    assert (np.abs(np.asarray(stepped) - rk4(np, model, 0.0, 0.01, z, u, p)) <= 1e-11 * (1 + np.abs(z))).all()
