"""Some patients' ways as a CP-SAT model, all others being booked: the best places for these together.

OR-tools is needed here alone (extra `planning`). One worker, a fixed seed and a deterministic limit: equal models give
equal answers on equal libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from schemas.errors import MissingExtraError
from twins.supply.planning.costs import Plan, Present, Spot, Spots, left_out
from twins.supply.planning.problem import Patient, Problem, Stage
from twins.supply.planning.timetable import NEVER, Level, Timetable, Unit


@dataclass(frozen=True, slots=True)
class Part:
    """What a model gave: places of those who have one, and whether they are proved best.

    `bound` is a lower bound of these patients' points; `work` the solver's deterministic seconds; `cut` whether its
    wall limit ended it.
    """

    plan: dict[str, Spots]
    proved: bool
    found: bool
    bound: float
    work: float
    cut: bool


@cache
def cp_sat() -> Any:  # Any: OR-tools is optional, and typed in part
    """Load CP-SAT.

    Raises
    ------
    MissingExtraError
        If OR-tools is not installed.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise MissingExtraError("ortools", "planning") from None
    return cp_model


def solve_part(
    problem: Problem,
    table: Timetable,
    free: Sequence[Patient],
    kept: Present,
    present: Present,
    hint: Plan,
    *,
    seed: int,
    work: float,
    wall_seconds: float,
    linear: int = 0,
) -> Part:
    """Find the best places of some patients.

    Parameters
    ----------
    table : Timetable
        With everything booked but what of the free patients does not stand.
    hint : mapping
        Where they are now.
    work, wall_seconds : float
        Limits: deterministic seconds of the solver, and seconds [s] as a protection.
    linear : int
        How much of the model is relaxed linearly: 0 finds better neighbours in equal time, 1 raises the bound.
    """
    cp = cp_sat()
    build = _Build(problem, table, cp.CpModel(), cp)
    for patient in free:
        build.add(patient, kept[patient.id], present[patient.id], hint.get(patient.id))
    build.share()
    build.model.minimize(sum(build.points))
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed % 2_147_483_647
    solver.parameters.linearization_level = linear
    solver.parameters.max_deterministic_time = work
    solver.parameters.max_time_in_seconds = wall_seconds
    status = solver.solve(build.model)
    spent = float(solver.response_proto.deterministic_time)
    found = status in (cp.OPTIMAL, cp.FEASIBLE)
    plan = {one.id: build.read(solver, one) for one in free} if found else {}
    return Part(
        {name: spots for name, spots in plan.items() if spots is not None},
        status == cp.OPTIMAL,
        found,
        float(solver.best_objective_bound),
        spent,
        status != cp.OPTIMAL and solver.wall_time >= wall_seconds,
    )


class _Build:
    """A model under construction. Any: variables of OR-tools."""

    def __init__(self, problem: Problem, table: Timetable, model: Any, cp: Any) -> None:
        self.problem, self.table, self.model, self.cp = problem, table, model, cp
        self.points: list[Any] = []
        self.starts: dict[str, list[Any]] = {}
        self.chosen: dict[tuple[str, int], dict[str, Any]] = {}
        self.placed: dict[str, Any] = {}
        self.in_unit: dict[str, list[Any]] = {}
        self.used: dict[str, list[tuple[Any, int]]] = {}
        self.kept: dict[str, Mapping[int, Spot]] = {}

    def add(self, patient: Patient, kept: Mapping[int, Spot], present: Mapping[int, Spot], hint: Spots | None) -> None:
        """Add a patient: variables, order, shelf lives, points."""
        model, placed = self.model, self.model.new_bool_var("")
        self.placed[patient.id], self.kept[patient.id] = placed, kept
        model.add_hint(placed, hint is not None)
        bounds = self._bounds(patient, kept)
        if any(low > high for low, high in bounds):
            model.add(placed == 0)
            self.starts[patient.id] = []
            self.points.append(left_out(self.problem.weights, patient))
            return
        starts = []
        for k, stage in enumerate(patient.stages):
            start = model.new_int_var_from_domain(self._domain(stage, *bounds[k], k in kept), "")
            starts.append(start)
            if hint is not None:
                model.add_hint(start, hint[k].start)
            if k not in kept:
                self._resources(patient, k, start, bounds[k], None if hint is None else hint[k].unit)
            if k and not (k in kept and k - 1 in kept):
                model.add(start >= starts[k - 1] + patient.stages[k - 1].duration).only_enforce_if(placed)
        names = {stage.name: k for k, stage in enumerate(patient.stages)}
        for k, stage in enumerate(patient.stages):
            for within in stage.within:
                a = names[within.after]
                if not (k in kept and a in kept):
                    most = patient.stages[a].duration + within.length
                    model.add(starts[k] <= starts[a] + most).only_enforce_if(placed)
        self.starts[patient.id] = starts
        self._cost(patient, present, starts, hint)

    def share(self) -> None:
        """Let nobody use what another has: one patient in a unit at a time, and resources up to what is free."""
        for intervals in self.in_unit.values():
            if len(intervals) > 1:
                self.model.add_no_overlap(intervals)
        for name, uses in self.used.items():
            most, gone = _background(self.table.levels[name])
            intervals = [one for one, _ in uses] + [
                self.model.new_fixed_size_interval_var(start, end - start, "") for start, end, _ in gone
            ]
            self.model.add_cumulative(intervals, [amount for _, amount in uses] + [lost for *_, lost in gone], most)

    def read(self, solver: Any, patient: Patient) -> Spots | None:
        """Read where a patient was put."""
        if not solver.boolean_value(self.placed[patient.id]):
            return None
        spots = []
        for k, start in enumerate(self.starts[patient.id]):
            units = self.chosen.get((patient.id, k), {})
            unit = next((name for name, one in units.items() if solver.boolean_value(one)), "")
            spots.append(self.kept[patient.id].get(k, Spot(int(solver.value(start)), unit)))
        return tuple(spots)

    def _bounds(self, patient: Patient, kept: Mapping[int, Spot]) -> list[tuple[int, int]]:
        """Give the first and last start of each stage that order alone allows."""
        stages, last = patient.stages, len(patient.stages) - 1
        low = [self.problem.now] * len(stages)
        high = [self.problem.horizon - stage.duration for stage in stages]
        low[0] = max(low[0], patient.ready)
        high[last] = min(high[last], patient.latest)
        if patient.expires is not None:
            high[0] = min(high[0], patient.expires)
        if patient.depletion is not None:
            low[last] = max(low[last], patient.depletion.earliest + patient.depletion.lead)
        for k in range(len(stages)):
            low[k] = max(low[k], low[k - 1] + stages[k - 1].duration) if k else low[k]
            if k in kept:
                low[k] = high[k] = kept[k].start
        for k in range(last - 1, -1, -1):
            if k not in kept:
                high[k] = min(high[k], high[k + 1] - stages[k].duration)
        return list(zip(low, high, strict=True))

    def _domain(self, stage: Stage, low: int, high: int, fixed: bool) -> Any:
        domain = self.cp.Domain(low, high)
        if stage.departures and not fixed:
            values = [step for step in self.table.departures[stage.departures] if low <= step <= high]
            return self.cp.Domain.from_values(values or [low])
        return domain

    def _resources(self, patient: Patient, k: int, start: Any, bounds: tuple[int, int], hint: str | None) -> None:
        model, stage, placed = self.model, patient.stages[k], self.placed[patient.id]
        instants = self.table.departures[stage.departures] if stage.departures else [bounds[0]]
        if not any(bounds[0] <= step <= bounds[1] for step in instants):
            model.add(placed == 0)
        for use in stage.uses:
            length = stage.duration - use.after if use.length is None else use.length
            interval = model.new_optional_fixed_size_interval_var(start + use.after, length, placed, "")
            self.used.setdefault(use.resource, []).append((interval, use.amount))
        if not stage.pool:
            return
        chosen: dict[str, Any] = {}
        for name in self.table.pools[stage.pool]:
            gaps = _gaps(self.table.units[name], stage.duration, *bounds)
            if not gaps:
                continue
            here = chosen[name] = model.new_bool_var("")
            model.add_linear_expression_in_domain(start, self.cp.Domain.from_intervals(gaps)).only_enforce_if(here)
            size = stage.duration + self.table.units[name].changeover
            self.in_unit.setdefault(name, []).append(model.new_optional_fixed_size_interval_var(start, size, here, ""))
            if hint is not None:
                model.add_hint(here, name == hint)
        model.add(sum(chosen.values()) == placed)
        self.chosen[patient.id, k] = chosen

    def _cost(self, patient: Patient, present: Mapping[int, Spot], starts: list[Any], hint: Spots | None) -> None:
        weights, placed, last = self.problem.weights, self.placed[patient.id], len(starts) - 1
        weight = weights.late[patient.priority - 1]
        self.points.append(left_out(weights, patient) * (1 - placed))
        self._beyond(patient, starts[last], patient.wanted, weight, hint)
        if patient.bridged_until is not None:
            until = max(patient.wanted, patient.bridged_until)
            self._beyond(patient, starts[last], until, weight * (weights.unbridged - 1), hint)
        for k, was in present.items():
            if k == last:
                self._moved(patient, k, Spot(was.start, ""), starts[k], weights.rebooked, hint)
                if weights.rebooked_step:
                    self._shifted(patient, starts[k], was.start)
            else:
                self._moved(patient, k, was, starts[k], weights.moved, hint)

    def _beyond(self, patient: Patient, start: Any, wanted: int, weight: int, hint: Spots | None) -> None:
        if weight == 0 or patient.latest <= wanted:
            return
        late = self.model.new_int_var(0, patient.latest - wanted, "")
        self.model.add(late >= start - wanted).only_enforce_if(self.placed[patient.id])
        self.points.append(weight * late)
        if hint is not None:
            self.model.add_hint(late, max(hint[-1].start - wanted, 0))

    def _moved(self, patient: Patient, k: int, was: Spot, start: Any, weight: int, hint: Spots | None) -> None:
        if weight == 0 or k in self.kept[patient.id]:
            return
        stays, placed = self.model.new_bool_var(""), self.placed[patient.id]
        self.model.add(start == was.start).only_enforce_if(stays)
        self.model.add_implication(stays, placed)
        if was.unit:
            here = self.chosen[patient.id, k].get(was.unit)
            if here is None:
                self.model.add(stays == 0)
            else:
                self.model.add_implication(stays, here)
        if hint is not None:
            self.model.add_hint(stays, hint[k].start == was.start and (not was.unit or hint[k].unit == was.unit))
        self.points.append(weight * (placed - stays))

    def _shifted(self, patient: Patient, start: Any, was: int) -> None:
        by = self.model.new_int_var(0, self.problem.horizon - min(self.problem.now, was) + abs(was), "")
        placed = self.placed[patient.id]
        self.model.add(by >= start - was).only_enforce_if(placed)
        self.model.add(by >= was - start).only_enforce_if(placed)
        self.points.append(self.problem.weights.rebooked_step * by)


def _gaps(unit: Unit, duration: int, low: int, high: int) -> list[list[int]]:
    """Give the starts, from `low` to `high`, at which a unit is free, as intervals."""
    found, step = [], unit.earliest(low, duration)
    while step <= high:
        after = min((one for one in unit.shut[::2] if one >= step + duration), default=NEVER) - duration
        block = min((one for one in unit.starts if one >= step + duration), default=NEVER) - duration - unit.changeover
        end = min(after, block, high)
        found.append([step, end])
        step = unit.earliest(end + 1, duration)
    return found


def _background(level: Level) -> tuple[int, list[tuple[int, int, int]]]:
    """Give the most that is free at any time, and when less is, by how much; the last level has no end."""
    most = max(0, *level.free)
    ends = [*level.times[1:], NEVER]
    gone: list[tuple[int, int, int]] = []
    for start, end, free in zip(level.times, ends, level.free, strict=True):
        lost = most - max(free, 0)
        if lost and gone and gone[-1][1] == start and gone[-1][2] == lost:
            gone[-1] = (gone[-1][0], end, lost)
        elif lost:
            gone.append((start, end, lost))
    return most, gone
