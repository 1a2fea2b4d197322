"""What is learned of durations: where a lane lies, how its legs scatter, what a weekday does, and how honest it was.

The logarithm of a duration is location + weekday + residual. A lane's location is a belief on a grid that may jump
before any leg, alone or with its pool (`moves`); residuals are a histogram of the step and carrier that a lane's own
replaces as it grows. All arrays are replaced, never changed, so a copy of the tables is a copy of its dicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from twins.supply.eta import moves
from twins.supply.eta.duration import LEVELS, Duration
from twins.supply.eta.grid import CELL, CELLS, EDGES, FIRST, FLAT, INDEX, KERNEL, LOWEST, Cells, Floats, unit
from twins.supply.eta.leg import LegKey

JUMP = 1 / 400  # of a lane before a leg; chosen by the worlds of supply_eta (learned online it excited itself)
MASS = 50.0  # legs that a step and carrier weigh in a lane's scatter; chosen by the worlds of supply_eta
START = 2.0  # legs that the first guess of a scatter weighs
STEP_MASS = 8.0  # legs that the step weighs in its carrier's scatter
DECAY_GROUP, DECAY_LANE = 0.9997, 0.999  # so that scatter is of the last 3,300 and 1,000 legs
DAY_MASS, DAY_DECAY = 40.0, 0.998
NEW = 8  # legs of which a lane tells its group where lanes lie
LEAST = np.float32(1e-9)  # of where lanes lie
LANES = 5000  # kept, assumed: 18 MB; the one unused for longest is forgotten, its legs stay in its step and carrier
GAIN, FADE = 0.15, 0.6  # of conformal steps GAIN * n ** -FADE: Angelopoulos, Barber, Bates 2024, exponent in (1/2, 1)
PACES = tuple(2.0 * min(level, 1.0 - level) for level in LEVELS)  # near 0 and 1 a level moves in smaller steps
MOSTS = tuple(0.9999 - 0.0005 * (len(LEVELS) - place) for place in range(len(LEVELS)))
FLOOR = 1e-7
NONE: Cells = np.zeros(2 * CELLS - 1, np.float32)


class Scatter(msgspec.Struct, frozen=True):
    """Residuals (2 CELLS - 1,) as weights, and their sum."""

    weights: Cells
    total: float


class Lane(msgspec.Struct, frozen=True):
    """Belief about a lane's location (CELLS,), its own residuals, and its legs so far."""

    belief: Cells
    scatter: Scatter
    legs: int


class Group(msgspec.Struct, frozen=True):
    """Of a step, or a step and carrier: residuals, where lanes lie, and levels to say."""

    scatter: Scatter
    places: Cells
    levels: tuple[float, ...]
    legs: int


class Day(msgspec.Struct, frozen=True):
    """What a weekday adds to ln duration, and of how many legs."""

    mean: float = 0.0
    weight: float = 0.0


class Tables(msgspec.Struct):
    """All that is learned, by key: lanes by last use, the weekdays of each step, the odds of each pool's move."""

    lanes: dict[str, Lane]
    groups: dict[str, Group]
    days: dict[str, tuple[Day, ...]]
    pools: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class _View:
    """What is believed before a leg: of step, carrier and lane, its scatter, the weekday's shift, its location."""

    names: tuple[str, str, str]
    step: Group
    carrier: Group
    lane: Lane
    shape: Cells
    shift: float
    before: Cells
    centre: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """Where a leg fell: cell `at` of the residuals and the part beyond it, the belief after, how likely it was."""

    at: int
    part: float
    likely: Cells
    belief: Cells
    total: float


def empty() -> Tables:
    """Give tables that have seen no leg."""
    return Tables({}, {}, {}, {})


def copied(tables: Tables) -> Tables:
    """Give a copy that further legs do not change."""
    return Tables(dict(tables.lanes), dict(tables.groups), dict(tables.days), dict(tables.pools))


def fold(tables: Tables, key: LegKey, hours: float) -> None:
    """Learn one completed leg, in place."""
    view = _view(tables, key)
    seen = _locate(view, hours)
    step_name, carrier_name, lane_name = view.names
    levels = _levels(view.carrier, _rank(view, seen)) if view.lane.legs else view.carrier.levels
    known = view.lane.legs / (view.lane.legs + 1.0)
    fell = _fell(seen, known)
    tables.groups[step_name] = _grown(view.step, view, seen, fell, view.step.levels, known)
    tables.groups[carrier_name] = _grown(view.carrier, view, seen, fell, levels, known)
    tables.lanes.pop(lane_name, None)  # the newest stands last
    own = _added(view.lane.scatter, seen.at, fell, known, DECAY_LANE)
    tables.lanes[lane_name] = Lane(seen.belief, own, view.lane.legs + 1)
    if view.lane.legs > 3:
        miss = math.log(hours) - LOWEST - CELL * float(seen.belief @ INDEX)
        _note_day(tables, step_name, key.weekday, max(-1.0, min(1.0, miss)))
    if view.lane.legs >= moves.YOUNG:
        _share(tables, key, moves.witness(view.before, seen.likely, view.centre))
    elif len(tables.lanes) > LANES:
        _forget(tables)


def expect(tables: Tables, key: LegKey) -> Duration:
    """Give the distribution of the next leg's duration."""
    view = _view(tables, key)
    # observation = location - residual; the scatter runs over location - observation
    wide = np.fft.irfft(np.fft.rfft(view.before, 1024) * np.fft.rfft(view.shape[::-1], 1024), 1024)
    density = np.maximum(wide[CELLS - 1 : 2 * CELLS - 1], 0.0) + FLOOR / CELLS
    cdf = np.concatenate(([0.0], np.cumsum(density)))
    cdf *= (1.0 - 1e-4) / cdf[-1]  # assumed: one leg in 10,000 is longer than the grid
    levels = np.concatenate(([0.0], view.carrier.levels, [1.0]))
    return Duration(EDGES + view.shift, np.interp(cdf, levels, (0.0, *LEVELS, 1.0)))


def _view(tables: Tables, key: LegKey) -> _View:
    names = key.step, f"{key.step}\x1f{key.carrier}", f"{key.step}\x1f{key.carrier}\x1f{key.lane}"
    step = tables.groups.get(names[0]) or Group(Scatter(START * FIRST, START), FLAT, LEVELS, 0)
    carrier = tables.groups.get(names[1]) or _below(step)
    lane = tables.lanes.get(names[2]) or Lane(unit(carrier.places), Scatter(NONE, 0.0), 0)
    own = lane.scatter
    shape = carrier.scatter.weights * np.float32(MASS / (carrier.scatter.total * (own.total + MASS)))
    if own.total:
        shape += own.weights * np.float32(1.0 / (own.total + MASS))
    centre = int(float(lane.belief @ INDEX) + 0.5)
    before = lane.belief * np.float32(1.0 - JUMP)  # as it was, or after a jump around the mean of the belief
    before += KERNEL[CELLS - 1 - centre : 2 * CELLS - 1 - centre] * np.float32(JUMP)
    shift = _shift(tables.days.get(names[0]), key.weekday)
    return _View(names, step, carrier, lane, shape, shift, before, centre)


def _below(step: Group) -> Group:
    """Give a carrier's first beliefs from its step's."""
    weights = step.scatter.weights * np.float32(STEP_MASS / step.scatter.total)
    return Group(Scatter(weights, STEP_MASS), unit(step.places), step.levels, 0)


def _shift(days: tuple[Day, ...] | None, weekday: int) -> float:
    """Give what a weekday adds [ln]; what all days have in common belongs to the locations."""
    if days is None:
        return 0.0
    seen = sum(day.weight for day in days) + 1e-9
    common = sum(day.mean * day.weight for day in days) / seen
    day = days[weekday]
    return (day.mean - common) * day.weight / (day.weight + DAY_MASS)


def _locate(view: _View, hours: float) -> _Seen:
    """Weigh every location by how well it explains a leg."""
    raw = (math.log(hours) - view.shift - LOWEST) / CELL
    place = min(max(raw, 0.0), CELLS - 1.001)
    low = int(place)
    part, at = place - low, CELLS - 1 - low
    likely = view.shape[at : at + CELLS] * np.float32(1.0 - part)
    likely += view.shape[at - 1 : at - 1 + CELLS] * np.float32(part)
    likely += np.float32(FLOOR)
    joint = view.before * likely
    total = float(joint.sum())
    return _Seen(at, part, likely, joint * np.float32(1.0 / total), total)


def _rank(view: _View, seen: _Seen) -> float:
    """Give the share of legs that were expected to end before this one did, half of its own cell among them.

    A location's share is the residuals at or beyond (location - observation): summed by residual, not by location.
    """
    beyond = float(view.shape[seen.at + CELLS :].sum()) + seen.part * float(view.shape[seen.at + CELLS - 1])
    return float(seen.likely @ view.before.cumsum()) + beyond - 0.5 * seen.total


def _fell(seen: _Seen, known: float) -> Cells:
    """Give the weights (CELLS + 1,) that a leg adds to residuals from cell `at - 1` on."""
    fell = np.zeros(CELLS + 1, np.float32)
    fell[1:] = seen.belief * np.float32(known * (1.0 - seen.part))
    fell[:-1] += seen.belief * np.float32(known * seen.part)
    return fell


def _added(scatter: Scatter, at: int, fell: Cells, known: float, decay: float) -> Scatter:
    weights = scatter.weights * np.float32(decay)
    weights[at - 1 : at + CELLS] += fell
    return Scatter(weights, scatter.total * decay + known)


def _grown(group: Group, view: _View, seen: _Seen, fell: Cells, levels: tuple[float, ...], known: float) -> Group:
    """Give a step or carrier after a leg of one of its lanes."""
    places = group.places
    if view.lane.legs < NEW:  # what the lane said of itself before is taken back
        told = seen.belief - view.lane.belief if view.lane.legs else seen.belief
        places = np.maximum(places + told, LEAST)
    return Group(_added(group.scatter, seen.at, fell, known, DECAY_GROUP), places, levels, group.legs + 1)


def _levels(group: Group, rank: float) -> tuple[float, ...]:
    gain = GAIN * (group.legs + 20.0) ** -FADE
    low, levels = 0.0005, []
    for due, pace, most, level in zip(LEVELS, PACES, MOSTS, group.levels, strict=True):
        raised = level + gain * pace * (due - 1.0 if rank <= level else due)
        low += 0.0005
        low = low if raised < low else most if raised > most else raised
        levels.append(low)
    return tuple(levels)


def _note_day(tables: Tables, step: str, weekday: int, miss: float) -> None:
    days = list(tables.days.get(step, (Day(),) * 7))
    weight = days[weekday].weight * DAY_DECAY + 1.0
    days[weekday] = Day(days[weekday].mean + (miss - days[weekday].mean) / weight, weight)
    tables.days[step] = tuple(days)


def _share(tables: Tables, key: LegKey, ratio: Floats) -> None:
    """Let a leg bear witness for its pools; a pool that is sure moves all its lanes, and all pools start anew."""
    for pool in moves.pools(key.step, key.carrier):
        odds = moves.weigh(tables.pools.get(pool), ratio)
        tables.pools[pool] = odds
        kernel = moves.told(odds)
        if kernel is None:
            continue
        for name, lane in tables.lanes.items():
            if moves.holds(pool, name):
                tables.lanes[name] = Lane(moves.moved(lane.belief, kernel), lane.scatter, lane.legs)
        for name, group in tables.groups.items():
            if moves.holds(pool, name):
                places = moves.moved(group.places, kernel) * group.places.sum()
                tables.groups[name] = Group(group.scatter, places, group.levels, group.legs)
        tables.pools.clear()
        return


def _forget(tables: Tables) -> None:
    """Settle the lane that was unused for longest into its step and carrier: where it lay stays as where lanes lie."""
    name = next(iter(tables.lanes))
    lane = tables.lanes.pop(name)
    step, carrier, _ = name.split("\x1f", 2)
    for group_name in (step, f"{step}\x1f{carrier}"):
        group = tables.groups[group_name]
        places = group.places + lane.belief
        tables.groups[group_name] = Group(group.scatter, places, group.levels, group.legs)
