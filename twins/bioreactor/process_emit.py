"""What is said of a process model: states, outputs and parameters with their doubt, and the health of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.calibrated import Widening
from twins.bioreactor.estimation.joint import Joint
from twins.bioreactor.estimation.outlook import UNSEEN
from twins.bioreactor.estimation.outputs import OutputView, state_moments
from twins.bioreactor.forecast import NORMAL
from twins.bioreactor.priors import prior_sds
from twins.bioreactor.process import (
    BEGUN,
    FIRST_CHANNEL,
    HEALTH,
    INNOVATION,
    INNOVATION_SD,
    NIS_MEAN,
    REJECTED,
    TIME,
    Process,
)
from twins.bioreactor.process_end import EndsOfRuns, RunPlan, calibrated_names, verdicts, walk
from twins.bioreactor.process_limits import LimitsAhead
from twins.bioreactor.process_section import scale_of, unit_of
from twins.bioreactor.rows import Batch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]  # Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes

NORMAL_90 = np.array([NORMAL[0], NORMAL[-1]])
NIS_OVERCAUTIOUS = 0.64  # one-sided 2.5 % point of the running mean, as `filter.NIS_CONSISTENT` is the 97.5 % one

# Data only take doubt away from a parameter; more of it than before any data came with an adoption, from a re-estimate
# of that run's data. Above 1 by more than answers are rounded (assumed).
ADOPTED_DOUBT = 1.001


def process_data(process: Process, m: Floats, litres: Floats, batches: Sequence[Batch]) -> list[Data | None]:
    """Say what the process model believes of n twins; None of one whose run has not begun.

    Parameters
    ----------
    m : array, shape (width, n)
        What is remembered, already carried to the time of the estimate.
    litres : array, shape (n,)
        Liquid volume [L].
    """
    begun = np.nonzero(m[BEGUN] > 0.0)[0]
    said: list[Data | None] = [None] * m.shape[1]
    if not len(begun):
        return said
    filter_ = process.filter
    joint = process.read(m, begun, litres)
    mean, sd = state_moments(filter_, joint)
    low, high = filter_.quantiles(joint, NORMAL_90)
    rows: list[tuple[str, str, Floats]] = []
    for row, state in enumerate(filter_.states):
        four = np.stack([mean[row], sd[row], low[row], high[row]]) * scale_of(state)
        rows.append((state.name, unit_of(state), four))
    view = OutputView(filter_, joint, np.zeros(len(begun)), process.inputs(len(begun)))
    outputs: list[tuple[str, str, Floats]] = []
    for output in process.model.outputs:
        along = view.along(output)
        four = np.stack([*view.moments(output, along), *view.quantiles(output, along, NORMAL_90)])
        outputs.append((output.name, output.unit, four))
    sds = prior_sds(process, [batches[twin] for twin in begun.tolist()])
    parameters = _parameters(process, joint, sds)
    for j, twin in enumerate(begun.tolist()):
        said[twin] = {
            "model": process.name,
            "lane": filter_.lane,
            "state": {name: _belief(four[:, j], unit) for name, unit, four in rows},
            "outputs": {name: _belief(four[:, j], unit) for name, unit, four in outputs},
            "parameters": {name: _parameter(four[:, j], unit) for name, unit, four in parameters},
            "channels": _health(process, m[:, twin], joint, j),
        }
    return said


def process_forecast(
    process: Process,
    m: Floats,
    litres: Floats,
    at: Ints,
    normal: Floats,
    limits: LimitsAhead | None = None,
    plan: RunPlan | None = None,
) -> list[Data | None]:
    """Say what the model expects, nothing being measured or fed from now on: quantiles of its states.

    Parameters
    ----------
    at : array of int64, shape (points, n)
        Instants, rising from the present [us].
    normal : array, shape (q,)
        Quantiles of the standard normal distribution.
    limits : LimitsAhead, optional
        What looks at each point beside, the present first.
    plan : RunPlan, optional
        What is planned for the n runs; without it no end is.

    Returns
    -------
    list of dict or None
        `values[state][i][j]`: quantile j at instant i, as in a forecast's own `values`; those of a state that is
        calibrated are widened as `Widening` says.
    """
    begun = np.nonzero(m[BEGUN] > 0.0)[0]
    said: list[Data | None] = [None] * m.shape[1]
    if not len(begun):
        return said
    filter_ = process.filter
    joint = process.read(m, begun, litres)
    u, now = process.inputs(len(begun)), m[TIME, begun]
    found = np.empty((len(at), len(normal), len(filter_.states), len(begun)))
    widening = Widening(filter_, joint, process.calibrated)
    ends = None if plan is None else EndsOfRuns(process, joint, now, at[:, begun], plan.part(begun))
    if limits is not None:
        limits.look(begun, joint, u, widening.at(np.zeros(len(begun))))
    for point, hours in enumerate(walk(process, joint, now, at[:, begun], u)):
        wider = widening.at(hours)
        found[point] = filter_.quantiles(joint, normal, wider)
        if limits is not None:
            limits.look(begun, joint, u, wider)
        if ends is not None:
            ends.look(joint, hours)
    ended = [None] * len(begun) if ends is None else ends.data()
    for j, twin in enumerate(begun.tolist()):
        said[twin] = {
            "model": process.name,
            "values": {
                state.name: (found[:, :, row, j] * scale_of(state)).tolist() for row, state in enumerate(filter_.states)
            },
            "units": {state.name: unit_of(state) for state in filter_.states},
            **verdicts(process, widening, j),
            "end_of_run": ended[j],
            **(
                {"limits": limits.data(twin, calibrated_names(process, widening, j))}
                if limits is not None and limits.rules
                else {}
            ),
        }
    return said


def _parameters(process: Process, joint: Joint, sds: Floats) -> list[tuple[str, str, Floats]]:
    """Give name, unit and (value, low, high, doubt left), shape (4, n), of each unsure parameter.

    `sds` are their standard deviations before any data, shape (parameters, n).
    """
    found = []
    for (row, place), sd in zip(process.filter.layout.unsure, sds, strict=True):
        one, left = process.model.parameters[place], np.sqrt(joint.covariance[row, row]) / sd
        value = process.filter.value(joint, place)
        sides = [value * np.exp(joint.mean[row] + z * sd * left) for z in (0.0, *NORMAL_90)]
        found.append((one.name, one.unit, np.stack([*sides, left])))
    return found


def _parameter(four: Floats, unit: str) -> Data:
    value, low, high, left = four.tolist()
    seen = left <= UNSEEN or left > ADOPTED_DOUBT
    return {"value": value, "low": low, "high": high, "unit": unit, "seen": seen, "doubt_left": left}


def _health(process: Process, m: Floats, joint: Joint, j: int) -> Data:
    said: Data = {}
    lay = process.filter.layout
    for name, place in process.tags.items():
        at = FIRST_CHANNEL + HEALTH * place
        nis = float(m[at + NIS_MEAN])
        said[name] = {
            "nis_mean": nis,
            "innovation": float(m[at + INNOVATION]),
            "innovation_sd": float(m[at + INNOVATION_SD]),
            "rejected_run": int(m[at + REJECTED]),
            "consistent": bool(process.consistent(m, place)),
            "overcautious": nis < NIS_OVERCAUTIOUS,
        }
        if (row := lay.factors[place]) >= 0:
            mean = process.filter.design.channels[place].viability_factor + joint.mean[row, j]
            sd = float(np.sqrt(joint.covariance[row, row, j]))
            said[name]["viability_factor"] = _belief(np.array([mean, sd, *(mean + sd * NORMAL_90)]), "1")
    return said


def _belief(four: Floats, unit: str) -> Data:
    mean, sd, low, high = four.tolist()
    return {"mean": mean, "sd": sd, "low": low, "high": high, "unit": unit}
