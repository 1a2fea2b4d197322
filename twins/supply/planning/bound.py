"""A lower bound on any plan's points: bays shared by price instead of by plan (Lagrangian relaxation), all else alone.

Each patient takes the cheapest start of the pooled stage under prices on the pool's time; whatever the prices, the sum
of what they pay less the worth of all time is below every plan's points. Source: Fisher, The Lagrangian relaxation
method for solving integer programming problems, Management Science 27(1), 1981, section 3; Polyak's step.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from twins.supply.planning.costs import lateness, left_out, present_of
from twins.supply.planning.freezing import Frozen
from twins.supply.planning.problem import Patient, Problem, Stage
from twins.supply.planning.timetable import make_timetable

Floats = NDArray[np.float64]
MOST_BUCKETS = 600  # of the horizon
ROUNDS = 150
_HALVE_AFTER = 8  # rounds without gain


def lower_bound(problem: Problem, frozen: Frozen, best: int) -> int:
    """Give a number of points below which no plan can be; `best` is the points of a plan that is known."""
    relaxed = _Relaxed(problem, frozen)
    pool = busiest_pool(problem)
    fixed, rows, shapes, takes = 0.0, [], [], dict[int, int]()
    spans: list[Floats] = []
    outs: list[float] = []
    for patient in problem.patients:
        k = relaxed.open_stage(patient, pool)
        if k is None:
            fixed += relaxed.alone(patient)
            continue
        duration = patient.stages[k].duration
        if duration not in takes:
            takes[duration] = len(spans)
            changeover = min(relaxed.table.units[name].changeover for name in relaxed.table.pools[pool])
            spans.append(_least_take(duration + changeover, relaxed.width))
        rows.append(relaxed.points(patient, k))
        outs.append(float(left_out(problem.weights, patient)))
        shapes.append(takes[duration])
    if rows:
        fixed += _priced(np.array(rows), np.array(shapes), spans, np.array(outs), relaxed.free(pool), best - fixed)
    return max(0, math.ceil(fixed - 1e-6))


def busiest_pool(problem: Problem) -> str:
    """Name the pool with the most work for each of its units; empty without pools, or where pools share units."""
    shared = {unit for one in problem.pools for unit in one.units}
    if len(shared) < sum(len(one.units) for one in problem.pools):
        return ""
    load = {one.name: 0.0 for one in problem.pools}
    for patient in problem.patients:
        for stage in patient.stages:
            if stage.pool:
                load[stage.pool] += stage.duration
    sizes = {one.name: len(one.units) for one in problem.pools}
    return max(load, key=lambda name: (load[name] / sizes[name], name), default="")


class _Relaxed:
    """Each patient with calendars alone, by buckets of the start of the pooled stage."""

    def __init__(self, problem: Problem, frozen: Frozen) -> None:
        self.problem, self.frozen, self.table = problem, frozen, make_timetable(problem)
        self.width = max(1, -(-(problem.horizon - problem.now) // MOST_BUCKETS))
        self.count = -(-(problem.horizon - problem.now) // self.width)
        self.present = present_of(problem)
        self._arrivals: dict[tuple[tuple[Stage, ...], int], int] = {}
        self._slots: dict[tuple[Stage, int], int] = {}

    def open_stage(self, patient: Patient, pool: str) -> int | None:
        """Give the first stage in the pool that is still open; None where there is none, or no place at all."""
        kept = self.frozen.kept[patient.id]
        if not pool or patient.id in self.frozen.lost:
            return None
        return next((k for k, one in enumerate(patient.stages) if one.pool == pool and k not in kept), None)

    def alone(self, patient: Patient) -> float:
        """Give the least points of a patient for whom only order and calendars count."""
        out = float(left_out(self.problem.weights, patient))
        last = len(patient.stages) - 1
        if patient.id in self.frozen.lost:
            return out
        arrival = self._reach(patient, last)
        return min(out, self._infused(patient, self._slot(patient, arrival)))

    def points(self, patient: Patient, k: int) -> Floats:
        """Give the least points by bucket of the start of stage `k`; infinite where it cannot start."""
        stages, width, now = patient.stages, self.width, self.problem.now
        earliest = self._reach(patient, k)
        latest = patient.latest if k or patient.expires is None else min(patient.expires, patient.latest)
        found = np.full(self.count, np.inf)
        lasts = k < len(stages) - 1
        between, after = stages[k + 1 : -1], stages[k].duration if lasts else 0
        was = self.present[patient.id].get(k)
        for t in range(max(0, (earliest - now) // width), min(self.count, (latest - now) // width + 1)):
            moved = was is not None and not now + t * width <= was.start < now + (t + 1) * width
            arrival = self._arrival(between, now + t * width + after)
            found[t] = self._infused(patient, self._slot(patient, arrival))
            found[t] += self.problem.weights.moved if moved and lasts else 0
        return found

    def free(self, pool: str) -> Floats:
        """Give what of the pool's time is free in each bucket [units]: closings and what is frozen are not."""
        found = np.zeros(self.count)
        for name in self.table.pools[pool]:
            unit = self.frozen.timetable.units[name]
            gone = list(zip(unit.starts, unit.ends, strict=True))
            for start, end in zip(unit.shut[::2], unit.shut[1::2], strict=True):
                if start + unit.changeover < end:  # a changeover may lie in a closing
                    gone.append((start + unit.changeover, end))
            found += 1.0 - self._covered(gone)
        return found

    def _covered(self, spans: list[tuple[int, int]]) -> Floats:
        """Give the share of each bucket that lies in the union of spans."""
        edges, total, at = [0], [0.0], 0
        for start, end in sorted(spans):
            first, last = (min(max(one - self.problem.now, at), self.count * self.width) for one in (start, end))
            if first < last:
                edges += [first, last]
                total += [total[-1], total[-1] + last - first]
                at = last
        ends = np.arange(self.count + 1) * self.width
        covered: Floats = np.diff(np.interp(ends, edges, total)) / self.width
        return covered

    def _reach(self, patient: Patient, k: int) -> int:
        """Give the first instant by which stage `k` could start, by order and calendars."""
        step, kept = max(self.problem.now, patient.ready), self.frozen.kept[patient.id]
        for m in range(k):
            step = kept[m].start if m in kept else self.table.earliest(patient.stages[m], step)[0]
            step += patient.stages[m].duration
        return step

    def _arrival(self, between: tuple[Stage, ...], step: int) -> int:
        """Give when the stages between the pooled one and the infusion have ended, if they begin at a step."""
        key = (between, step)
        if key not in self._arrivals:
            at = step
            for stage in between:
                at = self.table.earliest(stage, at)[0] + stage.duration
            self._arrivals[key] = at
        return self._arrivals[key]

    def _slot(self, patient: Patient, arrival: int) -> int:
        last = len(patient.stages) - 1
        if last in self.frozen.kept[patient.id]:
            return self.frozen.kept[patient.id][last].start
        if patient.depletion is not None:
            arrival = max(arrival, patient.depletion.earliest + patient.depletion.lead)
        key = (patient.stages[last], arrival)
        if key not in self._slots:
            self._slots[key] = self.table.earliest(patient.stages[last], arrival)[0]
        return self._slots[key]

    def _infused(self, patient: Patient, start: int) -> float:
        """Give the least points of an infusion at or after a step: late, and moved where it can no longer stay."""
        last, weights = len(patient.stages) - 1, self.problem.weights
        if start > patient.latest and last not in self.frozen.kept[patient.id]:
            return math.inf
        was = self.present[patient.id].get(last)
        points = lateness(weights, patient, start)
        if was is not None and was.start < start:
            points += weights.rebooked + weights.rebooked_step * (start - was.start)
        return float(points)


def _least_take(length: int, width: int) -> Floats:
    """Give the least share of each bucket that a stage takes which starts somewhere in the first.

    Examples
    --------
    >>> _least_take(10, 4).tolist()
    [0.25, 1.0, 0.5, 0.0]
    """
    edges = np.arange(0, length + 2 * width, width)
    shares = [np.minimum(start + length, edges[1:]) - np.maximum(start, edges[:-1]) for start in (0, width - 1)]
    least: Floats = np.clip(np.minimum(*shares), 0, None) / width
    return least


def _priced(
    points: Floats, shapes: NDArray[np.int64], spans: list[Floats], outs: Floats, free: Floats, best: float
) -> float:
    """Raise the bound by moving the prices of the pool's time towards what is short.

    Parameters
    ----------
    points : array, shape (patients, buckets)
    shapes : array, shape (patients,)
        Which of `spans` a patient takes.
    outs : array, shape (patients,)
        Points of being left out.
    free : array, shape (buckets,)
        Units that are free.
    best : float
        Points of a plan that is known, for the length of steps.
    """
    buckets = len(free)
    price, rows = np.zeros(buckets), np.arange(len(points))
    highest, best_price, scale, idle = -math.inf, price, 1.0, 0
    for _ in range(ROUNDS):
        worth = np.array([_correlated(price, span) for span in spans])
        asked = points + worth[shapes]
        at = asked.argmin(axis=1)
        least = asked[rows, at]
        value = float(np.minimum(least, outs).sum() - price @ free)
        if value > highest + 1e-9:
            highest, best_price, idle = value, price, 0
        else:
            idle += 1
            if idle >= _HALVE_AFTER:
                scale, idle, price = scale / 2.0, 0, best_price
                continue
        taken = np.zeros(buckets)
        inside = least < outs
        for number, span in enumerate(spans):
            starts = np.bincount(at[inside & (shapes == number)], minlength=buckets)
            taken += np.convolve(starts, span)[:buckets]
        slope = taken - free
        slope[(price <= 0.0) & (slope < 0.0)] = 0.0
        norm = float(slope @ slope)
        if norm == 0.0 or best - value <= 0.0:
            break
        price = np.maximum(price + scale * (best - value) / norm * slope, 0.0)
    return highest


def _correlated(price: Floats, span: Floats) -> Floats:
    found: Floats = np.correlate(np.append(price, np.zeros(len(span) - 1)), span, "valid")
    return found
