"""The readings of a frame by column: which tags came together, the newest value of each, the biomass signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.inputs import assay_unit
from twins.bioreactor.state import State
from twins.frame import Frame

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns that came with the very same records: `row_of` (facts,) says where a fact's values stand, -1 if not."""

    columns: Ints
    row_of: Ints
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Part:
    """A table's share of one pass: places of records by twin and arrival, and their values."""

    columns: Ints
    places: Ints
    slots: Ints
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]
    newer: Bools  # (records, columns): nothing of that column and twin has a later event time
    winners: Ints  # per segment present: the record whose values are its newest
    segments: Ints  # per winner: its segment


def name_columns(state: State, frame: Frame, readings: Bools) -> None:
    """Give new tags, and new units of biomass assays, their column in the order of their first record.

    It is done before anything is folded, and for facts that will not count too: the order of columns is part
    of the state, and must not depend on where frames end.
    """
    firsts = [
        (int(group.rows[0]), pair)
        for group in frame.readings
        for pair in zip(group.channels.tags, group.channels.units, strict=True)
    ]
    for place in np.nonzero(~readings)[0].tolist():
        unit = assay_unit(frame.facts[place].event)
        if unit is not None:
            firsts.append((place, ("biomass", unit)))
    firsts.sort(key=lambda one: one[0])
    for _, pair in firsts:
        state.column(*pair)


def lay_out(state: State, frame: Frame) -> list[Table]:
    """Bring the frame's readings into tables."""
    where: dict[int, dict[int, int]] = {}  # column: {group: place in it}
    for number, group in enumerate(frame.readings):
        for place, pair in enumerate(zip(group.channels.tags, group.channels.units, strict=True)):
            column = state.column(*pair)
            if column >= 0:
                where.setdefault(column, {})[number] = place
    together: dict[tuple[int, ...], list[int]] = {}
    for column, spots in where.items():
        together.setdefault(tuple(spots), []).append(column)
    tables: list[Table] = []
    for numbers, columns in together.items():
        picks = {number: [where[column][number] for column in columns] for number in numbers}
        groups = [frame.readings[number] for number in numbers]
        row_of = np.full(len(frame.facts), -1, dtype=np.int64)
        rows = np.concatenate([group.rows for group in groups])
        row_of[rows] = np.arange(len(rows))
        tables.append(
            Table(
                np.array(columns, dtype=np.int64),
                row_of,
                np.concatenate([groups[j].values[:, picks[number]] for j, number in enumerate(numbers)]),
                np.concatenate([groups[j].quality[:, picks[number]] for j, number in enumerate(numbers)]),
            )
        )
    return tables


def share(state: State, tables: list[Table], places: Ints, slots: Ints, times: Ints, segments: Ints) -> Iterator[Part]:
    """Give each table's share of one pass.

    Parameters
    ----------
    places, slots, times, segments : arrays of int64, shape (n,)
        Record, twin, event time and segment of each plain reading, by twin and arrival.
    """
    for table in tables:
        rows = table.row_of[places]
        here = rows >= 0
        if not here.any():
            continue
        whole = bool(here.all())
        slot = slots if whole else slots[here]
        time = times if whole else times[here]
        segment = segments if whole else segments[here]
        rows = rows if whole else rows[here]
        heads = _heads(slot)
        before = running_max_before(time, heads, np.full(len(time), -1, dtype=np.int64))
        stored = state.value_time[slot[:, None], table.columns]
        newer = (time[:, None] >= stored) & (time >= before)[:, None]
        winners = _latest(time, segment)
        yield Part(
            table.columns,
            places if whole else places[here],
            slot,
            table.values[rows],
            table.quality[rows],
            newer,
            winners,
            segment[winners],
        )


def show(state: State, part: Part, chosen: Bools, times: Ints) -> None:
    """Take the newest values of some segments (`chosen`, per winner) over; `times` are those of all facts."""
    winners = part.winners[chosen]
    if not len(winners):
        return
    slots, time = part.slots[winners], times[part.places[winners]]
    at = (slots[:, None], part.columns[None, :])
    over = time[:, None] >= state.value_time[at]
    state.value[at] = np.where(over, part.values[winners], state.value[at])
    state.quality[at] = np.where(over, part.quality[winners], state.quality[at])
    state.value_time[at] = np.where(over, time[:, None], state.value_time[at])


def running_max_before(values: Ints, heads: Bools, initial: Ints) -> Ints:
    """Give, for each element, the greatest of its twin's initial value and the twin's values before it.

    Elements of a twin are neighbours; `heads` marks the first of each; `initial` is the twin's, repeated.
    """
    n = len(values)
    if n == 0:
        return initial
    before = np.empty_like(values)
    before[0] = initial[0]
    before[1:] = values[:-1]
    before[heads] = initial[heads]
    if not ((values < before) & ~heads).any():
        return np.maximum(before, initial)
    # Out of order somewhere: dense ranks make room to keep twins apart in one running maximum.
    ordered, rank = np.unique(before, return_inverse=True)
    twin = np.cumsum(heads)
    top: Ints = np.maximum.accumulate(twin * (n + 1) + rank) - twin * (n + 1)
    return np.maximum(ordered[top], initial)


def _heads(values: Ints) -> Bools:
    heads = np.ones(len(values), dtype=np.bool_)
    heads[1:] = values[1:] != values[:-1]
    return heads


def _latest(times: Ints, segments: Ints) -> Ints:
    """Give, per segment, the last of the records with its greatest time."""
    starts = np.nonzero(_heads(segments))[0]
    sizes = np.diff(np.append(starts, len(times)))
    greatest = np.repeat(np.maximum.reduceat(times, starts), sizes)
    places = np.where(times == greatest, np.arange(len(times), dtype=np.int64), -1)
    last: Ints = np.maximum.reduceat(places, starts)
    return last
