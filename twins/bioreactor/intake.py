"""The facts of a frame as columns, and which of them need a closer look: duplicates, late ones, non-readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.instants import MINUTE
from schemas.jobs import ResimulationResult
from twins.bioreactor.readings import running_max_before
from twins.bioreactor.state import MOST_TWINS, RING, State
from twins.block import Wanted
from twins.frame import Frame

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Columns:
    """A frame's facts as arrays of length n: what does not depend on any state."""

    frame: Frame
    subjects: list[str]
    times: Ints
    record_times: Ints
    hashes: Ints
    offsets: Ints
    readings: Bools
    repeated: Bools  # the same event id stands more than once in this frame
    answers: Bools  # of re-simulations: they count when they arrive, and are never late


@dataclass(frozen=True, slots=True)
class Intake:
    """A frame's facts and their twins: `slots` (n,) is a row of the state, or one of the three below 0."""

    columns: Columns
    slots: Ints
    fresh: int  # twins from this row on began with this frame
    incomplete: bool  # some twin has not begun


NO_KEY, NOT_BEGUN, TOO_MANY = -1, -2, -3


def columns_of(frame: Frame) -> Columns:
    """Bring a frame's facts into columns."""
    facts = frame.columns
    readings = np.zeros(len(facts.keys), dtype=np.bool_)
    for group in frame.readings:
        readings[group.rows] = True
    return Columns(
        frame,
        facts.keys,
        facts.event_time,
        facts.record_time,
        facts.hashes,
        facts.offsets,
        readings,
        _repeated(facts.hashes),
        _answers(frame, readings),
    )


def _answers(frame: Frame, readings: Bools) -> Bools:
    found = np.zeros(len(readings), dtype=np.bool_)
    for place in np.nonzero(~readings)[0].tolist():
        found[place] = type(frame.facts[place].event.data) is ResimulationResult
    return found


def take_in(state: State, columns: Columns, begin: bool) -> Intake:
    """Find each fact's twin. With `begin`, twins not known yet begin, in the order of their first fact."""
    index, fresh = state.index, len(state)
    slots = np.array([index.get(subject, NOT_BEGUN) for subject in columns.subjects], dtype=np.int64)
    incomplete = bool(len(slots)) and int(slots.min()) < 0
    if incomplete:
        for place in np.nonzero(slots < 0)[0].tolist():
            slots[place] = _begin(state, columns.subjects[place], begin)
    return Intake(columns, slots, fresh, incomplete)


def _begin(state: State, subject: str, begin: bool) -> int:
    if not subject:
        return NO_KEY
    slot = state.index.get(subject)
    if slot is not None:
        return slot
    if not begin:
        return NOT_BEGUN
    return state.add(subject) if len(state) < MOST_TWINS else TOO_MANY


@dataclass(slots=True)
class Sorted:
    """Places of keyed facts, by twin and then by arrival, and what each one is.

    `special` facts are handled one by one: all but plain readings in order of their minutes. The division errs
    on the careful side: a special reading may turn out to be plain, never the other way round.
    """

    places: Ints
    slots: Ints
    heads: Bools  # first of its twin
    special: Bools
    late: Bools
    again: Bools  # may be a duplicate


def sort_out(state: State, intake: Intake, first: int, after: int) -> Sorted:
    """Sort facts `first` to `after` (exclusive) by twin, and divide them into plain and special ones."""
    slots = intake.slots[first:after]
    places = np.argsort(slots, kind="stable") + first
    slots = intake.slots[places]
    heads = np.ones(len(places), dtype=np.bool_)
    heads[1:] = slots[1:] != slots[:-1]
    known = np.maximum(slots, 0)
    if len(state):
        fresh = slots < 0
        opened = np.where(fresh, -1, state.open_minute(known))
        floor = np.where(fresh, -1, state.ring_floor[known])
        seen = (state.ring[known] == intake.columns.hashes[places, None]).any(axis=1) & ~fresh
    else:
        opened = floor = np.full(len(places), -1, dtype=np.int64)
        seen = np.zeros(len(places), dtype=np.bool_)
    times = intake.columns.times[places]
    minutes = times // MINUTE
    answers = intake.columns.answers[places]
    late = minutes < running_max_before(np.where(answers, -1, minutes), heads, opened)
    late &= ~answers
    again = seen | (times <= floor) | intake.columns.repeated[places]
    return Sorted(places, slots, heads, ~intake.columns.readings[places] | late | again, late, again)


def _repeated(hashes: Ints) -> Bools:
    """Mark elements whose hash occurs more than once."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    marked = np.zeros(len(hashes), dtype=np.bool_)
    if same.any():
        both = np.zeros(len(hashes), dtype=np.bool_)
        both[1:] |= same
        both[:-1] |= same
        marked[order[both]] = True
    return marked


def wanted(state: State, intake: Intake) -> list[Wanted]:
    """Say which twins need their past: those with late or possibly repeated facts, and those not refolded yet."""
    every = sort_out(state, intake, 0, len(intake.columns.times))
    if not len(every.places) or not len(state):
        return []
    known = every.slots >= 0
    slots = np.maximum(every.slots, 0)
    flagged = known & (every.late | every.again | (state.dirty[slots] < 1 << 62))
    asked: list[Wanted] = []
    for slot in dict.fromkeys(slots[flagged].tolist()):
        mine = slice(*np.searchsorted(every.slots, [slot, slot + 1]).tolist())
        times = intake.columns.times[every.places[mine]]
        since = min(
            int(state.heard[slot] // MINUTE), int(state.dirty[slot]), *(times[every.late[mine]] // MINUTE).tolist()
        )
        again = sorted(set(times[every.again[mine]].tolist()))
        asked.append(Wanted(state.keys[slot], max(since, 0) * MINUTE, tuple(again), state.marks_from))
    return asked


def chunks(every: Sorted) -> Iterator[tuple[Ints, Bools]]:
    """Give the facts in passes: in each, a twin has either one run of plain readings or one special fact.

    Yields the places, by twin and arrival, and which of them are special.
    """
    if not len(every.places):
        return
    if not every.special.any():
        yield every.places, every.special
        return
    breaks = every.heads | every.special
    breaks[1:] |= every.special[:-1]
    number = np.cumsum(breaks)
    first = np.maximum.accumulate(np.where(every.heads, number, 0))
    turn: Ints = number - first
    order = np.argsort(turn, kind="stable")
    ends = np.cumsum(np.bincount(turn))
    begin = 0
    for end in ends.tolist():
        part = order[begin:end]
        yield every.places[part], every.special[part]
        begin = end


def remember(state: State, slots: Ints, hashes: Ints, times: Ints, heads: Bools) -> None:
    """Note accepted facts, by twin and arrival, in the twins' memory of hashes."""
    starts = np.nonzero(heads)[0]
    sizes = np.diff(np.append(starts, len(slots)))
    twins = slots[starts]
    number = state.ring_count[slots] + np.arange(len(slots)) - np.repeat(starts, sizes)
    last = np.repeat(number[starts + sizes - 1], sizes)
    kept = number > last - RING
    state.ring[slots[kept], number[kept] % RING] = hashes[kept]
    # A half of the ring begins every 16 facts; what the half before the last held may be lost by now.
    half = number // (RING // 2)
    cuts = heads.copy()
    cuts[1:] |= half[1:] != half[:-1]
    at = np.nonzero(cuts)[0]
    greatest = np.maximum.reduceat(times, at)
    own, own_half = slots[at], half[at]
    turn: Ints = np.arange(len(at)) - np.searchsorted(at, starts)[np.cumsum(heads[at]) - 1]
    present = (state.ring_count[own] - 1) // (RING // 2)
    for step in range(int(turn.max()) + 1):
        these = turn == step
        slot, top = own[these], greatest[these]
        same = own_half[these] == (present[these] if step == 0 else -1)
        newer = state.ring_newer[slot]
        floor = np.maximum(state.ring_floor[slot], np.where(same, -1, state.ring_older[slot]))
        state.ring_floor[slot] = floor
        state.ring_older[slot] = np.where(same, state.ring_older[slot], newer)
        state.ring_newer[slot] = np.where(same, np.maximum(newer, top), top)
    state.ring_count[twins] += sizes
