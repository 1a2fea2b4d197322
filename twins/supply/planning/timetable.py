"""Who holds what when: units one patient at a time, resources up to capacity, instants at which a stage may start.

Steps are those of the problem. Nothing here chooses; `earliest` is monotone in the instant from which it searches.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from twins.supply.planning.problem import Calendar, Departures, Problem, Resource, Stage

NEVER = 1 << 40  # later than any step


@dataclass(slots=True)
class Unit:
    """One patient at a time. A block is a stage and the changeover behind it; closings stop the stage alone."""

    name: str
    changeover: int
    shut: list[int]  # closings: starts and ends in turn, ascending, apart
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)

    def copy(self) -> Unit:
        """Give one that may be changed alone."""
        return Unit(self.name, self.changeover, self.shut, self.starts[:], self.ends[:], self.owners[:])

    def earliest(self, step: int, duration: int) -> int:
        """Find the first start at or after a step."""
        while True:
            start = _outside(self.shut, step, duration)
            if start >= NEVER:
                return NEVER
            at = bisect_right(self.ends, start)  # the first block that ends behind the start
            if at == len(self.ends) or self.starts[at] >= start + duration + self.changeover:
                return start
            step = self.ends[at]

    def take(self, start: int, duration: int, owner: str) -> None:
        """Add a block, which is known to fit."""
        at = bisect_left(self.starts, start)
        self.starts.insert(at, start)
        self.ends.insert(at, start + duration + self.changeover)
        self.owners.insert(at, owner)

    def give(self, start: int, owner: str) -> None:
        """Take a block out again."""
        at = next(k for k in range(bisect_left(self.starts, start), len(self.starts)) if self.owners[k] == owner)
        del self.starts[at], self.ends[at], self.owners[at]


@dataclass(slots=True)
class Level:
    """How much of a resource is free: `free[k]` from `times[k]` to the next; the first time is that of all before."""

    times: list[int]
    free: list[int]

    def copy(self) -> Level:
        """Give one that may be changed alone."""
        return Level(self.times[:], self.free[:])

    def earliest(self, step: int, length: int, amount: int) -> int:
        """Find the first instant at or after a step from which so much is free for so long."""
        times, free = self.times, self.free
        at, count = max(bisect_right(times, step) - 1, 0), len(times)
        start = step
        while at < count and times[at] < start + length:
            if free[at] < amount:
                if at + 1 == count:
                    return NEVER
                start = times[at + 1]
            at += 1
        return start

    def change(self, start: int, end: int, amount: int) -> None:
        """Add to what is free from `start` to before `end`; negative takes."""
        if start >= end:
            return
        first, last = self._cut(start), self._cut(end)
        for at in range(first, last):
            self.free[at] += amount

    def _cut(self, step: int) -> int:
        at = bisect_left(self.times, step)
        if at == len(self.times) or self.times[at] != step:
            self.times.insert(at, step)
            self.free.insert(at, self.free[at - 1])
        return at


@dataclass(slots=True)
class Timetable:
    """All units and resources, and what of a stage is allowed when."""

    now: int
    horizon: int
    units: dict[str, Unit]
    levels: dict[str, Level]
    pools: dict[str, tuple[str, ...]]
    departures: dict[str, list[int]]

    def copy(self) -> Timetable:
        """Give one that may be changed alone."""
        return Timetable(
            self.now,
            self.horizon,
            {name: one.copy() for name, one in self.units.items()},
            {name: one.copy() for name, one in self.levels.items()},
            self.pools,
            self.departures,
        )

    def earliest(self, stage: Stage, step: int, preferred: str = "") -> tuple[int, str]:
        """Find the first start of a stage at or after a step, and its unit; of equal ones the preferred, then the
        one with the least idle time before. The start is `NEVER` where there is none before the horizon.
        """
        step, last = max(step, self.now), self.horizon - stage.duration
        while step <= last:
            start = self._departure(stage, step)
            for use in stage.uses:
                length = stage.duration - use.after if use.length is None else use.length
                start = max(
                    start, self.levels[use.resource].earliest(start + use.after, length, use.amount) - use.after
                )
            if start == step and not stage.pool:
                return start, ""
            if stage.pool and start <= last:
                at, unit = self._unit(stage, start, preferred)
                if at == start == step:
                    return start, unit
                start = at
            step = start
        return NEVER, ""

    def fits(self, stage: Stage, start: int, unit: str) -> bool:
        """Say whether a stage may start there as things stand."""
        if start < self.now or start + stage.duration > self.horizon or self._departure(stage, start) != start:
            return False
        return self.open(stage, start, unit)

    def open(self, stage: Stage, start: int, unit: str) -> bool:
        """Say whether resources are free for what of a stage lies ahead."""
        for use in stage.uses:
            first, end = _span(stage, start, use.after, use.length, self.now)
            if first < end and self.levels[use.resource].earliest(first, end - first, use.amount) != first:
                return False
        if not stage.pool:
            return True
        first, end = max(start, self.now), start + stage.duration
        return end <= first or self.units[unit].earliest(first, end - first) == first

    def take(self, stage: Stage, start: int, unit: str, owner: str) -> None:
        """Give a stage its resources."""
        self._change(stage, start, -1)
        if stage.pool:
            self.units[unit].take(start, stage.duration, owner)

    def give(self, stage: Stage, start: int, unit: str, owner: str) -> None:
        """Take them back."""
        self._change(stage, start, 1)
        if stage.pool:
            self.units[unit].give(start, owner)

    def _change(self, stage: Stage, start: int, sign: int) -> None:
        for use in stage.uses:
            first, end = _span(stage, start, use.after, use.length, self.now)
            self.levels[use.resource].change(first, end, sign * use.amount)

    def _departure(self, stage: Stage, step: int) -> int:
        if not stage.departures:
            return step
        allowed = self.departures[stage.departures]
        at = bisect_left(allowed, step)
        return allowed[at] if at < len(allowed) else NEVER

    def _unit(self, stage: Stage, step: int, preferred: str) -> tuple[int, str]:
        best, chosen, key = NEVER, "", (0, 0)
        for name in self.pools[stage.pool]:
            unit = self.units[name]
            start = unit.earliest(step, stage.duration)
            if start > best or start >= NEVER:
                continue
            at = bisect_right(unit.ends, start)
            idle = start - (unit.ends[at - 1] if at else self.now)
            this = (name != preferred, idle)
            if start < best or this < key:
                best, chosen, key = start, name, this
        return best, chosen


def make_timetable(problem: Problem) -> Timetable:
    """Lay out an empty timetable: calendars, closings and departures alone."""
    calendars = {one.name: one for one in problem.calendars}
    pooled = {unit for pool in problem.pools for unit in pool.units}
    levels = {one.name: _level(one, calendars.get(one.calendar), problem) for one in problem.resources}
    units = {}
    for one in problem.resources:
        if one.name in pooled:
            units[one.name] = Unit(one.name, one.changeover, _shut(levels.pop(one.name)))
    return Timetable(
        problem.now,
        problem.horizon,
        units,
        levels,
        {pool.name: pool.units for pool in problem.pools},
        {one.name: _allowed(one, problem) for one in problem.departures},
    )


def _level(resource: Resource, calendar: Calendar | None, problem: Problem) -> Level:
    level = Level([problem.now], [resource.capacity])
    if calendar is not None:
        closed = _complement(calendar, resource.capacity, problem)
        for start, end, lost in closed:
            level.change(max(start, problem.now), min(end, problem.horizon), -lost)
        for one in calendar.closed:
            level.change(max(one.start, problem.now), min(one.end, problem.horizon), -resource.capacity)
    for gone in resource.closed:
        lost = resource.capacity if gone.lost is None else gone.lost
        level.change(max(gone.start, problem.now), min(gone.end, problem.horizon), -lost)
    return level


def _complement(calendar: Calendar, capacity: int, problem: Problem) -> Iterable[tuple[int, int, int]]:
    """Give what a week's windows leave closed, week by week, with how much."""
    week = problem.week
    for number in range(problem.now // week, problem.horizon // week + 1):
        base, before = number * week, number * week
        for window in calendar.weekly:
            yield before, base + window.start, capacity
            if window.capacity is not None:
                yield base + window.start, base + window.end, max(capacity - window.capacity, 0)
            before = base + window.end
        yield before, base + week, capacity


def _shut(level: Level) -> list[int]:
    found: list[int] = []
    for at, free in enumerate(level.free):
        if free > 0:
            continue
        start, end = level.times[at], level.times[at + 1] if at + 1 < len(level.times) else NEVER
        if found and found[-1] == start:
            found[-1] = end
        else:
            found += [start, end]
    return found


def _allowed(one: Departures, problem: Problem) -> list[int]:
    week = problem.week
    weeks = range(problem.now // week, problem.horizon // week + 1) if one.weekly else range(0)
    steps = {number * week + step for number in weeks for step in one.weekly} | set(one.at)
    return sorted(
        step
        for step in steps
        if problem.now <= step < problem.horizon and not any(gap.start <= step < gap.end for gap in one.closed)
    )


def _outside(shut: list[int], step: int, duration: int) -> int:
    """Find the first start at or after a step of a stretch that meets no closing."""
    at = bisect_right(shut, step)
    if at % 2:  # inside a closing
        step, at = shut[at], at + 1
    while at < len(shut) and shut[at] < step + duration:
        step, at = shut[at + 1], at + 2
    return step


def _span(stage: Stage, start: int, after: int, length: int | None, now: int) -> tuple[int, int]:
    end = start + (stage.duration if length is None else after + length)
    return max(start + after, now), end
