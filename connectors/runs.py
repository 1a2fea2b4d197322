"""Recorded runs as arrays: the same facts that `replay` would append, put together by run.

A run is a batch; where the source names none, a unit. Values are in canonical units; one that the source itself calls
bad, or that cannot be read, is missing. What is not a reading (feeds, samples, assays) is passed over, and so is a
reading after its batch has ended.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.outgoing import BadLine, Source
from schemas.bioreactor import BatchEnded, BatchStarted, Reading
from schemas.errors import InputError, UsageError
from schemas.events import read_structured
from schemas.units import to_canonical

MOST_VALUES = 50_000_000  # 400 MB as float64


class RecordedRun(NamedTuple):
    """One run: its name, the instants of its rows in order (m,) [us], and its tags (m, p), NaN where missing."""

    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class Recording(NamedTuple):
    """What a source held: its tags, in the order they came, and its runs likewise.

    `bad` counts lines and cells that could not be read; `first_bad` says what was wrong with the first.
    """

    tags: tuple[str, ...]
    runs: tuple[RecordedRun, ...]
    bad: int
    first_bad: str


@dataclass(slots=True)
class _Rows:
    """A run being read: rows are as wide as there were tags when they came."""

    subject: str
    name: str
    times: array[int] = field(default_factory=lambda: array("q"))
    rows: list[array[float]] = field(default_factory=list)


def read_runs(source: Source) -> Recording:
    """Read a source to its end and put its readings together by run.

    Raises
    ------
    UsageError
        If the source cannot be read, holds no reading, or more than `MOST_VALUES` values.
    """
    places: dict[str, int] = {}
    runs: dict[tuple[str, str | None], _Rows] = {}
    batch_of: dict[str, str | None] = {}
    ended: set[str] = set()
    faults: list[str] = []
    count = bad = 0
    for item in source.items():
        for entry in item.entries:
            if isinstance(entry, BadLine):
                bad += 1
                faults = faults or [_why(entry)]
            elif isinstance(entry.data, BatchStarted):
                batch_of[entry.subject] = entry.data.batch
                ended.discard(entry.subject)
            elif isinstance(entry.data, BatchEnded):
                ended.add(entry.subject)
            elif isinstance(entry.data, Reading) and entry.subject not in ended:
                key = (entry.subject, batch_of.get(entry.subject))
                run = runs.setdefault(key, _Rows(entry.subject, key[1] or entry.subject))
                row, unknown = _row(entry.data, places)
                bad += len(unknown)
                faults = faults or unknown
                run.times.append(entry.event_time)
                run.rows.append(row)
                count += len(row)
                if count > MOST_VALUES:
                    raise UsageError(
                        f"expected at most {MOST_VALUES} values, received more; give fewer runs or tags at once"
                    )
    if not runs:
        first = f", the first of them: {faults[0]}" if faults else ""
        raise UsageError(
            f"expected readings, received none and {bad} bad lines or cells{first}; check the file and its mapping"
        )
    return Recording(tuple(places), _named(list(runs.values()), len(places)), bad, faults[0] if faults else "")


def _row(reading: Reading, places: dict[str, int]) -> tuple[array[float], list[str]]:
    """Lay a reading's values out by tag; give what was wrong with units too."""
    for channel in reading.channels:
        places.setdefault(channel.tag, len(places))
    row = array("d", [float("nan")]) * len(places)
    faults: list[str] = []
    for channel in reading.channels:
        if channel.quality == "bad":
            continue
        try:
            row[places[channel.tag]] = to_canonical(channel.value, channel.unit)[0]
        except InputError as error:
            faults.append(str(error))
    return row, faults


def _why(line: BadLine) -> str:
    try:
        read_structured(line.raw)
    except InputError as error:
        return str(error)[:300]
    return "a line that cannot be read"


def _named(runs: list[_Rows], width: int) -> tuple[RecordedRun, ...]:
    """Make arrays. A batch name that several units have is told apart by its unit."""
    names = [run.name for run in runs]
    found = []
    for run in runs:
        name = run.name if names.count(run.name) == 1 else f"{run.subject}/{run.name}"
        values = np.full((len(run.rows), width), np.nan)
        for place, row in enumerate(run.rows):
            values[place, : len(row)] = row
        times = np.array(run.times, dtype=np.int64)
        order = np.argsort(times, kind="stable")
        found.append(RecordedRun(name, times[order], values[order]))
    return tuple(found)
