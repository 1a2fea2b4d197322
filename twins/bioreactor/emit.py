"""What the block says: the data of estimates, forecasts, alerts and rejects, and their order within one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.effects import Effect, Kind, Lane
from schemas.instants import HOUR, SECOND, format_instant
from twins.bioreactor import filter as ekf
from twins.bioreactor.fold import Beliefs
from twins.bioreactor.forecast import EXPONENT_LARGEST, NORMAL, QUANTILES, Fan, quantiles
from twins.bioreactor.parameters import assumed_growth as p
from twins.bioreactor.process_emit import process_data, process_forecast
from twins.bioreactor.process_end import RunPlan
from twins.bioreactor.process_limits import LimitsAhead
from twins.bioreactor.rows import NANOLITRES
from twins.bioreactor.rules import FORECAST_UNITS, Rule
from twins.bioreactor.state import AS_OF, CONSISTENT, REJECTED_RUN, State
from twins.block import Effects

KIND_ORDER: dict[Kind, int] = {"reject": 0, "estimate": 1, "forecast": 2, "alert": 3, "request": 4}
QUANTITIES = ("biomass", "growth_rate", "sensor_gain", "biomass_mass")
QUALITIES = ("good", "uncertain", "bad")
MASS_UNITS = {"g/L": "g", "10*6/mL": "10*9", "mmol/L": "mmol"}  # biomass unit times litre
Z = NORMAL[-1]

# Any: effect data goes straight to JSON; `schemas/effects.py` names its shapes.
Data = dict[str, Any]

instant = lru_cache(maxsize=4096)(format_instant)


@dataclass(slots=True)
class Pending:
    """An effect without its id: `seq` orders effects of one kind within one record."""

    offset: int
    kind: Kind
    seq: int
    key: str
    event_time: int
    record_time: int
    data: Data
    slot: int = -1
    rule: int = -1
    cause: int = -1  # the rule whose alert it follows from
    lane: Lane = "qualified"


def assemble(pending: list[Pending], effects: Effects, state: State, topic: str, partition: int, model: str) -> None:
    """Give every effect its id, in the order of (offset, kind, seq), and put it where it belongs."""
    pending.sort(key=lambda one: (one.offset, _order(one), one.seq))
    lists: dict[Kind, list[Effect]] = {
        "reject": effects.rejects,
        "estimate": effects.estimates,
        "forecast": effects.forecasts,
        "alert": effects.alerts,
        "request": effects.requests,
    }
    at, n = -1, 0
    for one in pending:
        n = n + 1 if one.offset == at else 0
        at = one.offset
        name = f"{topic}/{partition}/{at}/{n}"
        if one.kind == "estimate" and not one.data["revised"]:
            state.health[one.slot] = _health_of(one)
        if one.kind == "alert":
            one.data["filter"] = _health_said(state.health[one.slot].tolist())
            raised = state.alert_offset[one.slot, one.rule], state.alert_n[one.slot, one.rule]
            if one.data["action"] == "clear":
                state.alert_offset[one.slot, one.rule] = -1
                state.alert_n[one.slot, one.rule] = -1
            elif raised[0] < 0:  # else it was suppressed, and is shown now
                raised = at, n
                state.alert_offset[one.slot, one.rule] = at
                state.alert_n[one.slot, one.rule] = n
                state.link(one.slot, one.rule, at, n)
            one.data["alert"] = f"{topic}/{partition}/{raised[0]}/{raised[1]}"
            if one.cause >= 0:
                cause = state.link_of(one.slot, one.cause)
                one.data["suppressed_by"] = f"{topic}/{partition}/{cause[0]}/{cause[1]}"
        lists[one.kind].append(
            Effect(
                name, one.kind, one.lane, "bioreactor", one.key, instant(one.event_time), instant(one.record_time),
                model, one.data,
            )
        )  # fmt: skip


def _order(one: Pending) -> int:
    """What is learned comes last of a record, so that what else is said has the ids it has without it."""
    return len(KIND_ORDER) if (one.kind, one.lane) == ("forecast", "advisory") else KIND_ORDER[one.kind]


def _health_of(estimate: Pending) -> tuple[float, float, float]:
    """Say in numbers how the filters of an estimate stand to what is measured."""
    growth, process = estimate.data["filter"], estimate.data.get("process") or {"channels": {}}
    consistent = growth["consistent"] and all(one["consistent"] for one in process["channels"].values())
    return float(consistent), float(growth["rejected_run"]), float(estimate.event_time)


def _health_said(health: list[float]) -> Data | None:
    """Say of an alert how far the filters could be trusted at the newest estimate before it; None before any."""
    if health[CONSISTENT] < 0.0:
        return None
    return {
        "consistent": health[CONSISTENT] > 0.0,
        "rejected_run": int(health[REJECTED_RUN]),
        "as_of": instant(int(health[AS_OF])),
    }


def estimate_data(
    state: State,
    slots: Sequence[int],
    now: Beliefs,
    times: Sequence[int],
    records: Sequence[Sequence[int]],
    revised: bool,
) -> list[Data]:
    """Say what is believed of n twins at `times`, to which `now` was predicted."""
    f = now.f
    biomass = _lognormal(f[ekf.LNX], f[ekf.P00])
    gain = _lognormal(f[ekf.GAIN], f[ekf.P22])
    rate_sd = np.sqrt(np.maximum(f[ekf.P11], 0.0))
    rate = np.array([f[ekf.RATE], rate_sd, f[ekf.RATE] - Z * rate_sd, f[ekf.RATE] + Z * rate_sd])
    litres = now.i[ekf.VOLUME] / NANOLITRES
    health = f[ekf.NIS : ekf.NIS_MEAN + 1].T.tolist()
    columns = [part.T.tolist() for part in (biomass, rate, gain, biomass * litres)]
    whole = now.i.T.tolist()
    said: list[Data] = []
    for j, (slot, volume) in enumerate(zip(slots, litres.tolist(), strict=True)):
        batch = now.batches[j]
        unit = biomass_unit(state, slot)
        believed: Data = {}
        if whole[j][ekf.INITIALISED]:
            units = (unit, "/h", "1", MASS_UNITS.get(unit, f"{unit}.L"))
            for name, part, one in zip(
                ("biomass", "growth_rate", "sensor_gain", "biomass_mass"), columns, units, strict=True
            ):
                mean, sd, low, high = part[j]
                believed[name] = {"mean": mean, "sd": sd, "low": low, "high": high, "unit": one}
            believed["volume"] = {"mean": volume, "sd": 0.0, "low": volume, "high": volume, "unit": "L"}
        zero = batch.started if batch.inoculated is None else batch.inoculated
        count, first, last = records[j]
        said.append(
            {
                "batch": batch.batch,
                "phase": batch.phase,
                "hours": None if zero is None else (times[j] - zero) / HOUR,
                "state": believed,
                "readings": {} if revised else newest_readings(state, slot),
                "filter": _filter_data(health[j], whole[j]),
                "records": {"count": count, "first": first, "last": last},
                "revised": revised,
            }
        )
        if batch.held is not None:
            said[j]["held"] = True
        if state.phased:
            said[j]["limits"] = holding(state, batch.phase) if whole[j][ekf.RUNNING] else []
    if state.process is not None and now.m is not None:
        for data, process in zip(said, process_data(state.process, now.m, litres, now.batches), strict=True):
            data["process"] = process
    if state.reconciling is not None and now.r is not None:
        for j, data in enumerate(said):
            data["reconciled"] = state.reconciling.data(now.r[:, j], times[j], data["readings"])
    return said


def holding(state: State, phase: str | None) -> list[str]:
    """Name the rules on measured values that hold in a phase."""
    return [one.name for one in state.rules if one.kind == "measured" and (not one.phases or phase in one.phases)]


def _lognormal(mean: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give mean, standard deviation and the central 90 % of exp(Gaussian), shape (4, n)."""
    variance = np.clip(variance, 0.0, EXPONENT_LARGEST)
    sd = np.sqrt(variance)
    middle = np.exp(np.minimum(mean + 0.5 * variance, EXPONENT_LARGEST))
    low, high = np.exp(mean - Z * sd), np.exp(np.minimum(mean + Z * sd, EXPONENT_LARGEST))
    return np.array([middle, middle * np.sqrt(np.expm1(variance)), low, high])


def _filter_data(health: list[float], whole: list[int]) -> Data:
    gate = whole[ekf.GATE]
    judged = gate != ekf.GATE_NONE
    return {
        "nis": health[0] if judged else None,
        "innovation": health[1] if judged else None,
        "innovation_sd": health[2] if judged else None,
        "gate": ekf.GATES[gate],
        "rejected_run": whole[ekf.REJECTED],
        "consistent": whole[ekf.REJECTED] == 0 and health[3] <= ekf.NIS_CONSISTENT,
    }


def biomass_unit(state: State, slot: int) -> str:
    """Name the unit of a twin's biomass: that of its signal."""
    column = int(state.biomass[slot])
    return state.columns[column][1] if column >= 0 else "1"


def newest_readings(state: State, slot: int) -> Data:
    """Give the newest value of every tag, by event time."""
    times = state.value_time[slot].tolist()
    values = state.value[slot].tolist()
    qualities = state.quality[slot].tolist()
    newest: Data = {}
    newest_time: dict[str, int] = {}
    for place, (tag, unit) in enumerate(state.columns):
        time = times[place]
        if time >= 0 and time > newest_time.get(tag, -1):
            newest_time[tag] = time
            newest[tag] = {
                "value": values[place],
                "unit": unit,
                "quality": QUALITIES[qualities[place]],
                "event_time": instant(time),
            }
    return newest


def forecast_data(
    state: State, slots: Sequence[int], now: Beliefs, fan: Fan, limits: LimitsAhead | None = None
) -> list[Data]:
    """Lay the fans of n twins out; `limits` looks at what the process model expects."""
    spread = {name: np.ascontiguousarray(part.transpose(1, 0, 2)).tolist() for name, part in quantiles(fan).items()}
    at = _whole_seconds(np.ascontiguousarray(fan.at[1:].T))
    said: list[Data] = []
    for j, slot in enumerate(slots):
        units = {name: unit or biomass_unit(state, slot) for name, unit in FORECAST_UNITS.items()}
        said.append(
            {
                "batch": now.batches[j].batch,
                "quantiles": list(QUANTILES),
                "at": at[j],
                "values": {name: part[j] for name, part in spread.items()},
                "units": units,
            }
        )
    if state.process is not None and now.m is not None:
        litres = now.i[ekf.VOLUME] / NANOLITRES
        plan = plan_of(state, now)
        expected = process_forecast(state.process, now.m, litres, fan.at[1:], np.array(NORMAL), limits, plan)
        for data, process in zip(said, expected, strict=True):
            data["process"] = process
        if state.advising is not None:
            ends = [batch.planned_end for batch in now.batches]
            for data, advice in zip(said, state.advising.say(now.m, litres, fan.at[0], ends), strict=True):
                data["advice"] = advice
    return said


def plan_of(state: State, now: Beliefs) -> RunPlan:
    """Give what is planned for n runs."""
    return RunPlan(
        np.array([batch.planned_end or 0 for batch in now.batches], dtype=np.int64),
        np.array([state.table.value(batch.parameters, p.FEED_RATE) for batch in now.batches]),
        [batch.started if batch.inoculated is None else batch.inoculated for batch in now.batches],
    )


def _whole_seconds(times: NDArray[np.int64]) -> list[list[str]]:
    """Write many instants as RFC 3339, rounded to seconds."""
    seconds = ((times + SECOND // 2) // SECOND).astype("datetime64[s]")
    return [[f"{time}Z" for time in row] for row in np.datetime_as_string(seconds).tolist()]


def alert_data(
    state: State,
    slot: int,
    rule: Rule,
    raised: bool,
    value: float | None,
    message: str,
    probability: float | None = None,
    expected_at: int = -1,
    limit: float | None = None,
) -> Data:
    """Say that an alert was raised or cleared. `alert`, its identity, is filled in by `assemble`."""
    batch = state.current[slot]
    return {
        "action": "raise" if raised else "clear",
        "alert": "",
        "rule": rule.name,
        "tag": rule.tag,
        "priority": rule.priority,
        "value": value,
        "limit": rule.limit if limit is None and rule.kind not in ("chart", "golden", "fault") else limit,
        "unit": rule.unit or biomass_unit(state, slot),
        "probability": probability,
        "expected_at": format_instant(expected_at) if expected_at >= 0 else None,
        "batch": batch.batch,
        "phase": batch.phase,
        "message": message,
    }


LIMITS = {"": "limit", "alarm": "alarm limit", "action": "action limit", "proven": "proven range"}
ASKS = {
    "action": "; there is a deviation to record",
    "proven": "; whether the product is touched is to be judged",
}


def measured_message(rule: Rule, raised: bool, value: float | None) -> str:
    """Say a measured crossing in words; `value` None: the newest was beyond the limit, and time has passed since."""
    side = "above" if rule.high else "below"
    asks = ASKS.get(rule.of, "")
    limit = f"its {LIMITS[rule.of]} of {rule.limit:g} {rule.unit}"
    if value is None:
        return f"{rule.tag} was {side} {limit} when last read, {rule.on_delay / SECOND:g} s ago or more{asks}"
    if raised:
        lasting = f" for {rule.on_delay / SECOND:g} s or more" if rule.on_delay else ""
        return f"{rule.tag} is {value:g} {rule.unit}, {side} {limit}{lasting}{asks}"
    lasting = f" for {rule.off_delay / SECOND:g} s or more" if rule.off_delay else ""
    return f"{rule.tag} is {value:g} {rule.unit}, back within {limit}{lasting}"


def predicted_message(rule: Rule, raised: bool, probability: float, unit: str) -> str:
    """Say a predicted crossing in words."""
    side = "above" if rule.high else "below"
    state = "is expected to be" if raised else "is no longer expected to be"
    return f"{rule.tag} {state} {side} {rule.limit:g} {unit} before the run ends (probability {probability:.2f})"
