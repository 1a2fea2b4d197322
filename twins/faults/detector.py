"""Fold one minute of all units: readings and demands in; faults, alarms and trust out.

All state is plain arrays with the units on the last axis; every operation is element by element along it, so a unit's
numbers are the same alone and among thousands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import ShapeError
from twins.faults import alarms, gate, isolate, relations, signals, still, telling
from twins.faults.alarms import Claims, Kind, Standing
from twins.faults.channels import (
    ACTUATORS,
    BASE,
    CAP,
    CHANNELS,
    COUNT,
    GCO2,
    GO2,
    NAMES,
    PH,
    PLACES,
    Bools,
    Floats,
    Ints,
)  # fmt: skip
from twins.faults.gate import Gated
from twins.faults.isolate import Evidence, Sight
from twins.faults.relations import BALANCE, CELLS, DRIVES, NEEDS, NUMBER, SD, Relations
from twins.faults.settings import Settings
from twins.faults.still import Stillness

TREND = 1.0 / 240.0  # gain of the slow trends of growth: a memory of four hours
TREND_BEND = TREND * TREND / 4.0
PARTS: dict[str, type[Any]] = {  # Any: the parts of a state share no type
    "gated": Gated, "still": Stillness, "relations": Relations, "evidence": Evidence, "standing": Standing,
}  # fmt: skip
INNER = {name: tuple(field.name for field in fields(kind)) for name, kind in PARTS.items()}


@dataclass(slots=True, eq=False)
class State:
    """All that is remembered of n units.

    `minutes` (n,): folded so far. `poured` (n,) [mL]. `inlet` (4, n), `lift` (4, n): see `signals`. `offset` (16, n):
    what standing steps add up to [sd]. `trend` (4, n): level and slope a minute of ln OUR, then of ln capacitance.
    `spikes` (16, n): counted so far.
    """

    minutes: Ints
    poured: Floats
    inlet: Floats
    lift: Floats
    offset: Floats
    trend: Floats
    spikes: Ints
    gated: Gated
    still: Stillness
    relations: Relations
    evidence: Evidence
    standing: Standing


OUTER = tuple(field.name for field in fields(State))


@dataclass(slots=True, eq=False)
class Outcome:
    """What one minute gave, channels (16) or places (17) first, units last.

    Parameters
    ----------
    raised, cleared : array of bool, shape (17, n)
        Alarms that turned.
    kind, other, since : arrays, shape (17, n)
        Of the alarms that stand: `Kind`, the other channel of a set of two or -1, since when [us].
    spike : array of bool, shape (16, n)
        A spike ended here: logged, no alarm.
    trusted : array of bool, shape (16, n)
        What may be used this minute. A gated, silent or faulty channel may not.
    estimate : array, shape (16, n)
        Of each tested channel, in its unit, from trusted readings; NaN for the others.
    distance : array, shape (10, n)
        Of each relation from where it stood [sd].
    """

    raised: Bools
    cleared: Bools
    kind: Ints
    other: Ints
    since: Ints
    spike: Bools
    trusted: Bools
    estimate: Floats
    distance: Floats


class Detector:
    """Finds and names faults of many units. It holds constants only; state goes in and comes out."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.gate = gate.gate_of(self.settings, CHANNELS)

    def start(self, n: int) -> State:
        """Give the state of n units that have seen nothing."""
        return State(
            np.zeros(n, np.int64), np.zeros(n), np.full((4, n), np.nan), signals.lift_start(n), np.zeros((COUNT, n)),
            np.full((4, n), np.nan),
            np.zeros((COUNT, n), np.int64), gate.start(self.gate, n), still.start(self.gate.nominal, n),
            relations.start(n), isolate.start(n), alarms.start(n),
        )  # fmt: skip

    def step(
        self, state: State, instants: Ints, readings: Floats, demands: Floats, told: Ints | None = None
    ) -> tuple[State, Outcome]:
        """Fold one minute.

        Parameters
        ----------
        state : State
            Of n units; it is left as it was.
        instants : array of int64, shape (n,)
            Of this minute [us].
        readings : array, shape (16, n)
            In the order of `CHANNELS`, NaN where there is none.
        demands : array, shape (7, n)
            In the order of `ACTUATORS`, in the unit of their channels; NaN where it is not known.
        told : array of int64, shape (16, n), optional
            Which channels something that was done at the vessel explains a step of, this minute: `telling.NOTHING`,
            `telling.JUMPED` or `telling.RENEWED`.

        Raises
        ------
        ShapeError
            If an array has another shape.
        """
        n = len(state.minutes)
        if readings.shape != (COUNT, n) or demands.shape != (len(ACTUATORS), n) or instants.shape != (n,):
            raise ShapeError(
                f"expected readings of shape {(COUNT, n)}, demands of {(len(ACTUATORS), n)} and {n} instants, "
                f"received {readings.shape}, {demands.shape} and {instants.shape}"
            )
        jumped = np.zeros((COUNT, n), np.bool_) if told is None else told > telling.NOTHING
        prior = state.gated.reference + state.gated.trend
        if told is not None and jumped.any():
            state = forgotten(state, told)
        settings, named = self.settings, alarms.distrusted(state.standing)
        minutes = state.minutes + 1
        armed, ready = minutes > settings.settle_minutes, minutes > settings.learn_minutes
        flows = signals.flows_of(readings, demands, named)
        poured = state.poured + (flows.base + flows.feed - settings.evaporation) / 60.0
        inlet = np.where(np.isnan(state.inlet), np.stack([flows.oxygen, flows.carbon] * 2), state.inlet)
        inlet = signals.delay_inlet(settings, inlet, flows)
        lift = signals.lift_step(settings, state.lift, demands, flows, state.trend[0])
        taken = signals.offsets(demands, poured, inlet, lift)
        values = signals.to_signals(readings, taken)

        plain = readings.copy()
        plain[CAP] = values[CAP]
        stillness, stuck = still.step(state.still, plain, self.gate.nominal)
        used = np.where(stuck | (state.standing.kind[:COUNT] == Kind.STUCK), np.nan, values)
        expected = signals.to_readings(state.gated.reference + state.gated.trend, taken)
        echoes = np.isinf(self.gate.nominal)
        echo = np.full((COUNT, n), np.nan)
        echo[list(ACTUATORS)] = demands
        expected = np.where(echoes, echo, expected)
        gated, verdict = gate.step(self.gate, state.gated, instants, used, signals.unrest(inlet, demands), armed)
        if jumped.any():
            gated = telling.settled(gated, prior, used, jumped)

        usable = ~named & ~np.isnan(used) & ~(verdict.gated & verdict.brief)
        estimate = signals.to_readings(gated.reference, taken)
        gas = relations.gas_balance(settings, estimate, inlet, flows)
        begun = np.where(armed & (minutes == settings.settle_minutes + 1), True, False)
        before = state.relations
        if begun.any():
            fresh = relations.start(n)
            before = Relations(
                np.where(begun, fresh.mean, before.mean), np.where(begun, fresh.centre, before.centre),
                np.where(begun, fresh.seen, before.seen),
            )  # fmt: skip
        fit = np.stack([_all(usable, NEEDS[row]) for row in range(NUMBER)]) & armed
        faulty = state.standing.kind > 0
        still_there = np.stack([_all(~faulty, (*NEEDS[row], *DRIVES.get(row, ()))) for row in range(NUMBER)])
        level = np.where(np.isnan(used) | jumped, gated.reference, used)
        residuals = relations.residuals(settings, level, lift, demands, gas)
        scale = relations.scales(gas)
        bonds, distance = relations.step(before, residuals, scale, fit, armed & ~ready, still_there)
        trend, growth = _growth(
            state.trend, gas.uptake, gated.reference[CAP], still_there[CELLS] & (np.abs(distance[CELLS]) < 2.5), begun,
            jumped,
        )  # fmt: skip

        noise = np.where(echoes, 1e-6 + 1e-3 * np.abs(np.nan_to_num(expected)), gated.noise)
        noise[CAP] = gated.noise[CAP] * np.abs(np.nan_to_num(expected[CAP]))
        low = np.where(demands[ACTUATORS.index(BASE)] > 0.0, settings.ph_low - estimate[PH], 0.0)
        sight = Sight(
            instants, verdict, state.gated.error, readings, expected, noise, demands, distance, distance * scale, ready,
            settings.relation_limit, low, -(distance[BALANCE] + isolate.LEANING) * SD[BALANCE], growth,
        )  # fmt: skip
        evidence, claims = isolate.step(state.evidence, sight)
        silent = stillness.spoke & (stillness.missing >= settings.missing_minutes)
        self._plain_faults(claims, instants, stuck & ~np.isnan(readings), silent)
        quiet = np.nonzero(~armed)[0]
        claims.kind[:, quiet] = np.where(claims.kind[:, quiet] <= Kind.STUCK, claims.kind[:, quiet], 0)

        offset = np.where(state.standing.kind[:COUNT] > 0, state.offset, np.where(evidence.age > 10, 0.0, state.offset))
        offset = offset + verdict.size
        standing, turns = alarms.step(
            state.standing, claims, _still_seen(state.standing, offset, stuck, silent, distance, stillness)
        )
        bad = alarms.distrusted(standing)
        after = State(
            minutes,
            poured,
            inlet,
            lift,
            offset,
            trend,
            state.spikes + verdict.spike,
            gated,
            stillness,
            bonds,
            evidence,
            standing,
        )
        outcome = Outcome(
            turns.raised, turns.cleared, standing.kind, standing.other, standing.since, verdict.spike,
            ~bad & ~np.isnan(used) & ~verdict.gated, np.where(echoes, np.nan, estimate), distance,
        )  # fmt: skip
        return after, outcome

    def _plain_faults(self, claims: Claims, instants: Ints, stuck: Bools, silent: Bools) -> None:
        for row in range(COUNT):
            claims.put(row, silent[row], Kind.DROPPED, instants)
            claims.put(row, stuck[row], Kind.STUCK, instants)


def _all(usable: Bools, rows: tuple[int, ...]) -> Bools:
    out: Bools = usable[rows[0]]
    for row in rows[1:]:
        out = out & usable[row]
    return out


def forgotten(state: State, told: Ints) -> State:
    """Give the state without what no longer holds of channels that were told of, shape (16, n)."""
    return replace(
        state, offset=np.where(told > telling.NOTHING, 0.0, state.offset), gated=telling.of_gate(state.gated, told),
        relations=telling.of_relations(state.relations, told), evidence=telling.of_evidence(state.evidence, told),
    )  # fmt: skip


def _growth(
    trend: Floats, uptake: Floats, cells: Floats, calm: Bools, begun: Bools, jumped: Bools
) -> tuple[Floats, Floats]:
    """Follow ln OUR and ln capacitance along their own slow trends; give the new trends and the distances, (2, n).

    Where a channel that one rests on has `jumped`, shape (16, n), its level begins anew and its slope stays.
    """
    after, away = np.empty_like(trend), np.empty((2, trend.shape[1]))
    for k, (value, rows) in enumerate(((uptake, [GO2, GCO2]), (cells, [CAP]))):
        level, slope = trend[2 * k], trend[2 * k + 1]
        fresh = np.isnan(level) | begun
        guess = np.where(fresh | (jumped[rows].any(axis=0) & ~np.isnan(value)), value, level + slope)
        slope = np.where(fresh, 0.0004, slope)  # assumed: 0.024 1/h, a usual growth rate
        gap = np.where(np.isnan(value), 0.0, value - guess)
        after[2 * k] = guess + np.where(calm, TREND * gap, 0.0)
        after[2 * k + 1] = slope + np.where(calm, TREND_BEND * gap, 0.0)
        away[k] = gap
    return after, away


def _still_seen(
    standing: Standing, offset: Floats, stuck: Bools, silent: Bools, distance: Floats, stillness: Stillness
) -> Bools:
    """Say where a standing alarm is still seen, shape (17, n)."""
    seen = np.zeros((PLACES, offset.shape[1]), np.bool_)
    kind = standing.kind
    stays = np.abs(offset) > 2.5
    seen[:COUNT] = (
        ((kind[:COUNT] == Kind.DROPPED) & silent)
        | ((kind[:COUNT] == Kind.STUCK) & (stuck | (stillness.moving < 1)))
        | ((kind[:COUNT] >= Kind.STEPPED) & stays)
    )
    for relation, rows in NEEDS.items():
        off = np.abs(distance[relation]) > 2.5
        for row in rows:
            seen[row] |= (kind[row] == Kind.DRIFTED) & off
    off = np.abs(distance[BALANCE]) > 2.5
    for name in ("feed", "base", "weight"):
        seen[NAMES.index(name)] |= off & (kind[NAMES.index(name)] > 0)
    seen[PLACES - 1] = np.abs(distance[CELLS]) > 2.5
    return seen


def arrays(state: State) -> dict[str, NDArray[np.generic]]:
    """Give all arrays of a state by name, to be stored; `restored` is the inverse."""
    found: dict[str, NDArray[np.generic]] = {}
    for outer in OUTER:
        value = getattr(state, outer)
        if outer in PARTS:
            found |= {f"{outer}.{inner}": getattr(value, inner) for inner in INNER[outer]}
        else:
            found[outer] = value
    return found


def restored(stored: Mapping[str, NDArray[np.generic]]) -> State:
    """Make a state of its arrays."""
    made: dict[str, Any] = {  # Any: as of `PARTS`
        name: kind(*(stored[f"{name}.{inner}"] for inner in INNER[name])) for name, kind in PARTS.items()
    }
    made |= {name: stored[name] for name in OUTER if name not in PARTS}
    return State(**made)
