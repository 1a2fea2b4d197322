"""How a parameter may have changed within a run: by a factor, at an hour, once; or not at all.

`Scan` looks at hours of change as a bank of filters, each of which estimates the factor with all else: a process model
with one more parameter, the factor, and a switch that is 0 before the hour and 1 after it. `Held` are draws: nothing of
the parameters is estimated, each unit has its own, and its own factor from its own hour on.

Source
------
A bank of filters, one a hypothesis: Magill 1965, IEEE Trans. Autom. Control 10:434; hours of a jump: Willsky and Jones
1976, IEEE Trans. Autom. Control 21:108.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.design import Design, Unsure
from twins.bioreactor.estimation.joint import JointFilter
from twins.bioreactor.models.model import Array, Model, Namespace, ProcessModel, is_stiff
from twins.bioreactor.parameters.parameter import Parameter
from twins.bioreactor.reestimation.question import Question

Floats = NDArray[np.float64]

FACTOR, SWITCH = "change.factor", "change.on"
FACTOR_SD = 0.35  # of the logarithm of the factor before any data: two of three within 0.70 and 1.42. Assumed
_WIDE = 1e6


class Scan:
    """The bank of filters: units are hours of change; one of infinity is a run without a change."""

    def __init__(self, question: Question, hours: Floats) -> None:
        design = _named(question.process.filter.design, question, inflated=True)
        self._phases = _Phases(question, design.model, design.phased)
        self._hours = hours
        if question.changing < 0:
            self.filter = JointFilter(design, question.process.filter.lane)
            return
        model = _switched(design.model, question.names[question.changing])
        unsure = (*design.unsure, Unsure(FACTOR, FACTOR_SD))
        design = replace(design, model=model, unsure=unsure, phased=(*design.phased, SWITCH))
        self.filter = JointFilter(design, question.process.filter.lane)

    def values(self, phase: str, begin: float, end: float) -> Floats:
        """Give the values that hold from one hour to another, shape (k, n)."""
        base = np.repeat(self._phases.of(phase)[:, None], len(self._hours), axis=1)
        on = share_after(self._hours, begin, end)
        return np.concatenate([base, on[None]]) if SWITCH in self.filter.design.phased else base


class Held:
    """Draws as units of a filter.

    Parameters
    ----------
    deviations : array, shape (parameters, n)
        Logarithms of the parameters over their medians, in the order of `question.names`.
    ln_factor, hours : array, shape (n,)
        By what, and at which hour, the changing parameter changed; infinity: never.
    """

    def __init__(self, question: Question, deviations: Floats, ln_factor: Floats, hours: Floats) -> None:
        own = question.process.filter.design
        phased = (*question.names, *(name for name in own.phased if name not in question.names))
        self.filter = JointFilter(replace(own, unsure=(), phased=phased), question.process.filter.lane)
        self._phases = _Phases(question, own.model, phased)
        self._changing, self._ln_factor, self._hours = question.changing, ln_factor, hours
        self._deviations = deviations

    def values(self, phase: str, begin: float, end: float) -> Floats:
        """Give the values that hold from one hour to another, shape (k, n)."""
        values = np.repeat(self._phases.of(phase)[:, None], len(self._hours), axis=1)
        logs = self._deviations.copy()
        if self._changing >= 0:
            logs[self._changing] += self._ln_factor * share_after(self._hours, begin, end)
        values[: len(logs)] *= np.exp(logs)
        return values


def share_after(hours: Floats, begin: float, end: float) -> Floats:
    """Give the share of a stretch of time that lies after each hour.

    Examples
    --------
    >>> share_after(np.array([1.0, 2.5, np.inf]), 2.0, 3.0).tolist()
    [1.0, 0.5, 0.0]
    """
    share: Floats = np.clip((end - np.minimum(hours, end)) / (end - begin), 0.0, 1.0)
    return share


def _named(design: Design, question: Question, *, inflated: bool) -> Design:
    """Give the design with the prior's standard deviations, inflated; parameters of none stay certain."""
    sds = question.sds if inflated else tuple(sd for _, sd in question.prior)
    unsure = tuple(Unsure(name, sd) for name, sd in zip(question.names, sds, strict=True) if sd > 0.0)
    return replace(design, unsure=unsure)


@dataclass(frozen=True, slots=True)
class _Switched:
    """Rates of a model whose parameter at `place` is multiplied by a factor where a switch is 1."""

    model: ProcessModel
    place: int

    def __call__(self, xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
        *own, factor, on = p
        own[self.place] = own[self.place] * factor**on
        return self.model.rates(xp, t, x, u, own)


def _switched(model: ProcessModel, name: str) -> Model:
    place = next(i for i, one in enumerate(model.parameters) if one.name == name)
    more = (
        Parameter(FACTOR, 1.0, "1", 1.0 / _WIDE, _WIDE, "assumed"),
        Parameter(SWITCH, 0.0, "1", 0.0, 1.0, "0 before the change, 1 after it"),
    )
    return Model(
        model.name, model.version, model.name, model.states, model.inputs, (*model.parameters, *more), (),
        _Switched(model, place), model.step_hours, is_stiff(model),
    )  # fmt: skip


class _Phases:
    """The values of some parameters in each phase of the recipe."""

    def __init__(self, question: Question, model: ProcessModel, names: tuple[str, ...]) -> None:
        usual = {one.name: one.value for one in model.parameters}
        self._usual = np.array([usual[name] for name in names], dtype=np.float64)
        self._by_phase: Mapping[str, Floats] = {
            phase: np.array([values.get(name, usual[name]) for name in names], dtype=np.float64)
            for phase, values in question.asked.phases.items()
        }

    def of(self, phase: str) -> Floats:
        return self._by_phase.get(phase, self._usual)
