"""The steps of a simulation, laid out: broken at every edge of what happens, and at every report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.timeline import Event, Stretch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Leg:
    """Equal steps from one break to the next. `events` come first; `reported` says that its end is asked for."""

    stretch: Stretch
    begin: float
    stop: float
    steps: int
    length: float
    events: tuple[Event, ...]
    reported: bool

    def hour(self, step: int) -> float:
        """Give the hour at which a step begins."""
        return self.begin + step * self.length

    def inputs(self, step: int) -> Floats:
        """Give the inputs of a step, shape (inputs,): a rising feed counts by its middle."""
        return self.stretch.inputs(self.begin + (step + 0.5) * self.length)


def lay_legs(stretches: Sequence[Stretch], hours: Sequence[float], step_hours: float) -> Iterator[Leg]:
    """Lay out steps of at most `step_hours`.

    Parameters
    ----------
    hours : sequence of float
        Hours to report at, rising; 0 is no end of a leg.
    """
    asked = set(hours)
    for stretch in stretches:
        begin, events = stretch.begin, stretch.events
        for stop in sorted({stretch.end, *(at for at in hours if stretch.begin < at <= stretch.end)}):
            steps = max(1, math.ceil((stop - begin) / step_hours - 1e-9))
            yield Leg(stretch, begin, stop, steps, (stop - begin) / steps, events, stop in asked)
            begin, events = stop, ()
