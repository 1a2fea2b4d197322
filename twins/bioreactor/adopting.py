"""A re-simulation's parameters in the qualified belief, by a person's word: docs/adr/0009.

The adoption is a change of its minute, as a calibration is, and carries the parameters with it: whatever goes through
the minute again, for a late fact or another configuration, finds them there and never asks for the answer. At the
beginning of its minute the parameters' block of the belief becomes what was adopted, and independent of all else;
states, gains and colours keep their own means and covariances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.bioreactor import EstimateAdopted
from schemas.errors import InputError, InvalidFieldError, SettingsError
from schemas.events import Event
from schemas.instants import format_instant
from twins.bioreactor.answers import Answer, by_name
from twins.bioreactor.models.registry import check_parameter
from twins.bioreactor.priors import LARGEST_SD
from twins.bioreactor.rows import ADOPTED, Change

if TYPE_CHECKING:
    from twins.bioreactor.estimation.joint import Joint
    from twins.bioreactor.process import Process

Floats = NDArray[np.float64]
Said = tuple[tuple[str, float], ...]

BETWEEN = "|"  # of the names of a covariance; no parameter's name has it


def adopted(event: Event, process: Process | None, answer: Answer | None) -> Change:
    """Give what an adoption is to its minute.

    Raises
    ------
    InputError
        Reason `not_held` where the answer is not the one that this run holds; `invalid_field` where it is from before
        the request, or what was re-estimated cannot be taken in.
    """
    data: EstimateAdopted = event.data
    where = f"{event.subject}, event {event.id}"
    if answer is None or answer.job != data.job:
        holds = "none is" if answer is None else answer.job
        raise _refused("not_held", f"the answer that this run holds ({holds})", data.job, where)
    if event.event_time < answer.asked_at:
        asked = f"a time not before the request's, {format_instant(answer.asked_at)}"
        raise _refused("invalid_field", asked, format_instant(event.event_time), where)
    problem = unfit(process, answer)
    if problem is not None:
        raise _refused("invalid_field", *problem, f"job {answer.job}, {where}")
    return Change(event.event_time, ADOPTED, event.id, name=data.job, parameters=said_of(answer))


def unfit(process: Process | None, answer: Answer) -> tuple[str, str] | None:
    """Say (expected, received) where the parameters of an answer cannot be adopted; None where they can."""
    if process is None:
        return "a process model in the configuration", "none"
    known = _rows(process)
    if not answer.names:
        return f"an answer that re-estimates parameters ({', '.join(known)})"[:400], "none"
    for name, (median, sd) in by_name(answer).items():
        if name not in known:
            return f"parameters that the configuration estimates ({', '.join(known)})"[:400], name
        try:
            check_parameter(process.model, name, median)
        except SettingsError as error:
            return f"a median of {name} that {process.name} allows", str(error)[:300]
        if not 0.0 < sd <= LARGEST_SD:
            return f"a standard deviation of ln {name} above 0 and at most {LARGEST_SD:g}", f"{sd:g}"
    return None


def said_of(answer: Answer) -> Said:
    """Write the parameters of an answer as a change carries them: medians, and covariances of logarithms as `a|b`."""
    pairs = [f"{a}{BETWEEN}{b}" for i, a in enumerate(answer.names) for b in answer.names[: i + 1]]
    medians = zip(answer.names, answer.medians, strict=True)
    return (*medians, *zip(pairs, answer.covariance, strict=True))


def take(process: Process, m: Floats, j: int, litres: float, said: Said) -> None:
    """Put adopted parameters into the belief of twin `j`, which was carried to that time; in place, m (width, n).

    A parameter that the process model does not estimate, under a later configuration say, is passed over.
    """
    rows, told = _rows(process), dict(said)
    names = [name for name, _ in said if BETWEEN not in name and name in rows]
    part, one = np.ascontiguousarray(m[:, j : j + 1]), np.array([0])
    joint = process.read(part, one, np.array([litres]))
    walks = {row: sd for row, sd, _ in process.filter.layout.walks()}
    for name in names:
        row, *others = rows[name][0]
        for place in (row, *others):
            joint.mean[place] = joint.covariance[place] = joint.covariance[:, place] = 0.0
        for place in others:  # what wanders beside it begins anew about it
            joint.covariance[place, place] = walks[place] ** 2
        joint.mean[row] = np.log(told[name] / process.filter.value(joint, rows[name][1]))
    for a in names:
        for b in names:
            covariance = told.get(f"{a}{BETWEEN}{b}")
            if covariance is not None:
                row, column = rows[a][0][0], rows[b][0][0]
                joint.covariance[row, column] = joint.covariance[column, row] = covariance
    process.write(part, one, joint)
    m[:, j] = part[:, 0]


def believed(process: Process, joint: Joint) -> dict[str, tuple[float, float]]:
    """Give median and standard deviation of the logarithm of each parameter that is estimated, of the first unit."""
    found = {}
    for name, (rows, place) in _rows(process).items():
        centre = math.log(process.filter.value(joint, place).reshape(-1)[0])
        variance = sum(float(joint.covariance[a, b, 0]) for a in rows for b in rows)
        centre += sum(float(joint.mean[row, 0]) for row in rows)
        found[name] = (math.exp(centre), math.sqrt(max(variance, 0.0)))
    return found


def _rows(process: Process) -> dict[str, tuple[Sequence[int], int]]:
    """Give each estimated parameter's rows in the vector, the constant one first, and its place in the model."""
    layout, model = process.filter.layout, process.model
    found: dict[str, tuple[list[int], int]] = {}
    for row, place in (*layout.unsure, *layout.wander):
        found.setdefault(model.parameters[place].name, ([], place))[0].append(row)
    return dict(found)


def _refused(reason: str, expected: str, received: str, where: str) -> InputError:
    error = InvalidFieldError(
        expected=expected, received=received, where=where, advice="nothing was adopted; the twin goes on as it was"
    )
    error.reason = reason
    return error
