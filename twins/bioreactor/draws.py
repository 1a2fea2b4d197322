"""What differs between the draws of a simulation: parameters, and states at the beginning.

Draw k takes its numbers from a generator of its own, keyed by (seed, k): whatever the number of draws, their order or
the machine that works on them, it is the same draw.

Source
------
Generator: PCG64 (O'Neill 2014) seeded by `numpy.random.SeedSequence`. A covariance C becomes draws by C = L L^T
(Cholesky; Golub and Van Loan 2013, algorithm 4.2.1), worked out here in the order of its rows, so that no library of
linear algebra decides a bit. Where we differ: a row that the ones before it determine is given no variance of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.jobs import SimulationSpec
from twins.bioreactor.models.coordinates import to_coordinates, to_states
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.simulation_inputs import LARGEST, Covariance, SimulationInputs, refused

Floats = NDArray[np.float64]

ROUNDING = 1e-9  # of the largest variance: what symmetry and a semidefinite matrix may lack
MOST_VARIANCE = 25.0  # of a logarithm or a coordinate: five natural logarithms as one standard deviation


class Drawn:
    """The draws of one specification.

    Raises
    ------
    SettingsError
        If its covariance is none.
    """

    def __init__(self, spec: SimulationSpec, model: ProcessModel, inputs: SimulationInputs) -> None:
        self._spec, self._model, self._inputs = spec, model, inputs
        self._spread = known_spread(model, inputs, spec.draws)
        some = None if spec.draws == 1 else inputs.covariance
        self._together = [] if some is None else [*some.parameters, *some.states]
        self._states = () if some is None else some.states
        root = [] if inputs.covariance is None else root_of(inputs.covariance, model)
        rows = len(model.parameters) + len(self._together)
        varies = bool(self._spread or self._together)
        self._normals = normals(spec.seed, spec.draws if varies else 0, rows)
        self._apart = np.zeros((len(self._together), spec.draws))
        for i in range(len(self._together)):  # each row by itself, in order: the same sums wherever they are made
            for j in range(i + 1):
                self._apart[i] += root[i][j] * self._normals[len(model.parameters) + j]

    def parameters(self) -> Floats:
        """Give the parameters of each draw, shape (parameters, draws), each held within its range."""
        model, spec = self._model, self._spec
        centre = np.array([spec.parameters.get(one.name, one.value) for one in model.parameters])
        table = np.repeat(centre[:, None], spec.draws, axis=1)
        for row, one in enumerate(model.parameters):
            if one.name in self._spread:
                variance = math.log1p(self._spread[one.name] ** 2)
                root = math.sqrt(variance)
                factors = [math.exp(root * normal - 0.5 * variance) for normal in self._normals[row].tolist()]
                table[row] = np.clip(centre[row] * np.array(factors), one.low, one.high)
            elif one.name in self._together:
                apart = self._apart[self._together.index(one.name)].tolist()
                table[row] = np.clip(centre[row] * np.array([math.exp(one) for one in apart]), one.low, one.high)
        return table

    def initial(self) -> Floats:
        """Give the states of each draw at hour 0, shape (states, draws)."""
        states, given = self._model.states, self._inputs.initial
        x = np.array([given.get(state.name, state.initial) for state in states])
        x = np.repeat(x[:, None], self._spec.draws, axis=1)
        if not self._states:
            return x
        z = to_coordinates(np, states, x)
        for row, state in enumerate(states):
            if state.name in self._states:
                place = len(self._together) - len(self._states) + self._states.index(state.name)
                z[row] += self._apart[place]
        moved = to_states(np, states, z)
        uncertain = np.array([state.name in self._states for state in states])
        found: Floats = np.where(uncertain[:, None], np.clip(moved, -LARGEST, LARGEST), x)
        return found


def known_spread(model: ProcessModel, inputs: SimulationInputs, draws: int) -> dict[str, float]:
    """Give the relative standard deviation of each parameter that varies between draws for itself.

    Raises
    ------
    SettingsError
        If nothing says what several draws should differ by.
    """
    if draws == 1:
        return {}
    together = inputs.covariance
    if inputs.spread is None and together is not None:
        return {}
    known = {one.name: one.spread for one in model.parameters} if inputs.spread is None else inputs.spread
    skipped = () if together is None else together.parameters
    varying = {name: spread for name, spread in sorted(known.items()) if spread > 0.0 and name not in skipped}
    if inputs.spread is None and not varying:
        raise refused(f"a spread: {model.name} documents none, and {draws} equal draws say nothing", "none", "inputs")
    return varying


def normals(seed: int, draws: int, rows: int) -> Floats:
    """Give standard normal numbers, shape (rows, draws): column k from the generator keyed by (seed, k).

    Examples
    --------
    >>> bool((normals(7, 3, 2)[:, 2] == normals(7, 5, 4)[:2, 2]).all())
    True
    """
    found = np.empty((draws, rows))
    for draw in range(draws):
        np.random.Generator(np.random.PCG64([seed, draw])).standard_normal(out=found[draw])
    return np.ascontiguousarray(found.T)


def root_of(covariance: Covariance, model: ProcessModel) -> list[list[float]]:
    """Give L with C = L L^T, its rows in the order of names.

    Raises
    ------
    SettingsError
        If names are unknown, twice or not as many as rows, or the matrix is not symmetric and positive semidefinite.

    Examples
    --------
    >>> from twins.bioreactor.models import MODELS
    >>> root_of(Covariance(((0.04, 0.02), (0.02, 0.01)), ("mu_m", "K_S")), MODELS["cho_xing"])
    [[0.2, 0.0], [0.09999999999999999, 0.0]]
    """
    where, names, matrix = "inputs.covariance", (*covariance.parameters, *covariance.states), covariance.matrix
    for given, there, kind in (
        (covariance.parameters, {one.name for one in model.parameters}, "parameters"),
        (covariance.states, {one.name for one in model.states}, "states"),
    ):
        if set(given) - there or len(set(given)) < len(given):
            raise refused(f"{kind} of {model.name}, each once", ", ".join(given)[:200], where)
    if len(matrix) != len(names) or any(len(row) != len(names) for row in matrix):
        raise refused(f"a matrix of {len(names)} rows and columns, one a name", "another", where)
    numbers = [value for row in matrix for value in row]
    if not all(math.isfinite(value) and abs(value) <= MOST_VARIANCE for value in numbers):
        raise refused(f"finite numbers up to {MOST_VARIANCE:g}", "others", where)
    slack = ROUNDING * max(map(abs, numbers))
    n = range(len(matrix))
    if any(abs(matrix[i][j] - matrix[j][i]) > slack for i in n for j in range(i)):
        raise refused("a symmetric matrix", "another", where)
    return _cholesky(matrix, slack, where)


def _cholesky(matrix: Sequence[Sequence[float]], slack: float, where: str) -> list[list[float]]:
    size = len(matrix)
    root = [[0.0] * size for _ in range(size)]
    for j in range(size):
        left = matrix[j][j] - sum(one * one for one in root[j][:j])
        if left < -slack:
            raise refused("a positive semidefinite matrix", f"a variance of {left:.3g} in row {j}", where)
        root[j][j] = math.sqrt(left) if left > slack else 0.0
        for i in range(j + 1, size):
            rest = matrix[i][j] - sum(a * b for a, b in zip(root[i][:j], root[j][:j], strict=True))
            if root[j][j] > 0.0:
                root[i][j] = rest / root[j][j]
            elif abs(rest) > math.sqrt(slack * max(matrix[i][i], slack)) * 2.0:
                raise refused("a positive semidefinite matrix", f"rows {j} and {i} that contradict each other", where)
    return root


__all__ = ["Drawn", "known_spread", "normals", "root_of"]
