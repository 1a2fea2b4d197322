"""The joint filter: a process model with what is not known of it, for many units at once.

The unscented lane looks where the model leads from points some standard deviations away, the extended lane from points
so near that their differences are derivatives; all else is shared. Units are the last axis of every array, nothing is
summed across it, and a unit's numbers are the same bits alone and among thousands.

Source
------
Points and mean: the unscented transform with kappa = 3 - d (Julier, Uhlmann and Durrant-Whyte 2000, IEEE Trans. Autom.
Control 45:477). Covariance: first and second differences of the same points (Norgaard, Poulsen and Ravn 2000,
Automatica 36:1627, eq. 27 ff.), a sum of squares and so never indefinite where the transform's own may be.
Ornstein-Uhlenbeck: Gillespie 1996, Phys. Rev. E 54:2084.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError
from twins.bioreactor.estimation.batched import cholesky
from twins.bioreactor.estimation.design import Design, Layout
from twins.bioreactor.models.coordinates import Chart, bounds, charts, coordinate_of, slope_of, state_of, to_states
from twins.bioreactor.models.implicit import carry
from twins.bioreactor.models.integrate import rk4
from twins.bioreactor.models.model import ProcessModel, is_stiff
from twins.block import Sharing

Floats = NDArray[np.float64]

Lane = Literal["unscented", "extended"]
SPREADS: dict[Lane, float] = {"unscented": 3.0**0.5, "extended": 1e-4}  # sd from the mean to a point
TOGETHER = 256  # units whose points are moved at once: what they need stays in the processor's cache
STIFF_STEP_HOURS = 0.05  # between two draws of the points of a stiff model; it is CHO's own step
SMALL = 0.01  # of a state's scale: what no model of a culture tells from nothing


@dataclass(slots=True)
class Joint:
    """What is believed of n units, in the rows of a `Layout`.

    Attributes
    ----------
    mean : array, shape (d, n)
        In coordinates (`models/coordinates.py`), logarithms for what is no state.
    covariance : array, shape (d, d, n)
        Symmetric.
    volume : array, shape (n,)
        Liquid volume [L]: booked, not estimated.
    values : array, shape (k, n), optional
        Of the design's phased parameters, in each unit's phase; without it the model's.
    """

    mean: Floats
    covariance: Floats
    volume: Floats
    values: Floats | None = None

    def copy(self) -> Joint:
        """Give one that shares nothing with this."""
        return Joint(self.mean.copy(), self.covariance.copy(), self.volume.copy(), _of(self.values, slice(None)))

    def part(self, which: slice | NDArray[np.int64]) -> Joint:
        """Give some units' beliefs, as their own arrays."""
        mean, covariance, volume = (
            np.array(one[..., which], order="C") for one in (self.mean, self.covariance, self.volume)
        )
        return Joint(mean, covariance, volume, _of(self.values, which))

    @staticmethod
    def joined(several: Sequence[Joint]) -> Joint:
        """Give the units of several as one, as its own arrays."""
        values = [one.values for one in several if one.values is not None]
        return Joint(
            np.concatenate([one.mean for one in several], axis=-1),
            np.concatenate([one.covariance for one in several], axis=-1),
            np.concatenate([one.volume for one in several], axis=-1),
            np.concatenate(values, axis=-1) if values else None,
        )

    def put(self, which: slice | NDArray[np.int64], some: Joint) -> None:
        """Write some units' beliefs back."""
        self.mean[:, which] = some.mean
        self.covariance[:, :, which] = some.covariance
        self.volume[which] = some.volume


@dataclass(slots=True)
class _Steps:
    """What `predict` was asked for."""

    joint: Joint
    t: Floats
    hours: Floats
    u: Floats


class JointFilter:
    """Moves the beliefs of one design in time.

    Parameters
    ----------
    design : Design
        What is estimated.
    lane : {"unscented", "extended"}
        How the model is looked at.

    Examples
    --------
    >>> from twins.bioreactor.models import MODELS
    >>> from twins.bioreactor.estimation.design import Unsure
    >>> joint = JointFilter(Design(MODELS["yeast"], (Unsure("qs_max", 0.2),)))
    >>> belief = joint.start(np.array([[0.5], [10.0], [0.0]]), np.array([1.0]))
    >>> joint.predict(belief, np.array([0.0]), np.array([2.0]), np.zeros((4, 1)))
    >>> low, middle, high = joint.quantiles(belief, np.array([0.05, 0.5, 0.95]))[:, 0, 0]
    >>> bool(low < middle < high)
    True
    """

    def __init__(self, design: Design, lane: Lane = "unscented") -> None:
        self.design = design
        self.lane = lane
        self.layout = Layout(design)
        self.states = tuple(design.model.states[row] for row in self.layout.states)
        self._rows = list(self.layout.states)
        self._values = [np.float64(one.value) for one in design.model.parameters]
        names = [one.name for one in design.model.parameters]
        self._phased = {names.index(name): row for row, name in enumerate(design.phased)}
        self._sharing: tuple[Sharing, str] | None = None

    def share(self, sharing: Sharing, name: str) -> None:
        """Make steps together with other filters of this name, which must be of the same design and lane."""
        self._sharing = sharing, name

    def start(self, x: Floats, volume: Floats) -> Joint:
        """Begin runs.

        Parameters
        ----------
        x : array, shape (s, n)
            Initial values of the model's states without the volume, in their units.
        volume : array, shape (n,)
            Liquid volume, above 0 [L].

        Raises
        ------
        ShapeError
            If they do not fit the model.
        """
        lay, n = self.layout, volume.shape[-1]
        if x.shape != (len(self.states), n):
            raise ShapeError(f"expected initial values of shape {(len(self.states), n)}, received {x.shape}")
        joint = Joint(np.zeros((lay.size, n)), np.zeros((lay.size, lay.size, n)), np.array(volume, dtype=np.float64))
        for row, state in enumerate(self.states):
            joint.mean[row] = coordinate_of(np, state, x[row])
            sd = self.design.initial_sd * np.maximum(np.abs(x[row]), SMALL * state.scale)
            joint.covariance[row, row] = np.square(sd / slope_of(np, state, np.maximum(np.abs(x[row]), sd)))
        for row, spread in lay.constants():
            joint.covariance[row, row] = spread * spread
        for row, spread, _ in lay.walks():
            joint.covariance[row, row] = spread * spread
        return joint

    def predict(self, joint: Joint, t: Floats, hours: Floats, u: Floats, longest: float | None = None) -> None:
        """Carry beliefs forward, in place.

        Parameters
        ----------
        t : array, shape (n,)
            Hours since the start of each run.
        hours : array, shape (n,)
            Time to bridge, 0 or more [h]; 0 leaves a unit bit for bit as it is. Longer ones than a step are split, each
            unit's by itself.
        u : array, shape (inputs, n)
            Inputs, held over that time.
        longest : float, optional
            Longest step [h]; without it `own_step`.
        """
        if not (hours > 0.0).any():
            return
        if self._sharing is None:
            self._predict(joint, t, hours, u, longest)
            return
        sharing, name = self._sharing
        key = name, longest, joint.values is None
        sharing.share(key, _Steps(joint, t, hours, u), lambda asked: self._predict_all(asked, longest))

    def _predict_all(self, asked: Sequence[_Steps], longest: float | None) -> None:
        """Carry forward what several asked for; where it raises, nothing of several is changed."""
        if len(asked) == 1:
            self._predict(asked[0].joint, asked[0].t, asked[0].hours, asked[0].u, longest)
            return
        joint = Joint.joined([one.joint for one in asked])
        t, hours, u = (
            np.concatenate(parts, axis=-1)
            for parts in ([one.t for one in asked], [one.hours for one in asked], [one.u for one in asked])
        )
        self._predict(joint, t, hours, u, longest)
        first = 0
        for one in asked:
            after = first + len(one.hours)
            one.joint.put(slice(None), joint.part(slice(first, after)))
            first = after

    def _predict(self, joint: Joint, t: Floats, hours: Floats, u: Floats, longest: float | None) -> None:
        steps = np.ceil(hours / (longest or own_step(self.design.model)) * (1.0 - 1e-9))
        each = hours / np.maximum(steps, 1.0)
        for turn in range(int(steps.max(initial=0.0))):
            moving = np.nonzero(turn < steps)[0]
            for some in _together(moving):
                part = joint.part(some)
                self._step(part, t[some] + turn * each[some], each[some], u[:, some])
                joint.put(some, part)

    def means(self, joint: Joint) -> Floats:
        """Give each state's median in its unit, shape (s, n)."""
        found: Floats = to_states(np, self.states, joint.mean[: len(self.states)])
        return found

    def quantiles(self, joint: Joint, normal_quantiles: Floats, wider: Floats | None = None) -> Floats:
        """Give quantiles of each state in its unit, shape (q, s, n), at quantiles of the standard normal distribution.

        `wider`, shape (s, n), is what each standard deviation is multiplied by.

        Notes
        -----
        A quantile below the median that is under a hundredth of the state's scale is 0 where the state cannot be
        negative: no model of a culture tells so little from nothing.
        """
        found = np.empty((len(normal_quantiles), len(self.states), joint.mean.shape[1]))
        sd = self.sd(joint) * (1.0 if wider is None else wider)
        for chart in charts(self.states, 1):
            trace = -np.inf if chart.coordinate == "linear" else SMALL * chart.scale
            for place, z in enumerate(normal_quantiles):
                value = state_of(np, chart, joint.mean[chart.place] + z * sd[chart.place])
                found[place, chart.place] = np.where((z < 0.0) & (value < trace), 0.0, value)
        return found

    def sd(self, joint: Joint) -> Floats:
        """Give the standard deviation of each state's coordinate, shape (s, n)."""
        rows = np.arange(len(self.states))
        found: Floats = np.sqrt(np.maximum(joint.covariance[rows, rows], 0.0))
        return found

    def seen(self, joint: Joint) -> Floats:
        """Give how much of its prior standard deviation each unsure parameter has kept, shape (parameters, n)."""
        rows = [(row, one.sd) for (row, _), one in zip(self.layout.unsure, self.design.unsure, strict=True)]
        n = joint.mean.shape[1]
        return np.stack([np.sqrt(joint.covariance[row, row]) / sd for row, sd in rows]) if rows else np.zeros((0, n))

    def value(self, joint: Joint, place: int) -> Floats:
        """Give the value about which a parameter of the model is unsure: its own, or that of each unit's phase."""
        row = self._phased.get(place)
        value: Floats = np.asarray(self._values[place]) if row is None or joint.values is None else joint.values[row]
        return value

    def physical(
        self, points: Floats, volume: Floats, values: Floats | None = None
    ) -> tuple[Floats, list[Floats]]:  # fmt: skip
        """Give the model's states, shape (states, ...), and parameters at points of the vector, shape (m, ...)."""
        x = np.empty((len(self.design.model.states), *points.shape[1:]))
        x[self._rows] = to_states(np, self.states, points[: len(self.states)])
        x[self.layout.volume] = volume
        return x, self._table(points, values)

    def _step(self, joint: Joint, t: Floats, hours: Floats, u: Floats) -> None:
        lay, gamma = self.layout, SPREADS[self.lane]
        d, m, s, n = lay.size, lay.moving, len(self.states), len(hours)
        factor = cholesky(joint.covariance)
        points = np.empty((m, 2 * m + 1, n))
        points[:, 0] = joint.mean[:m]
        shift = gamma * factor[:m, :m]
        np.add(joint.mean[:m, None], shift, out=points[:, 1 : m + 1])
        np.subtract(joint.mean[:m, None], shift, out=points[:, m + 1 :])
        moved, volume = self._move(points, t, hours, u, joint)

        centre, plus, minus = moved[:, 0], moved[:, 1 : m + 1], moved[:, m + 1 :]
        keep = np.ones((d, n))
        noise = np.zeros((d, n))
        for row, sd, memory in lay.walks():
            keep[row] = np.exp(-hours / memory)
            noise[row] = -np.expm1(-2.0 * hours / memory) * (sd * sd)
        first = factor * keep[:, None]
        first[:s, :m] = (plus - minus) / (2.0 * gamma)
        covariance = np.zeros((d, d, n))
        for j in range(d):
            top = 0 if j < m else m  # from column m on, the factor is 0 in the rows that the model moves
            covariance[top:, top:] += first[top:, None, j] * first[None, top:, j]
        mean = joint.mean * keep
        mean[:s] = centre
        if self.lane == "unscented":
            self._bend(mean, covariance, plus + minus - 2.0 * centre[:, None])
        for chart in charts(self.states, 1):
            low, high = bounds(chart)
            held = np.minimum(np.maximum(mean[chart.place], low), high)
            mean[chart.place] = held
            noise[chart.place] = self._drift(chart, held) * hours
        rows = np.arange(d)
        covariance[rows, rows] += noise
        joint.mean, joint.covariance, joint.volume = mean, covariance, volume

    def _bend(self, mean: Floats, covariance: Floats, second: Floats) -> None:
        """Add what the model's curvature does to mean and covariance; `second` has shape (s, m, n)."""
        s, m, _ = second.shape
        weight = 0.5 / (SPREADS[self.lane] ** 2)
        share = (SPREADS[self.lane] ** 2 - 1.0) * weight * weight
        for j in range(m):
            mean[:s] += weight * second[:, j]
            covariance[:s, :s] += share * (second[:, None, j] * second[None, :, j])

    def _drift(self, chart: Chart, z: Floats) -> Floats:
        """Give the variance per hour by which coordinates wander beside their model."""
        x = state_of(np, chart, z)
        sd = self.design.drift * (np.abs(x) + SMALL * chart.scale)
        variance: Floats = np.square(sd / np.maximum(slope_of(np, chart, x), SMALL * chart.scale))
        return variance

    def _move(self, points: Floats, t: Floats, hours: Floats, u: Floats, joint: Joint) -> tuple[Floats, Floats]:
        """Carry points, shape (m, k, n), through the model; give their states (s, k, n) and the volume (n,)."""
        lay, model = self.layout, self.design.model
        z = np.empty((len(model.states), *points.shape[1:]))
        z[self._rows] = points[: len(self.states)]
        z[lay.volume] = np.log(joint.volume)
        at = t, hours, z, u[:, None], self._table(points, joint.values)
        later = carry(model, *at, apart=self.lane == "unscented") if is_stiff(model) else rk4(np, model, *at)
        return later[self._rows], np.exp(later[lay.volume, 0])

    def _table(self, points: Floats, values: Floats | None) -> list[Floats]:
        """Give the model's parameters at points, in the model's order; those that are certain as numbers."""
        table: list[Floats] = list(self._values)  # type: ignore[arg-type]  # numbers broadcast as arrays do
        if values is not None:
            for place, row in self._phased.items():
                table[place] = values[row]
        for row, place in (*self.layout.unsure, *self.layout.wander):
            table[place] = table[place] * np.exp(points[row])
        return table


def _of(values: Floats | None, which: Any) -> Floats | None:
    return None if values is None else np.array(values[..., which], order="C")


def own_step(model: ProcessModel) -> float:
    """Give the longest step of a filter [h]: an explicit model's own, at which it stays stable over its whole range."""
    return STIFF_STEP_HOURS if is_stiff(model) else model.step_hours


def _together(units: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(units), TOGETHER):
        yield units[first : first + TOGETHER]
