"""A run so far, out of the minutes that the ledger keeps: what was done to the vessel and measured in it, in order.

Minutes are thinned: the biomass signal becomes one mean each half hour, feed one addition. What is sharp (a bolus, an
exchange of medium, a probe that was calibrated, an assay, a phase) keeps its own minute, and no mean reaches across it.
All that is known counts at the time of its sample, whenever it came: the newest row of each minute has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.instants import HOUR, MINUTE
from twins.bioreactor.fold import SIGNAL, apply_changes
from twins.bioreactor.parameters.assumed_growth import DEFAULTS, READINGS_EFFECTIVE
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import scale_of
from twins.bioreactor.reestimation.question import Question, refused
from twins.bioreactor.rows import (
    EXCHANGED,
    FEED,
    FIXED,
    GREATEST,
    INOCULATED,
    LEAST,
    NANOLITRES,
    PHASE,
    PROBE,
    SAMPLE,
    START,
    TIMES,
    TOTAL,
    Batch,
    Change,
    N,
    Row,
    read_row,
)
from twins.block import Memory

Floats = NDArray[np.float64]
What = Literal["grid", "measure", "add", "exchange", "take", "forget", "phase"]

THIN_MINUTES = 30  # of readings in one mean. Assumed: probes' colour has a memory of hours (docs/reestimation.md)
MOST_DEEDS = 200_000
SHARP = 1e-3  # of the volume: what is added in a minute above it is a bolus, and keeps its minute
LEAST_LITRES = 1e-9


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done or measured, `hour` after the run began.

    `value` is a measurement in the model's unit, litres, or the sd of a gain; `count` how many readings it is of.
    """

    hour: float
    what: What
    place: int = -1
    value: float = 0.0
    count: float = 1.0
    name: str = ""
    holds: Floats | None = None


@dataclass(slots=True)
class History:
    """A run from its beginning to now: `deeds` in order, `hours` long, `measured` values a channel."""

    began: int
    litres: float
    hours: float
    deeds: list[Deed]
    measured: list[int]


def read_history(question: Question, past: Sequence[Memory]) -> History:
    """Lay out the run that is asked about.

    Raises
    ------
    SettingsError
        If the kept minutes do not reach back to its beginning.
    """
    kept = {one.event_time // MINUTE: one.body for one in past if one.kind == "input" and one.body is not None}
    rows = [read_row(minute, kept[minute]) for minute in sorted(kept)]
    first, began = _beginning(rows, question.asked.batch)
    rows = _until(rows[first:], began, question.now)
    end = question.now if question.now >= 0 else (rows[-1].minute + 1) * MINUTE if rows else began
    writer = _Writer(question.process, began, _litres(rows, began, question))
    for row in rows:
        writer.minute(row)
    writer.flush()
    hours = max((end - began) / HOUR, 0.0)
    written = sorted(writer.deeds, key=lambda one: one.hour)  # stable: within an hour as they were written
    deeds = _filled([one for one in written if one.hour <= hours], hours)
    if len(deeds) > MOST_DEEDS:
        raise refused(f"at most {MOST_DEEDS} measurements and additions", len(deeds), "the past")
    return History(began, writer.litres, hours, deeds, writer.measured)


def _beginning(rows: Sequence[Row], batch: str) -> tuple[int, int]:
    """Find the row and instant in which the culture began: the batch's start, or its inoculation after it."""
    found = None
    for place, row in enumerate(rows):
        for change in row.items.changes:
            if change.order == START:
                found = (place, change.event_time) if change.batch == batch else None
            elif change.order == INOCULATED and found is not None:
                found = (place, change.event_time)
    if found is None:
        raise refused(f"minutes from the start of batch {batch} on", "none that hold it", "the past")
    return found


def _until(rows: Sequence[Row], began: int, now: int) -> list[Row]:
    return [row for row in rows if (row.minute + 1) * MINUTE > began and (now < 0 or row.minute * MINUTE < now)]


def _litres(rows: Sequence[Row], began: int, question: Question) -> float:
    """Give the volume at the beginning: as the start says, else what is there now less what went in and out."""
    for row in rows:
        for change in row.items.changes:
            if change.order == START and change.batch == question.asked.batch and change.volume > 0:
                return change.volume / NANOLITRES
    if not np.isfinite(question.litres):
        raise refused("a volume, of the batch's start or in inputs.initial", "none", "the specification")
    went = sum(row.bucket[FEED] - row.bucket[SAMPLE] for row in rows) / NANOLITRES
    return max(question.litres - went, LEAST_LITRES)


def _filled(deeds: Sequence[Deed], hours: float) -> list[Deed]:
    """Put hours at which nothing is done between deeds that are further apart than a step, and one at the end."""
    step, hour = THIN_MINUTES / 60.0, 0.0
    filled: list[Deed] = []
    for deed in [*deeds, Deed(hours, "grid")]:
        while deed.hour - hour > 1.5 * step:
            hour += step
            filled.append(Deed(hour, "grid"))
        filled.append(deed)
        hour = deed.hour
    return filled


@dataclass(slots=True)
class _Block:
    """A half hour that is being gathered: minute means with their times [h] and counts; litres fed and taken."""

    number: int = -1
    means: list[float] = field(default_factory=list)
    hours: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    fed: float = 0.0
    fed_hour: float = 0.0
    taken: float = 0.0
    taken_hour: float = 0.0


class _Writer:
    """Walks through a run's minutes and writes down what was done."""

    def __init__(self, process: Process, began: int, litres: float) -> None:
        self._process, self._began, self.litres = process, began, litres
        self._volume = litres
        self._batch = Batch()
        self._block = _Block()
        self._scales = [scale_of(process.filter.states[row]) for row in process.filter.layout.measured]
        self.deeds: list[Deed] = []
        self.measured = [0] * len(self._scales)

    def minute(self, row: Row) -> None:
        """Take one minute, in the order in which the twin folds it."""
        number = row.minute // THIN_MINUTES
        if number != self._block.number:
            self.flush()
            self._block.number = number
        hour = self._hour(row.minute * MINUTE)
        after, _ = apply_changes(self._batch, True, row.items.changes)
        mixed = False
        for change in row.items.changes:
            if change.event_time >= self._began:
                mixed |= self._change(change, hour)
        self._feed(row, hour)
        if not mixed and SIGNAL not in after.distrusted:
            self._read(row)
        for assay in row.items.assays:
            place = self._process.tags.get("biomass assay" if assay.tag == "biomass" else assay.tag, -1)
            if place >= 0 and assay.value is not None and assay.event_time >= self._began:
                self._measure(place, max(self._hour(assay.event_time), hour), assay.value, 1.0)
        if row.bucket[SAMPLE]:
            self._block.taken += row.bucket[SAMPLE] / NANOLITRES
            self._block.taken_hour = hour
        for change in row.items.changes:
            if change.order == PHASE and change.event_time >= self._began and after.phase == change.name:
                self.deeds.append(Deed(self._hour(change.event_time), "phase", name=change.name))
        self._batch = after

    def flush(self) -> None:
        """Write down the block that was gathered."""
        block = self._block
        if block.fed > 0.0:
            self._add(block.fed_hour, block.fed)
        if block.shares and "biomass" in self._process.tags:
            total = sum(block.shares)
            hour = sum(h * s for h, s in zip(block.hours, block.shares, strict=True)) / total
            means = sorted(zip(block.means, block.shares, strict=True))
            means = means[1:-1] if len(means) >= 5 else means  # trimmed, as the twin trims a minute
            weight = sum(share for _, share in means)
            self._measure(
                self._process.tags["biomass"], hour, sum(mean * share for mean, share in means) / weight, weight
            )
        if block.taken > 0.0:
            self.deeds.append(Deed(block.taken_hour, "take", value=block.taken))
            self._volume = max(self._volume - block.taken, LEAST_LITRES)
        self._block = _Block(block.number)

    def _hour(self, time: int) -> float:
        return max((time - self._began) / HOUR, 0.0)

    def _measure(self, place: int, hour: float, value: float, count: float) -> None:
        self.deeds.append(Deed(hour, "measure", place, value / self._scales[place], max(count, 1.0)))
        self.measured[place] += 1

    def _change(self, change: Change, hour: float) -> bool:
        """Write a change that is sharp; say whether the minute's readings are of before and after it."""
        if change.order == PROBE:
            self.flush()
            self.deeds.append(Deed(hour, "forget", value=change.gain_sd))
            return True
        if change.order == EXCHANGED:
            self.flush()
            taken = min(change.volume / NANOLITRES, self._volume - LEAST_LITRES)
            holds = self._process.medium(dict(change.parameters))[:, 0]
            self.deeds.append(Deed(hour, "exchange", value=taken, name=change.name, holds=holds))
        return change.order == INOCULATED

    def _feed(self, row: Row, hour: float) -> None:
        litres = row.bucket[FEED] / NANOLITRES
        if litres <= 0.0:
            return
        if litres > SHARP * self._volume:
            self.flush()
            self._add(hour, litres)
        else:
            self._block.fed_hour = (self._block.fed_hour * self._block.fed + hour * litres) / (self._block.fed + litres)
            self._block.fed += litres

    def _add(self, hour: float, litres: float) -> None:
        self.deeds.append(Deed(hour, "add", value=litres, holds=self._process.composition))
        self._volume += litres

    def _read(self, row: Row) -> None:
        count, total = row.bucket[N], row.bucket[TOTAL]
        if count <= 0:
            return
        left = count
        if count >= 5:
            left, total = count - 2, total - row.bucket[LEAST] - row.bucket[GREATEST]
        self._block.means.append(total / (left * FIXED))
        self._block.hours.append(self._hour(row.minute * MINUTE + row.bucket[TIMES] // count))
        self._block.shares.append(min(float(left), float(DEFAULTS[READINGS_EFFECTIVE])))
