"""What river learns beside the model: who fails screening, and what a site brings in the next four weeks.

Each is asked before it is told (prequential), so its error is of what it had not seen. Inputs are held within four
learned standard deviations. Nothing is stored: all is learned anew from a study's facts, in the order of their days.

Source
------
river 0.26: `linear_model.LogisticRegression` by `optim.SGD`; the rest of `twins.learning.models`. Drift: Page and
Hinkley's test (`twins.learning.page_hinkley`) on errors in standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from river.linear_model import LogisticRegression
from river.optim import SGD

from twins.learning.models import Regression, Scaler
from twins.learning.page_hinkley import FOUND, TIMES, PageHinkley

RIVER = version("river")
STEP = 0.03  # assumed: of the gradient's descent, about the last hundred subjects
SETTLED = 50  # assumed: examples before drift is looked for
SHRINK = 0.001  # assumed: of weights, which holds those of inputs that tell nothing near 0
TEST = PageHinkley(delta=0.25, threshold=20.0, least=60)  # assumed: as the tests of `twins.learning`, between both


class Kept:
    """How good what was said has been, against what the plain mean so far would have said, and whether it drifts."""

    def __init__(self) -> None:
        self.examples, self.error, self.plain, self.total = 0, 0.0, 0.0, 0.0
        self._test = TEST.begin(1)

    def take(self, said: float, came: float, spread: float) -> None:
        """Score one saying; `spread` is its standard deviation."""
        usual = (self.total + 0.5) / (self.examples + 1.0)
        self.error += (said - came) ** 2
        self.plain += (usual - came) ** 2
        self.total += came
        self.examples += 1
        if self.examples > SETTLED:  # until then errors move because it learns
            TEST.step(self._test, np.array([min(max((came - said) / spread, -8.0), 8.0)]))

    @property
    def gain(self) -> float:
        """Part of the plain mean's squared error that is saved; below 0 it is worse."""
        return 1.0 - self.error / self.plain if self.plain > 0.0 else 0.0

    @property
    def drifts(self) -> tuple[bool, int]:
        """Whether errors have just been found to move, and how often they were."""
        return bool(self._test[0, FOUND] > 0.0), int(self._test[0, TIMES])


class Failures:
    """The chance of a subject in screening to fail."""

    def __init__(self, names: Sequence[str]) -> None:
        self._scaler, self.kept = Scaler(names), Kept()
        self._model = LogisticRegression(optimizer=SGD(STEP), l2=SHRINK)

    def say(self, x: Sequence[float]) -> float:
        """Give the chance."""
        return 0.5 if self.kept.examples == 0 else float(self._model.predict_proba_one(self._scaler.scaled(x))[True])

    def learn(self, x: Sequence[float], failed: bool) -> None:
        """Take in one outcome."""
        said = self.say(x)
        self.kept.take(said, float(failed), math.sqrt(max(said * (1.0 - said), 0.01)))
        self._scaler.learn(x)
        self._model.learn_one(self._scaler.scaled(x), failed)


class Counts:
    """How many subjects a site brings, learned as the root of the count, which varies alike whatever its mean."""

    def __init__(self, names: Sequence[str]) -> None:
        self._scaler, self._model, self.kept = Scaler(names), Regression(names), Kept()

    def say(self, x: Sequence[float]) -> float:
        """Give the expected number."""
        root = self._model.expect(self._scaler.scaled(x)) if self.kept.examples else math.sqrt(0.375)
        return max(root, 0.0) ** 2 - 0.375 + 0.25 if root > math.sqrt(0.375) else 0.0

    def learn(self, x: Sequence[float], came: int) -> None:
        """Take in one outcome (Anscombe 1948, Biometrika 35:246: the root of count + 3/8 has variance 1/4)."""
        said = self.say(x)
        self.kept.take(said, float(came), math.sqrt(max(said, 0.25)))
        self._scaler.learn(x)
        self._model.learn(self._scaler.scaled(x), math.sqrt(came + 0.375))
