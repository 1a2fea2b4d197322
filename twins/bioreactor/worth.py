"""Whether a re-simulation is worth its price: the last word of the triggers, where `triggers.value` is configured.

Asked for is what the run shows of its parameters. Let d be the quantity that is decided on, at the end of the run; V
its variance, of which P is due to the parameters: with them known V - P is left. Where a channel's mean squared
innovation nu, 1 if all is well, is above 1, the belief is too narrow by that factor: the honest variance is then
V - P + nu P (the Birge ratio, put on what is unsure). A re-estimate over the whole run is expected to bring it back to
V. So

    gain = sqrt(V + (nu - 1) P) - sqrt(V)        and it is asked for if        gain x loss_per_sd > price x seconds

Where all channels agree with the model nothing is gained, and nothing is asked for. The form is linear in the belief:
P is the difference of two forecasts, with what is not known of the parameters and without.

Source
------
Value of sample information: Raiffa and Schlaifer 1961, Applied Statistical Decision Theory, ch. 4, with a loss that is
linear in the standard deviation. Normalised innovations: Bar-Shalom, Li and Kirubarajan 2001, sect. 5.4. Factor: Birge
1932, Phys. Rev. 40:207. That all of the inconsistency is the parameters' is assumed: it asks rather too often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.estimation.joint import Joint
from twins.bioreactor.estimation.outlook import forecast_step
from twins.bioreactor.estimation.outputs import output_moments, state_moments
from twins.bioreactor.process import FIRST_CHANNEL, HEALTH, NIS_MEAN, Process
from twins.bioreactor.process_section import scale_of, unit_of
from twins.bioreactor.rules import PROCESS
from twins.bioreactor.sections import Worth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request is expected to be worth, and in words why."""

    worth: bool
    said: str


class Worthing:
    """Weighs requests against their price: constants only.

    Raises
    ------
    SettingsError
        If the decision is on nothing that the process model knows.
    """

    def __init__(self, section: Worth, process: Process, draws: int) -> None:
        self._section, self._process, self._draws = section, process, draws
        self._name = section.decision.removeprefix(PROCESS)
        self._states = [one.name for one in process.filter.states]
        self._outputs = {one.name: one for one in process.model.outputs}
        if self._name not in {*self._states, *self._outputs}:
            known = ", ".join([*self._states, *self._outputs])
            raise SettingsError(
                f"expected a decision on a state or an output of {process.model.name} ({known}), received "
                f"{section.decision!r}, in triggers.value; see docs/bioreactor.md"
            )

    def weigh(self, m: Floats, joint: Joint, hours: float, feed_rate: float) -> Verdict:
        """Weigh a request of one unit.

        Parameters
        ----------
        m : array, shape (width,)
            What is remembered of it.
        joint : Joint
            What is believed of it now; left as it is.
        hours : float
            To the end of the run.
        feed_rate : float
            Planned feed [L/h].
        """
        process, section = self._process, self._section
        nis = [float(m[FIRST_CHANNEL + HEALTH * k + NIS_MEAN]) for k in range(process.places.channels)]
        excess = max(max(nis, default=1.0), 1.0) - 1.0
        whole = self._variance(joint.copy(), hours, feed_rate)
        known = joint.copy()
        for row, _ in (*process.filter.layout.unsure, *process.filter.layout.wander):
            known.covariance[row] = known.covariance[:, row] = 0.0
        share = max(whole - self._variance(known, hours, feed_rate), 0.0)
        gain = math.sqrt(whole + excess * share) - math.sqrt(whole)
        steps = self._draws * hours / process.model.step_hours
        seconds = steps / 1e6 * section.seconds_per_million_steps
        value, price = gain * section.loss_per_sd, seconds * section.price_per_second
        return Verdict(
            value > price,
            f"the standard deviation of {self._name} at the end is expected to fall by {gain:.3g} {self._unit()}, "
            f"worth {value:.3g}, for {price:.3g} of {seconds:.3g} device seconds",
        )

    def _variance(self, joint: Joint, hours: float, feed_rate: float) -> float:
        """Give the decision's variance so many hours ahead, in the unit it is said in."""
        process, begin = self._process, np.zeros(1)
        u = process.planned_inputs(np.array([feed_rate]))
        process.filter.predict(joint, begin, np.array([hours]), u, forecast_step(process.model))
        if self._name in self._outputs:
            _, sd = output_moments(process.filter, joint, self._outputs[self._name], begin, u)
            return float(sd[0]) ** 2
        row = self._states.index(self._name)
        _, all_sd = state_moments(process.filter, joint)
        return (float(all_sd[row, 0]) * scale_of(process.filter.states[row])) ** 2

    def _unit(self) -> str:
        if self._name in self._outputs:
            return self._outputs[self._name].unit
        return unit_of(self._process.filter.states[self._states.index(self._name)])
