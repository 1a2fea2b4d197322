"""What is said of an answer of a re-simulation, on the advisory lane: its trajectory, and what it changes.

When it comes, as it was given; with each later forecast of the unit, what the process model expects from the present
with the re-estimated parameters, as they would be once adopted. Both say before and after. What is read are copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR, format_instant
from schemas.units import UNITS
from twins.bioreactor import filter as ekf
from twins.bioreactor.adopting import believed, said_of, take, unfit
from twins.bioreactor.answers import Answer, Trajectory, by_name
from twins.bioreactor.emit import plan_of
from twins.bioreactor.fold import Beliefs
from twins.bioreactor.forecast import NORMAL, QUANTILES
from twins.bioreactor.process import BEGUN, Process
from twins.bioreactor.process_emit import process_forecast
from twins.bioreactor.rows import NANOLITRES
from twins.bioreactor.state import State

Ints = NDArray[np.int64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes
End = tuple[str, dict[str, tuple[str, list[float]]]]  # when, and of each quantity its unit and quantiles


def advisory_data(
    state: State, now: Beliefs, at: Ints, answer: Answer, inputs: str, before: Data | None, given: Trajectory | None
) -> Data:
    """Give the data of an advisory forecast of one unit.

    Parameters
    ----------
    now : Beliefs
        Of that unit alone, carried to the present.
    at : array of int64, shape (points, 1)
        Instants of its forecast, the present left out [us].
    inputs : str
        The record up to which the answer knew the facts.
    before : dict or None
        The unit's own forecast by the process model, as an effect has it.
    given : Trajectory or None
        The answer's own, where it has just come.
    """
    process = state.process
    problem = unfit(process, answer)
    after = None if problem is not None else _corrected(state, now, at, answer)
    data: Data = {"batch": now.batches[0].batch, "quantiles": list(QUANTILES), "at": [], "values": {}, "units": {}}
    if given is not None:
        data["at"] = [format_instant(_at(answer, hours)) for hours in given.hours]
        data["values"] = {name: np.array(one.rows).T.tolist() for name, one in given.quantities.items()}
        data["units"] = {name: one.unit for name, one in given.quantities.items()}
    elif after is not None:
        data["at"] = [format_instant(int(one)) for one in at[:, 0].tolist()]
        data["values"], data["units"] = after["values"], after["units"]
    if after is not None:
        data["process"] = after
    was = _end(before, at)
    becomes = _end(after, at) if given is None else _given(given, answer)
    data["resimulated"] = {
        "job": answer.job,
        "kind": answer.kind,
        "asked_at": format_instant(answer.asked_at),
        "inputs": inputs,
        "device": answer.device,
        "versions": dict(answer.versions),
        "verdict": answer.verdict,
        "parameters": _parameters(process, now, answer),
        "before_at": None if was is None else was[0],
        "after_at": None if becomes is None else becomes[0],
        "ends": {} if becomes is None else _changes(was, becomes),
        "adoptable": problem is None,
        "not_adoptable": None if problem is None else f"expected {problem[0]}, received {problem[1]}",
    }
    return data


def _corrected(state: State, now: Beliefs, at: Ints, answer: Answer) -> Data | None:
    """Give what the process model expects from the present on with the answer's parameters."""
    process = state.process
    assert process is not None
    assert now.m is not None
    if not now.m[BEGUN, 0] > 0.0:
        return None
    m, litres = now.m.copy(), now.i[ekf.VOLUME] / NANOLITRES
    take(process, m, 0, float(litres[0]), said_of(answer))
    return process_forecast(process, m, litres, at, np.array(NORMAL), None, plan_of(state, now))[0]


def _parameters(process: Process | None, now: Beliefs, answer: Answer) -> Data:
    was: dict[str, tuple[float, float]] = {}
    units: dict[str, str] = {}
    if process is not None and now.m is not None and now.m[BEGUN, 0] > 0.0:
        was = believed(process, process.read(now.m, np.array([0]), np.ones(1)))
        units = {one.name: one.unit for one in process.model.parameters}
    return {
        name: {
            "unit": units.get(name, ""),
            "before": was[name][0] if name in was else None,
            "before_sd_log": was[name][1] if name in was else None,
            "after": median,
            "after_sd_log": sd,
        }
        for name, (median, sd) in by_name(answer).items()
    }


def _end(said: Data | None, at: Ints) -> End | None:
    """Give what a forecast expects at the run's planned end, or where it ends."""
    if said is None:
        return None
    end = said["end_of_run"]
    if end is not None:
        return end["at"], {name: (end["units"][name], row) for name, row in end["values"].items()}
    rows = {name: (said["units"][name], points[-1]) for name, points in said["values"].items()}
    return format_instant(int(at[-1, 0])), rows


def _given(given: Trajectory, answer: Answer) -> End:
    rows = {name: (one.unit, [row[-1] for row in one.rows]) for name, one in given.quantities.items()}
    return format_instant(_at(answer, given.hours[-1])), rows


def _changes(was: End | None, becomes: End) -> Data:
    """Put both ends side by side, in the twin's own units where they can be converted."""
    found: Data = {}
    for name, (unit, row) in becomes[1].items():
        old = None if was is None else was[1].get(name)
        turned = None if old is None else _turned(row, unit, old[0])
        if old is None or turned is None:
            found[name] = {"unit": unit, "before": None, "after": row}
        else:
            found[name] = {"unit": old[0], "before": old[1], "after": turned}
    return found


def _turned(row: list[float], unit: str, into: str) -> list[float] | None:
    if unit == into:
        return row
    one, other = UNITS.get(unit), UNITS.get(into)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    return [(value + one.shift) * one.scale / other.scale - other.shift for value in row]


def _at(answer: Answer, hours: float) -> int:
    return answer.asked_at + round(hours * HOUR)
