"""Steps by JAX, on a CPU or an accelerator: one compiled program for any schedule of one model.

The program runs over a table of steps that is worked out before, so a feed that starts or stops compiles nothing. Its
width is fixed for a kind of device: another width might be another program, of other bits. JAX itself is imported where
a stepper is made: it is heavy, and an extra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.ensemble.tracks import MOST_STEPS, TILE
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import Array, Namespace, ProcessModel
from twins.engine import Device

Floats = NDArray[np.float64]

CPU_COLUMNS = 1024
GPU_COLUMNS = 16384


class JaxStepper:
    """Steps by JAX in float64."""

    name = "jax"

    def __init__(self, model: ProcessModel, device: Device) -> None:
        import jax
        import jax.numpy as jnp
        from jax import lax

        jax.config.update("jax_enable_x64", True)
        self._put = jax.device_put
        self._on = _device(jax, device)
        self.device = self._on.platform
        on_cpu = self.device == "cpu"
        self.columns = self.bucket = CPU_COLUMNS if on_cpu else GPU_COLUMNS
        self.parallel = on_cpu
        xp = _Once(jnp, lax.optimization_barrier) if on_cpu else jnp

        def go(z: Array, p: Array, hours: Array, length: Array, u: Array, steps: Array) -> Array:
            def step(k: Array, z: Array) -> Array:
                return rk4(xp, model, hours[k], length, z, jnp.repeat(u[k], TILE, axis=1), p)

            return lax.fori_loop(0, steps, step, z)

        self._go = jax.jit(go)
        rows = (len(model.states), len(model.parameters))
        z, p = (np.ones((count, TILE)) for count in rows)
        self.advance(z, p, np.zeros(0), 0.0, np.zeros((0, len(model.inputs), 1)))  # compiles; no step is taken

    @property
    def programs(self) -> int:
        """How many were compiled."""
        return int(self._go._cache_size())

    def advance(self, z: Floats, p: Floats, hours: Floats, length: float, u: Floats) -> Floats:
        """See `Stepper.advance`."""
        width, steps = z.shape[1], len(hours)
        short = ((0, 0), (0, self.columns - width))
        put = (
            np.pad(z, short, mode="edge"),
            np.pad(p, short, mode="edge"),
            np.pad(hours, (0, MOST_STEPS - steps)),
            np.float64(length),
            self._table(u),
            np.int64(steps),
        )
        moved: Floats = np.array(self._go(*self._put(put, self._on))[:, :width])
        return moved

    def _table(self, u: Floats) -> Floats:
        """Fill up a table of inputs to the steps and tiles of the program."""
        steps, inputs, tiles = u.shape
        table = np.zeros((MOST_STEPS, inputs, self.columns // TILE))
        table[:steps, :, :tiles], table[:steps, :, tiles:] = u, u[:, :, -1:]
        return table


class _Once:
    """jax.numpy, with what is dear worked out once: fused into all that uses it, it would be worked out for each.

    On a CPU this makes a step 2.7 times as fast, and its compilation 4 times (measured); an accelerator hides the cost,
    and would pay for every pass over its memory.
    """

    def __init__(self, xp: Namespace, once: Callable[[Array], Array]) -> None:
        self._xp, self._once = xp, once

    def __getattr__(self, name: str) -> Any:  # Any: a function of jax.numpy
        return getattr(self._xp, name)

    def stack(self, rows: Array) -> Array:
        return self._once(self._xp.stack(rows))

    def expm1(self, y: Array) -> Array:
        return self._once(self._xp.expm1(y))

    def logaddexp(self, one: Array, other: Array) -> Array:
        xp = self._xp
        return self._once(xp.maximum(one, other) + xp.log1p(xp.exp(-xp.abs(one - other))))


def _device(jax: Any, device: Device) -> Any:  # Any: JAX's own
    """Find the device; a GPU that JAX has no plug-in for leaves the CPU."""
    if device.kind == "cuda":
        try:
            some = jax.devices("cuda")
        except RuntimeError:
            some = []
        if some:
            return some[min(device.index, len(some) - 1)]
    return jax.devices("cpu")[0]
