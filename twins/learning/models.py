"""River's models as values: a scaler, a Bayesian linear regression, a forest of half-spaces, and what they remember.

River keeps what it has learned in Python objects, and its own way to store them is pickle, which runs whatever it
reads. Here each is built anew from its settings and filled with numbers that have names. That reaches into the members
of river's objects, so `store.py` takes only what the very version of river wrote that is to read it.

Saying something changes nothing that counts: the regression caches the mean of its weights, and that is all.

Source
------
river 0.26.1: `preprocessing.StandardScaler` (Welford), `linear_model.BayesianLinearRegression` (Bishop 2006, eqs 3.50
to 3.59), `anomaly.HalfSpaceTrees` (Tan, Ting and Liu 2011, IJCAI, p. 1511). Where we differ: inputs are held within
`SPAN` learned standard deviations, so that no single odd one moves a regression, and the forest has its 0 to 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from river.anomaly import HalfSpaceTrees
from river.linear_model import BayesianLinearRegression
from river.preprocessing import StandardScaler

from schemas.errors import SnapshotError

SPAN = 4.0  # assumed: standard deviations within which an input counts; the bounds of the forest's 0 and 1
ONE = "one"  # the input that is always 1
TREES, HEIGHT, WINDOW = 30, 6, 250  # 10 of the default height 8 score as well, but by luck of the seed: see `oddness`
EXAMPLE = 0.05  # assumed: an example counts as so much, as the hourly ones of a run tell much the same


class ScalerState(Struct, frozen=True):
    """What a scaler remembers, in the order of its inputs."""

    count: int
    means: list[float]
    variances: list[float]


class RegressionState(Struct, frozen=True):
    """What a regression remembers: covariance of its weights by column, and precision times mean."""

    examples: int
    covariance: list[float]
    natural: list[float]


class ForestState(Struct, frozen=True):
    """What a forest remembers: masses of the window that is full and of the one that fills, and what its cuts are."""

    cuts: str
    counter: int
    first: bool
    reference: list[int]
    latest: list[int]


class Scaler:
    """Scales inputs by what was seen of them."""

    def __init__(self, names: Sequence[str], state: ScalerState | None = None) -> None:
        self.names = tuple(names)
        self._scaler = StandardScaler()
        if state is not None:
            _check_length(len(self.names), state.means, state.variances)
            self._scaler.counts.update(dict.fromkeys(self.names, state.count))
            self._scaler.means.update(zip(self.names, state.means, strict=True))
            self._scaler.vars.update(zip(self.names, state.variances, strict=True))

    def learn(self, x: Sequence[float]) -> None:
        """Take in one case."""
        self._scaler.learn_one(dict(zip(self.names, x, strict=True)))

    def scaled(self, x: Sequence[float]) -> dict[str, float]:
        """Give a case in standard deviations from the mean, each within `SPAN`."""
        scaled = self._scaler.transform_one(dict(zip(self.names, x, strict=True)))
        return {name: min(max(value, -SPAN), SPAN) for name, value in scaled.items()}

    def state(self) -> ScalerState:
        """Give what is remembered."""
        s = self._scaler
        return ScalerState(
            s.counts[self.names[0]], [s.means[name] for name in self.names], [s.vars[name] for name in self.names]
        )


class Regression:
    """What an outcome is expected to be, linear in scaled inputs."""

    def __init__(self, names: Sequence[str], state: RegressionState | None = None) -> None:
        self._names = (ONE, *names)
        self.examples = 0
        self._model = BayesianLinearRegression(alpha=1, beta=EXAMPLE)
        self._model._ensure_features(self._names)
        if state is not None:
            size = self._model._cap
            _check_length(size * size, state.covariance)
            _check_length(size, state.natural)
            self.examples = state.examples
            self._model._ss_inv_arr = np.array(state.covariance).reshape((size, size), order="F")
            self._model._eta_arr = np.array(state.natural)
        self._model._m_dirty = True  # the mean of the weights follows from these two

    def expect(self, x: dict[str, float]) -> float:
        """Give the expected outcome."""
        return float(self._model.predict_one({ONE: 1.0} | x))

    def learn(self, x: dict[str, float], y: float) -> None:
        """Take in one outcome."""
        self._model.learn_one({ONE: 1.0} | x, y)
        self.examples += 1

    def state(self) -> RegressionState:
        """Give what is remembered. River's precision matrix is left out: without forgetting nothing reads it."""
        model = self._model
        return RegressionState(self.examples, model._ss_inv_arr.ravel(order="F").tolist(), model._eta_arr.tolist())


class Forest:
    """How odd a case is among those of late: 0 to 1, 0 until a window of cases was seen."""

    def __init__(self, names: Sequence[str], seed: int, state: ForestState | None = None) -> None:
        self._model = HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=seed)
        self._model.learn_one(dict.fromkeys(names, 0.5))  # which builds the trees; the case itself is taken out again
        self._nodes = [node for nodes in self._model._tree_nodes for node in nodes]
        self._cuts = _cuts(self._nodes)
        if state is None:
            state = ForestState(self._cuts, 0, True, [0] * len(self._nodes), [0] * len(self._nodes))
        if state.cuts != self._cuts:
            raise SnapshotError(
                f"expected a forest with the cuts {self._cuts}, received {state.cuts}; let the learning begin anew"
            )
        _check_length(len(self._nodes), state.reference, state.latest)
        for node, reference, latest in zip(self._nodes, state.reference, state.latest, strict=True):
            node.r_mass, node.l_mass = reference, latest
        self._model.counter, self._model._first_window = state.counter, state.first

    def score(self, x: dict[str, float]) -> float:
        """Say how odd a scaled case is."""
        return float(self._model.score_one(_unit(x)))

    def learn(self, x: dict[str, float]) -> None:
        """Take in one scaled case."""
        self._model.learn_one(_unit(x))

    def state(self) -> ForestState:
        """Give what is remembered."""
        return ForestState(
            self._cuts,
            self._model.counter,
            self._model._first_window,
            [node.r_mass for node in self._nodes],
            [node.l_mass for node in self._nodes],
        )


def _unit(x: dict[str, float]) -> dict[str, float]:
    """Bring scaled inputs to 0 to 1."""
    return {name: 0.5 + 0.5 * value / SPAN for name, value in x.items()}


# Any: river's nodes.
def _cuts(nodes: Sequence[Any]) -> str:
    """Hash where trees are cut: it follows from the seed, the inputs and river's way to draw."""
    said = [(getattr(node, "feature", None), getattr(node, "threshold", None)) for node in nodes]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _check_length(wanted: int, *lists: Sequence[float]) -> None:
    for one in lists:
        if len(one) != wanted:
            raise SnapshotError(f"expected {wanted} numbers of a model, received {len(one)}; let it begin anew")
