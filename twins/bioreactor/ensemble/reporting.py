"""What is kept of a scenario: at each report the distribution of every state and output, and who has left a limit.

Draws are always taken in their own order, so that sums and quantiles do not depend on how they were worked on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.ensemble.question import PER_REPORT, Question
from twins.bioreactor.models.coordinates import to_states
from twins.bioreactor.simulate import QUANTILES
from twins.bioreactor.simulation_inputs import refused
from twins.bioreactor.steps import Leg

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Reporter:
    """The distributions of one scenario.

    Parameters
    ----------
    x, p : array, shape (states, draws) and (parameters, draws)
        States at hour 0, and parameters.
    u : array, shape (inputs,)
        Inputs at hour 0.
    """

    def __init__(self, question: Question, x: Floats, p: Floats, u: Floats) -> None:
        self._question, self._p = question, p
        self.names = [one.name for one in question.quantities]
        self.rows: list[Floats] = []  # each of shape (6, quantities)
        self.left: Bools = np.zeros((len(question.inputs.limits), p.shape[1]), dtype=np.bool_)
        self.last: Floats = np.zeros((len(self.names), 0))  # of the newest report, shape (quantities, draws)
        if question.hours[0] == 0.0:
            self._report(0.0, x, u)

    def take(self, leg: Leg, z: Floats) -> None:
        """See `tracks.Recorder`."""
        if leg.reported:
            self._report(leg.stop, to_states(np, self._question.model.states, z), leg.stretch.inputs(leg.stop))

    def recall(self, leg: Leg, z: Floats) -> None:
        """Work out again what the newest report was of, after a checkpoint."""
        states = to_states(np, self._question.model.states, z)
        self.last = self._values(leg.stop, states, leg.stretch.inputs(leg.stop))

    def _report(self, hour: float, states: Floats, u: Floats) -> None:
        values = self._values(hour, states, u)
        if not np.isfinite(values).all():
            raise refused(
                "finite trajectories", "others: the parameters or feeds are beyond the model", "specification"
            )
        row = np.empty((PER_REPORT, len(values)))
        row[0] = values.mean(axis=1)
        row[1:] = np.quantile(values, QUANTILES, axis=1)
        self.rows.append(row)
        self.last = values
        self.left |= self.outside()

    def _values(self, hour: float, states: Floats, u: Floats) -> Floats:
        model = self._question.model
        with np.errstate(all="ignore"):
            said = [
                np.broadcast_to(output.of(np, hour, states, u[:, None], self._p), states.shape[1:])
                for output in model.outputs
            ]
        return np.concatenate([states, np.stack(said)]) if said else states

    def outside(self) -> Bools:
        """Say of each limit and draw whether it is left at the newest report, shape (limits, draws)."""
        found = np.zeros_like(self.left)
        for place, limit in enumerate(self._question.inputs.limits):
            values = self.last[self.names.index(limit.quantity)]
            if limit.low is not None:
                found[place] |= values < limit.low
            if limit.high is not None:
                found[place] |= values > limit.high
        return found
