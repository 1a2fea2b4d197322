"""Many units carried side by side through one run: each a hypothesis of its own, all with the same measurements.

What each expected of every measurement adds up to the logarithm of its likelihood, by prediction errors.

Source
------
Prediction error decomposition: Schweppe 1965, IEEE Trans. Inf. Theory 11:61. A measurement beyond the filter's gate is
one of a contaminated normal distribution (Tukey 1960): seldom, and ten times as wide; it moves no state.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.exchange import LEAST_LITRES, add_bolus, draw_sample
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.estimation.measurement import update
from twins.bioreactor.estimation.outlook import SLOW_STEP_HOURS, forecast_step
from twins.bioreactor.models.model import ProcessModel, is_stiff
from twins.bioreactor.process import Process
from twins.bioreactor.reestimation.history import Deed, History
from twins.bioreactor.rows import RETAINED

Floats = NDArray[np.float64]

STEP_HOURS = (
    0.5  # longest step through a run so far, of a model that may be forecast at long steps (docs/reestimation.md)
)
OUTLIERS = 0.01  # of measurements, assumed
OUTLIER_WIDTH = 10.0  # in standard deviations of others, assumed
_LN_2PI = float(np.log(2.0 * np.pi))


class Hypotheses(Protocol):
    """What units are: a filter, and the values that hold for each from one hour to another."""

    filter: JointFilter

    def values(self, phase: str, begin: float, end: float) -> Floats: ...


class Bundle:
    """Units on their way through a run's deeds: `at` is the next one, `likelihood` and `refused` of shape (n,)."""

    def __init__(self, process: Process, history: History, of: Hypotheses, n: int) -> None:
        self._process, self._history, self._of = process, history, of
        self.n, self.at, self.hour, self.phase = n, 0, 0.0, ""
        self.joint = of.filter.start(np.repeat(process.initial, n, axis=1), np.full(n, history.litres))
        self.likelihood = np.zeros(n)
        self.refused = np.zeros(n)
        self._inputs = process.inputs(n)
        self._step = longest_step(process.model)

    @property
    def total(self) -> int:
        """How many deeds there are."""
        return len(self._history.deeds)

    def go_on(self) -> bool:
        """Take the next deed; say whether there was one."""
        if self.at >= self.total:
            return False
        deed = self._history.deeds[self.at]
        self._carry(deed.hour)
        self._do(deed)
        self.at += 1
        return True

    def arrays(self) -> dict[str, Floats]:
        """Give all that changes as arrays."""
        joint = self.joint
        place = np.array([float(self.at)])
        return {
            "mean": joint.mean, "covariance": joint.covariance, "volume": joint.volume, "at": place,
            "likelihood": self.likelihood, "refused": self.refused,
        }  # fmt: skip

    def put(self, arrays: dict[str, Floats]) -> None:
        """Go on from what `arrays` gave."""
        self.joint = Joint(arrays["mean"].copy(), arrays["covariance"].copy(), arrays["volume"].copy())
        self.likelihood, self.refused = arrays["likelihood"].copy(), arrays["refused"].copy()
        self.at = int(arrays["at"][0])
        done = self._history.deeds[: self.at]
        self.hour = done[-1].hour if done else 0.0
        self.phase = next((one.name for one in reversed(done) if one.what == "phase"), "")

    def _carry(self, hour: float) -> None:
        if hour > self.hour:
            self.joint.values = self._of.values(self.phase, self.hour, hour)
            n = self.n
            hours = np.full(n, hour - self.hour)
            self._of.filter.predict(self.joint, np.full(n, self.hour), hours, self._inputs, self._step)
            self.hour = hour

    def _do(self, deed: Deed) -> None:
        joint, filter_, n = self.joint, self._of.filter, self.n
        match deed.what:
            case "measure":
                self._measure(deed)
            case "add" | "exchange" if deed.holds is not None:
                litres = np.full(n, deed.value)
                if deed.what == "exchange":
                    joint.volume = np.maximum(joint.volume - litres, LEAST_LITRES)
                holds = np.repeat(deed.holds[:, None], n, axis=1)
                kept = self._process.cells if deed.name == RETAINED else []
                add_bolus(joint, filter_, litres, holds, kept)
            case "take":
                draw_sample(joint, np.full(n, deed.value))
            case "forget":
                self._process.forget(joint, deed.value)
            case "phase":
                self.phase = deed.name

    def _measure(self, deed: Deed) -> None:
        n = self.n
        yes = np.ones(n, dtype=np.bool_)
        y, count = np.full(n, deed.value), np.full(n, deed.count)
        judged = update(self.joint, self._of.filter, deed.place, y, yes, count, ~yes)
        z2, ln_sd = np.square(judged.innovation) / judged.variance, 0.5 * np.log(judged.variance)
        usual = np.log1p(-OUTLIERS) - 0.5 * z2
        odd = np.log(OUTLIERS / OUTLIER_WIDTH) - 0.5 * z2 / (OUTLIER_WIDTH * OUTLIER_WIDTH)
        self.likelihood = self.likelihood + np.logaddexp(usual, odd) - ln_sd - 0.5 * _LN_2PI
        self.refused = self.refused + np.where(judged.accepted, 0.0, 1.0)


def longest_step(model: ProcessModel) -> float:
    """Give the longest step through a run so far [h].

    Examples
    --------
    >>> from twins.bioreactor.models import MODELS
    >>> longest_step(MODELS["cho_xing"]), longest_step(MODELS["yeast"])
    (0.5, 0.25)
    """
    return STEP_HOURS if not is_stiff(model) and model.step_hours >= SLOW_STEP_HOURS else forecast_step(model)
