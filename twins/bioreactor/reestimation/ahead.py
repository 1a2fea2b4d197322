"""From now to the horizon: every draw that is left goes on as a belief of its own, with the feeds that are planned.

A draw holds its parameters; what it does not know of its states, of growth that wanders and of the model's drift goes
on within it. A forecast is the mixture of all: quantiles are those of points drawn from it, hour by hour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.batched import cholesky
from twins.bioreactor.estimation.exchange import add_bolus, draw_sample
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.estimation.outlook import forecast_step
from twins.bioreactor.process_section import unit_of
from twins.bioreactor.reestimation.bundle import Hypotheses
from twins.bioreactor.reestimation.posterior import rounded
from twins.bioreactor.reestimation.question import Question
from twins.bioreactor.timeline import Stretch

Floats = NDArray[np.float64]

REPORTS = 24  # hours that are said
POINTS = 8  # of a draw at each of them
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
SEED_WORD = 1_000_003  # sets the keys of these points apart from those of draws


class Ahead:
    """Draws on their way to the horizon; `at` counts what is reported, `hour` is how far they are."""

    def __init__(self, question: Question, of: Hypotheses, joint: Joint, began: float, phase: str) -> None:
        self._question, self._of, self._began, self._phase = question, of, began, phase
        self.joint, self.at, self.hour = joint, 0, 0.0
        horizon = question.spec.horizon
        self.hours = [*(horizon * np.arange(REPORTS - 1) / (REPORTS - 1)).tolist(), horizon]
        self.found: list[Floats] = []
        self._step = forecast_step(question.process.model)

    def go_on(self) -> bool:
        """Say what is believed at an hour that is reported, or go one step on; say whether there was one."""
        if self.at >= REPORTS:
            return False
        if self.hour < self.hours[self.at]:
            self._go()
            return True
        at = self._began + self.hour
        self.joint.values = self._of.values(self._phase, at, at + 1.0)
        values = _values(self, self._stretch().inputs(self.hour))
        self.found.append(np.quantile(values, list(QUANTILES.values()), axis=1))
        self.at += 1
        return True

    def arrays(self) -> dict[str, Floats]:
        """Give all that changes as arrays."""
        found = np.stack(self.found) if self.found else np.zeros((0, 0, 0))
        joint = self.joint
        return {
            "mean": joint.mean, "covariance": joint.covariance, "volume": joint.volume, "found": found,
            "hour": np.array([self.hour]),
        }  # fmt: skip

    def put(self, arrays: dict[str, Floats]) -> None:
        """Go on from what `arrays` gave."""
        self.joint = Joint(arrays["mean"].copy(), arrays["covariance"].copy(), arrays["volume"].copy())
        self.found = [one.copy() for one in arrays["found"]]
        self.at = len(self.found)
        self.hour = float(arrays["hour"][0])

    # Any: JSON.
    def say(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the trajectory and the end of it."""
        model, filter_ = self._question.process.model, self._of.filter
        named = [(one.name, unit_of(one)) for one in filter_.states] + [(one.name, one.unit) for one in model.outputs]
        trajectory: dict[str, Any] = {}
        end: dict[str, Any] = {}
        for row, (name, unit) in enumerate(named):
            lines = {key: [rounded(float(one[k, row])) for one in self.found] for k, key in enumerate(QUANTILES)}
            trajectory[name] = {"unit": unit, **lines}
            end[name] = {"unit": unit, **{key: line[-1] for key, line in lines.items()}}
        return {"hours": [rounded(hour) for hour in self.hours], "quantities": trajectory}, end

    def _stretch(self) -> Stretch:
        """Give the stretch that begins now or is under way."""
        stretches = self._question.ahead
        return next((one for one in stretches if one.begin <= self.hour < one.end), stretches[-1])

    def _go(self) -> None:
        """Go one step on, at most to the next report or edge; what is done at an edge comes first."""
        stretch = self._stretch()
        if self.hour == stretch.begin:
            self._events(stretch)
        n, stop = len(self.joint.volume), min(self.hours[self.at], stretch.end)
        last = stop - self.hour < self._step * (1.0 + 1e-9)
        length = stop - self.hour if last else self._step
        at = self._began + self.hour
        self.joint.values = self._of.values(self._phase, at, at + length)
        u = np.repeat(stretch.inputs(self.hour + 0.5 * length)[:, None], n, axis=1)
        self._of.filter.predict(self.joint, np.full(n, at), np.full(n, length), u, self._step)
        self.hour = stop if last else self.hour + length

    def _events(self, stretch: Stretch) -> None:
        """Do what is done at the edge; a value at the hour of a bolus is the one before it."""
        filter_, n = self._of.filter, len(self.joint.volume)
        for event in stretch.events:
            litres = np.full(n, event.litres)
            if event.holds is None:
                draw_sample(self.joint, litres)
            else:
                holds = event.holds[list(filter_.layout.states)]
                add_bolus(self.joint, filter_, litres, np.repeat(holds[:, None], n, axis=1))


def _values(ahead: Ahead, u: Floats) -> Floats:
    """Draw points of the mixture, through states and outputs: shape (quantities, draws x points)."""
    filter_, joint, question = ahead._of.filter, ahead.joint, ahead._question
    m, n = filter_.layout.moving, len(joint.volume)
    key = np.random.PCG64([question.spec.seed, SEED_WORD, ahead.at])
    normal = np.random.Generator(key).standard_normal((m, POINTS, n))
    root = cholesky(np.ascontiguousarray(joint.covariance[:m, :m]))
    points = np.repeat(joint.mean[:m, None], POINTS, axis=1)
    for j in range(m):
        points = points + root[:, j, None] * normal[j]
    return _quantities(filter_, question, joint, points, ahead._began + ahead.hour, u)


def _quantities(
    filter_: JointFilter, question: Question, joint: Joint, points: Floats, hour: float, u: Floats
) -> Floats:  # fmt: skip
    shape = points.shape[1:]
    x, p = filter_.physical(points, joint.volume, joint.values)
    states = [x[row] for row in filter_.layout.states]
    inputs = u[:, None, None] * np.ones(shape)
    outputs = [
        np.broadcast_to(one.of(np, hour, x, inputs, p), shape) for one in question.process.model.outputs
    ]  # fmt: skip
    return np.stack([one.reshape(-1) for one in (*states, *outputs)])
