"""The answer of an ensemble: the whole document, and what of it fits on one message.

The document is that of a simulation, of the inputs as they stand, with the other scenarios beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.jobs import MOST_SUMMARY_BYTES
from twins.bioreactor.ensemble.question import Question
from twins.bioreactor.ensemble.reporting import Reporter
from twins.bioreactor.models.implicit import TOLERANCE
from twins.bioreactor.simulate import KIND, MOST_FINALS, QUANTILES, said_parameters

Floats = NDArray[np.float64]
Data = dict[str, Any]  # Any: JSON

MOST_TIMES = 24  # of a trajectory in a summary
MOST_MAIN = 4  # quantities with a trajectory there
DIGITS = 6  # of a number there
LEVELS = tuple(f"{level:.2f}" for level in QUANTILES)


@dataclass(frozen=True, slots=True)
class Method:
    """How the numbers were worked out. `error` is what the pilots measured, None where steps were given."""

    backend: str
    device: str
    shortest: float
    longest: float
    error: float | None
    bucket: int

    def said(self, stiff: bool) -> Data:
        """Say it."""
        name = "linearly implicit steps (RODAS3), divided by error" if stiff else "rk4"
        found: Data = {
            "name": name,
            "step_hours": self.longest,
            "shortest_step_hours": self.shortest,
            "backend": self.backend,
            "device": self.device,
        }
        if stiff:
            found["tolerance"] = TOLERANCE
        if self.error is not None:
            found["pilot_error"] = self.error if math.isfinite(self.error) else None
        return found | {"precision": "float64", "bucket": self.bucket}


def make_document(question: Question, reporters: Sequence[Reporter], method: Method, versions: dict[str, str]) -> Data:
    """Lay out everything."""
    spec, model = question.spec, question.model
    named = f"{model.name}@{model.version}"
    told = [_series(question, reporter) for reporter in reporters]
    return {
        "kind": KIND,
        "model": named,
        "versions": {"model": named, **versions},
        "specification": msgspec.to_builtins(spec),
        "method": method.said(question.stiff),
        "parameters": said_parameters(spec, model, question.spread),
        "times_hours": question.hours,
        **told[0],
        "scenarios": {course.name: one for course, one in zip(question.courses[1:], told[1:], strict=True)},
    }


def _series(question: Question, reporter: Reporter) -> Data:
    """Say states and outputs of one scenario."""
    found: Data = {"states": {}, "outputs": {}}
    rows = np.stack(reporter.rows)  # (reports, 6, quantities)
    alone, few = question.spec.draws == 1, question.spec.draws <= MOST_FINALS
    for place, one in enumerate(question.quantities):
        said: Data = {"unit": one.unit}
        if alone:
            said["values"] = rows[:, 0, place].tolist()
        else:
            said["mean"] = rows[:, 0, place].tolist()
            said["quantiles"] = {level: rows[:, 1 + k, place].tolist() for k, level in enumerate(LEVELS)}
            if few:
                said["final"] = reporter.last[place].tolist()
        found["states" if place < len(question.model.states) else "outputs"][one.name] = said
    return found


def make_summary(question: Question, reporters: Sequence[Reporter], method: Method) -> Data:
    """Say the end of every scenario, main trajectories, limits and differences, in what one message holds.

    Trajectories get fewer times, or none, where there are many scenarios.
    """
    times = MOST_TIMES
    while True:
        found = _summary(question, reporters, method, times)
        if times == 0 or len(msgspec.json.encode(found)) <= MOST_SUMMARY_BYTES:
            return found
        times //= 2


def _summary(question: Question, reporters: Sequence[Reporter], method: Method, times: int) -> Data:
    spec, model = question.spec, question.model
    found: Data = {
        "model": f"{model.name}@{model.version}",
        "draws": spec.draws,
        "hours": question.hours[-1],
        "quantiles": list(LEVELS),
        "method": method.said(question.stiff),
        "units": dict(question.quantities),
        "scenarios": {},
    }
    if question.inputs.batch:
        found["batch"] = question.inputs.batch
    at = _some(len(question.hours), times)
    if at:
        found["times_hours"] = [_short(question.hours[k]) for k in at]
        found["trajectory"] = {"hours": found["times_hours"], "quantities": _fans(question, reporters[0], at)}
    main = _main(question)
    for course, reporter in zip(question.courses, reporters, strict=True):
        said: Data = {"end": {name: _spread_of(reporter.rows[-1][:, k]) for k, name in enumerate(reporter.names)}}
        if at:
            said["trajectories"] = {name: _trajectory(reporter, name, at) for name in main}
        if question.inputs.limits:
            said["limits"] = _limits(question, reporter)
        if course is not question.courses[0]:
            said["against_base"] = _against(reporter, reporters[0])
        found["scenarios"][course.name] = said
    return found


def _main(question: Question) -> list[str]:
    """Name the quantities that get a trajectory: the first state, what has a limit, then other concentrations."""
    states = question.model.states
    wanted = [states[0].name, *(limit.quantity for limit in question.inputs.limits)]
    wanted += [state.name for state in states if state.role == "concentration"]
    return list(dict.fromkeys(wanted))[:MOST_MAIN]


def _some(reports: int, most: int) -> list[int]:
    """Choose reports, evenly, the last among them."""
    if most == 0:
        return []
    return sorted({round((k + 1) * (reports - 1) / most) for k in range(most)}) if reports > most else [*range(reports)]


def _spread_of(row: Floats) -> Data:
    return {"mean": _short(row[0]), "quantiles": [_short(one) for one in row[1:]]}


def _trajectory(reporter: Reporter, name: str, at: Sequence[int]) -> list[list[float]]:
    place = reporter.names.index(name)
    return [[_short(one) for one in reporter.rows[k][1:, place]] for k in at]


def _fans(question: Question, reporter: Reporter, at: Sequence[int]) -> Data:
    """Say what is expected of each state and output as a twin reads it: the inputs as they stand."""
    fans: Data = {}
    for place, one in enumerate(question.quantities):
        rows = {f"q{level[2:]}": [_short(reporter.rows[k][1 + n, place]) for k in at] for n, level in enumerate(LEVELS)}
        fans[one.name] = {"unit": one.unit, **rows}
    return fans


def _limits(question: Question, reporter: Reporter) -> list[Data]:
    """Say how probable it is that a limit is left at any report, and at the last."""
    end = reporter.outside()
    return [
        {
            "quantity": limit.quantity,
            **({} if limit.low is None else {"low": limit.low}),
            **({} if limit.high is None else {"high": limit.high}),
            "left_at_any_report": _short(float(reporter.left[place].mean())),
            "left_at_end": _short(float(end[place].mean())),
        }
        for place, limit in enumerate(question.inputs.limits)
    ]


def _against(reporter: Reporter, base: Reporter) -> Data:
    """Say the differences to the inputs as they stand, draw by draw, at the last report."""
    apart = reporter.last - base.last
    draws = apart.shape[1]
    quantiles = np.quantile(apart, QUANTILES, axis=1)
    found: Data = {}
    for place, name in enumerate(reporter.names):
        found[name] = {
            "mean": _short(apart[place].mean()),
            "quantiles": [_short(one) for one in quantiles[:, place]],
            "share_above_0": _short(float((apart[place] > 0.0).mean())),
        }
        if draws > 1:
            found[name]["standard_error"] = _short(apart[place].std(ddof=1) / math.sqrt(draws))
    return found


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
