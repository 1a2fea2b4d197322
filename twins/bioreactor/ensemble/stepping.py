"""What moves tiles in time: numpy everywhere, JAX where it is installed. One of them works out a whole answer.

Explicit models take the steps of `integrate.rk4`; stiff ones those of `implicit.carry`, always by numpy: each column
there chooses its own steps.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.errors import MissingExtraError
from twins.bioreactor.ensemble.stepping_jax import JaxStepper
from twins.bioreactor.ensemble.tracks import TILE
from twins.bioreactor.models.implicit import carry
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import ProcessModel, is_stiff
from twins.engine import Device

Floats = NDArray[np.float64]
Backend = Literal["auto", "numpy", "jax"]

# Measured (docs/ensembles.md): below, a step costs its calls; far above, it leaves the cache.
NUMPY_COLUMNS = 2048
STIFF_COLUMNS = 512


class Stepper(Protocol):
    """Moves some tiles by equal steps; for several threads where `parallel`."""

    name: str
    device: str
    columns: int  # of a launch, at most
    bucket: int  # the width that a launch is padded to
    parallel: bool

    def advance(self, z: Floats, p: Floats, hours: Floats, length: float, u: Floats) -> Floats:
        """Carry coordinates over steps that follow each other.

        Parameters
        ----------
        z, p : array, shape (states, columns) and (parameters, columns)
            Coordinates and parameters, in whole tiles.
        hours : array, shape (steps,)
            When each begins.
        length : float
            Of each [h].
        u : array, shape (steps, inputs, tiles)
            Inputs of each step and tile.
        """


class NumpyStepper:
    """Steps by numpy. Its calls are short: a second thread would wait for the first (measured)."""

    name, device, bucket, parallel = "numpy", "cpu", TILE, False

    def __init__(self, model: ProcessModel) -> None:
        self._model, self._stiff = model, is_stiff(model)
        self.columns = STIFF_COLUMNS if self._stiff else NUMPY_COLUMNS

    def advance(self, z: Floats, p: Floats, hours: Floats, length: float, u: Floats) -> Floats:
        """See `Stepper.advance`."""
        with np.errstate(all="ignore"):  # what is not finite is told where it is reported
            for hour, given in zip(hours.tolist(), u, strict=True):
                wide = np.repeat(given, TILE, axis=1)
                if self._stiff:
                    z = carry(self._model, hour, length, z, wide, p)
                else:
                    z = rk4(np, self._model, hour, length, z, wide, p)
        return z


def jax_there() -> bool:
    """Say whether JAX is installed."""
    return find_spec("jax") is not None


def make_stepper(model: ProcessModel, device: Device, backend: Backend) -> Stepper:
    """Choose what steps a model on a device.

    Raises
    ------
    MissingExtraError
        If JAX is asked for by name, and is not installed.
    """
    if backend == "jax" and not jax_there():
        raise MissingExtraError("jax", "jax")
    if backend == "numpy" or is_stiff(model) or not jax_there():
        return NumpyStepper(model)
    return JaxStepper(model, device)
