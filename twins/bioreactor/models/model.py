"""What a process model is: states, inputs, parameters, and one function that says how fast the states change.

The one definition serves the filter, the forecast, the ensemble and `twinstream simulate`: it is written against an
array namespace `xp` (numpy, jax.numpy, or any other with their functions), and element by element over the trailing
axes, which may be units, sigma points or draws. Whoever adds a model writes one module like `cho_xing.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from twins.bioreactor.parameters.parameter import Parameter

# Any: numpy, JAX and other arrays, and the modules that make them, share no static type.
Array = Any
Namespace = Any

Coordinate = Literal["log", "softplus", "linear"]
Role = Literal["concentration", "volume", "other"]


@dataclass(frozen=True, slots=True)
class StateInfo:
    """One state.

    `coordinate` is how filter and ensemble see it (see `coordinates.py`): `log` for what grows in proportion to
    itself, `softplus` for what may start at nothing or run out, `linear` for what may be negative. `scale` is a
    typical small amount in its unit. A bolus dilutes a `concentration` and adds to the `volume`; it leaves an
    `other` as it is.
    """

    name: str
    unit: str
    coordinate: Coordinate
    scale: float
    meaning: str
    initial: float
    role: Role = "concentration"


@dataclass(frozen=True, slots=True)
class InputInfo:
    """One input: what the vessel is given from outside. `feed_<state>` is what a feed holds of that state."""

    name: str
    unit: str
    default: float
    meaning: str
    low: float = 0.0
    high: float = 1e12


Rates = Callable[[Namespace, Array, Array, Array, Array], Array]


@dataclass(frozen=True, slots=True)
class Output:
    """Something derived from the states; `of(xp, t, x, u, p)` gives it with the trailing shape of `x`."""

    name: str
    unit: str
    meaning: str
    of: Rates


class ProcessModel(Protocol):
    """What filter, forecast, ensemble and simulation ask of a model; a plug-in need not inherit from it."""

    @property
    def name(self) -> str:
        """Name in specifications, such as `cho_xing`."""

    @property
    def version(self) -> int:
        """Raise it when the same inputs would give other numbers."""

    @property
    def states(self) -> tuple[StateInfo, ...]:
        """States, in the order of the rows of `x`."""

    @property
    def inputs(self) -> tuple[InputInfo, ...]:
        """Inputs, in the order of the rows of `u`."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters, in the order of the rows of `p`."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Derived quantities."""

    @property
    def step_hours(self) -> float:
        """Longest step at which `integrate.rk4` stays stable over the model's range of validity.

        A model for which that is seconds may have an attribute `stiff` that is true beside (`is_stiff`).
        """

    def rates(self, xp: Namespace, t: Array, x: Array, u: Array, p: Array, /) -> Array:
        """Give dx/dt.

        Parameters
        ----------
        xp : namespace
            The array functions: numpy, jax.numpy or alike.
        t : float or array
            Hours since the start.
        x : array, shape (states, ...)
            States in their units, 0 or more where the coordinate is not linear.
        u : array, shape (inputs, ...)
            Inputs; trailing axes that broadcast to those of `x`.
        p : array, shape (parameters, ...)
            Parameters; trailing axes that broadcast to those of `x`.

        Returns
        -------
        array, shape (states, ...)
            Rates in the states' units per hour. At a state of 0 that is not linear its rate is 0 or more.

        Notes
        -----
        Pure; no branching on values (use `xp.where`), no writing into arrays, nothing across the trailing axes.
        """


@dataclass(frozen=True, slots=True)
class Model:
    """A process model made of its parts."""

    name: str
    version: int
    title: str
    states: tuple[StateInfo, ...]
    inputs: tuple[InputInfo, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    rates: Rates
    step_hours: float
    stiff: bool = False


def is_stiff(model: ProcessModel) -> bool:
    """Say whether filter and forecast move a model by implicit steps; one that does not say is stepped explicitly."""
    return bool(getattr(model, "stiff", False))


def rows(array: Array, places: int | tuple[int, ...]) -> tuple[Array, ...]:
    """Give rows of an array, to be named one by one: those at `places`, or as many from the first on.

    Examples
    --------
    >>> import numpy as np
    >>> cells, glucose = rows(np.array([1e9, 25.0]), 2)
    >>> float(glucose)
    25.0
    """
    return tuple(array[row] for row in (range(places) if isinstance(places, int) else places))


def places(of: tuple[Parameter, ...], names: str) -> tuple[int, ...]:
    """Give where parameters stand, by their names in one line, for `rows`.

    Examples
    --------
    >>> from twins.bioreactor.parameters.xing2010 import XING
    >>> places(XING, "K_S mu_m")
    (1, 0)
    """
    known = {parameter.name: place for place, parameter in enumerate(of)}
    return tuple(known[name] for name in names.split())


def stack(xp: Namespace, *of: Array) -> Array:
    """Make one array of rows that broadcast to each other."""
    if xp is not np:
        return xp.stack(xp.broadcast_arrays(*of))
    made = np.empty((len(of), *np.broadcast(*of).shape))
    for row, one in enumerate(of):
        made[row] = one
    return made


def available(amount: Array, small: Array) -> Array:
    """Shut a constant uptake off as what it takes up vanishes: amount^2 / (amount^2 + small^2).

    Parameters
    ----------
    amount, small : array
        What is there, 0 or more, and the amount at which uptake is halved, above 0; same unit.

    Notes
    -----
    Assumed form. Published models take maintenance as constant and cut it at 0, or not at all. The square keeps far
    closer to the constant than amount / (amount + small) where there is plenty (0.1 % at 32 `small`, which the
    simple form reaches at 1,000), and its slope is smaller near 0, so that explicit steps stay stable. In logarithmic
    coordinates its rate goes to 0 with the amount.

    Examples
    --------
    >>> available(0.02, 0.02), round(available(1.0, 0.02), 4)
    (0.5, 0.9996)
    """
    return amount * amount / (amount * amount + small * small)
