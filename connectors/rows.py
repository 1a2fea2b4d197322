"""One row of a table becomes facts: pure, given what is remembered of its unit.

Order within a row, all at the row's time: batch ended and started, sample drawn before, feed added (it is in
the vessel by now), phase changed, reading, sample drawn after. Ids are `<line>-<what>`, so the same file read
twice gives the same facts, and they are dropped as duplicates, not counted twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from typing import Any

from connectors.cells import clock_reader, read_number
from connectors.mapping import ROW, Mapping, check_header, time_columns
from connectors.mapping_parts import ChannelColumn, Feed, Sample
from connectors.outgoing import BadLine, Entry, subject_or_none
from schemas.bioreactor import BatchEnded, BatchStarted, Channel, FeedAdded, PhaseChanged, Quality, Reading, SampleDrawn
from schemas.errors import InputError, InvalidFieldError
from schemas.events import Event
from schemas.fields import Quantity
from schemas.ids import LONGEST, check_id
from schemas.instants import HOUR, Instant, format_instant

_FIELD = re.compile(r"\{([^{}]*)\}")
_WORST: tuple[Quality, ...] = ("good", "uncertain", "bad")
_CELL_SHOWN = 200  # characters of a cell kept in a bad line
_ROUNDING = 1e-9  # an accumulated feed may fall by this share of itself and is still only rounded


@dataclass(frozen=True, slots=True)
class UnitState:
    """What is remembered of one unit between its rows."""

    subject: str
    sequence: int = 0
    batch: str | None = None
    phase: str | None = None
    fed: tuple[float | None, ...] = ()  # newest accumulated value of each feed, in the feed's unit
    volume: float | None = None  # newest value of a sample's `volume_column`
    volume_fed: float = 0.0  # fed since, in the sample's unit


@dataclass(frozen=True, slots=True)
class Span:
    """Where a unit's batch begins and ends in the file: what a first pass found."""

    first_line: int
    last_line: int
    first: Instant
    last: Instant


@dataclass(frozen=True, slots=True)
class Place:
    """What a row says of itself before its values are read: unit, batch and time."""

    subject: str
    batch: str | None
    event_time: Instant


class RowReader:
    """A mapping bound to one file's header.

    Parameters
    ----------
    mapping : Mapping
        What the columns mean.
    header : sequence of str
        The file's columns, in its order.
    where : str
        The file, for messages.

    Raises
    ------
    MappingError
        If they do not fit.
    """

    def __init__(self, mapping: Mapping, header: Sequence[str], where: str) -> None:
        check_header(mapping, header, where)
        self.mapping = mapping
        self.header = tuple(header)
        self._at = {name: number for number, name in enumerate(header)}
        self._missing = frozenset(mapping.table.missing)
        self._decimal = mapping.table.decimal
        time = mapping.time
        self._clock: Callable[[str], Instant] = clock_reader(time.format, self._decimal, time.origin, time.zone_info())
        self._time_columns = time_columns(time)
        self._time_template = time.column if "{" in time.column else None
        self._counts_rows = time.column == ROW

    def place(self, line: int, cells: Sequence[str]) -> Place:
        """Read which unit, which batch and when. Raises InvalidFieldError if one cannot be told."""
        if len(cells) != len(self.header):
            raise InvalidFieldError(expected=f"{len(self.header)} cells", received=f"{len(cells)}", where="row")
        subject = check_id(self._fill(self.mapping.subject, cells, {}), "subject")
        batch = self.mapping.batch
        name = None if batch is None else check_id(self._fill(batch.name, cells, {"subject": subject}), "batch.name")
        if self._counts_rows:
            return Place(subject, name, self._clock(str(line)))
        text = self._time_template
        when = cells[self._at[self._time_columns[0]]] if text is None else self._fill(text, cells, {})
        return Place(subject, name, self._clock(when.strip()))

    def read(
        self, line: int, cells: Sequence[str], place: Place, state: UnitState | None, span: Span | None
    ) -> tuple[UnitState, list[Entry]]:
        """Read one row.

        Parameters
        ----------
        line : int
            Its line in the file, from 1.
        cells : sequence of str
        place : Place
            What `place(line, cells)` gave.
        state : UnitState or None
            What is remembered of the unit; None at its first row. Left as it was.
        span : Span or None
            Of this unit's batch; None where no first pass was made, and then there is no planned end.

        Returns
        -------
        (UnitState, list of Entry)
            What to remember now, and the row's facts; a cell that is no number gives a BadLine with its text.
        """
        row = _Row(self, line, cells, place, state or UnitState(place.subject, fed=(None,) * len(self.mapping.feed)))
        row.begin_batch(span)
        row.draw_fallen_volume()
        row.draw_sample("before")
        row.add_feeds()
        row.change_phase()
        row.take_reading()
        row.draw_sample("after")
        row.end_batch(span)
        return row.state, row.entries

    def refuse(self, line: int, cells: Sequence[str], error: InputError, near: int | None) -> BadLine:
        """Keep a row that cannot be placed, with the reason, as a line that the agent rejects with that reason."""
        known = dict(zip(self.header, cells, strict=False)) if len(cells) == len(self.header) else {}
        subject = None
        if known:
            subject = subject_or_none(self._fill(self.mapping.subject, cells, {}))
        shown = {"cells": [cell[:_CELL_SHOWN] for cell in cells[:200]], "line": line}
        unreadable = error.where == "time" and not self._counts_rows
        time = known.get(self._time_columns[0], "")[:80] if unreadable else f"row {line}: {error}"[:300]
        return _bad(self.mapping, f"{line}-row", "bioreactor.reading", subject, time, shown, near)

    def cell(self, cells: Sequence[str], column: str) -> str | None:
        """Give a cell's text without outer spaces, or None where it is marked as missing."""
        text = cells[self._at[column]].strip()
        return None if text in self._missing else text

    def number(self, cells: Sequence[str], column: str) -> float | None:
        """Read a cell's number, or None where it is marked as missing. Raises InvalidFieldError for any other text."""
        text = self.cell(cells, column)
        return None if text is None else read_number(text, self._decimal, f"column {column!r}")

    def _fill(self, template: str, cells: Sequence[str], words: Map[str, str]) -> str:
        return _FIELD.sub(
            lambda found: words[found[1]] if found[1] in words else cells[self._at[found[1]]].strip(), template
        )

    def fill(self, template: str, cells: Sequence[str], words: Map[str, str]) -> str:
        """Fill a template and cut it to an id's length."""
        return self._fill(template, cells, words)[:LONGEST]


class _Row:
    """One row being read: its entries so far, and the state they lead to."""

    def __init__(self, reader: RowReader, line: int, cells: Sequence[str], place: Place, state: UnitState) -> None:
        self.reader, self.line, self.cells, self.place, self.state = reader, line, cells, place, state
        self.mapping = reader.mapping
        self.entries: list[Entry] = []

    def begin_batch(self, span: Span | None) -> None:
        batch, name = self.mapping.batch, self.place.batch
        if batch is None or name is None or name == self.state.batch:
            return
        self.state = replace(
            self.state, batch=name, phase=None, fed=(None,) * len(self.mapping.feed), volume=None, volume_fed=0.0
        )
        words = {"subject": self.place.subject}
        try:
            volume = self._initial_volume()
        except InvalidFieldError as error:
            self._refuse("volume", "bioreactor.batch_started", {"batch": name, "volume": _quoted(error)})
            volume = None
        self._say(
            "start",
            "bioreactor.batch_started",
            BatchStarted(
                batch=name,
                model=batch.model,
                parameters=batch.parameters,
                volume=volume,
                planned_end=self._planned_end(span),
                recipe=self.reader.fill(batch.recipe, self.cells, words) if batch.recipe else None,
                product=self.reader.fill(batch.product, self.cells, words) if batch.product else None,
                clock=batch.clock,
            ),
        )

    def end_batch(self, span: Span | None) -> None:
        batch, name = self.mapping.batch, self.place.batch
        if batch is not None and batch.ends and name is not None and span is not None and span.last_line == self.line:
            self._say("end", "bioreactor.batch_ended", BatchEnded(batch=name, reason="end of the recorded run"))

    def _initial_volume(self) -> Quantity | None:
        volume = self.mapping.batch.volume if self.mapping.batch is not None else None
        if volume is None:
            return None
        value = volume.value if volume.column is None else self.reader.number(self.cells, volume.column)
        return None if value is None else Quantity(value, volume.unit)

    def _planned_end(self, span: Span | None) -> str | None:
        planned = self.mapping.batch.planned_end if self.mapping.batch is not None else None
        if planned is None:
            return None
        if planned == "last":
            return None if span is None else format_instant(span.last)
        return format_instant(self.place.event_time + round(planned * HOUR))

    def add_feeds(self) -> None:
        for number, feed in enumerate(self.mapping.feed):
            what = "feed" if len(self.mapping.feed) == 1 else f"feed-{feed.name}"
            try:
                added = self._fed(number, feed)
            except InvalidFieldError as error:
                document = {"volume": {"value": error.received, "unit": feed.unit}, "feed": feed.name}
                self._refuse(what, "bioreactor.feed_added", document)
                continue
            if added > 0.0:
                self._say(what, "bioreactor.feed_added", FeedAdded(Quantity(added, feed.unit), feed.name))

    def _fed(self, number: int, feed: Feed) -> float:
        """Give what this feed brought since the row before, in its unit."""
        value = self.reader.number(self.cells, feed.column)
        if value is None:
            return 0.0
        if feed.kind == "accumulated":
            before = self.state.fed[number]
            fed = (*self.state.fed[:number], value, *self.state.fed[number + 1 :])
            self.state = replace(self.state, fed=fed)
            value = value - (self._fed_before_start(value) if before is None else before)
            if -_ROUNDING * max(1.0, abs(fed[number] or 0.0)) <= value < 0.0:
                value = 0.0
        if value < 0.0:
            raise InvalidFieldError(
                expected="a feed that only rises",
                received=f"{value:.6g} {feed.unit} since the row before",
                where=f"column {feed.column!r}",
            )
        return value

    def _fed_before_start(self, first: float) -> float:
        """Say what of the first accumulated value the initial volume holds already.

        A fixed `value` is from before any feed; a volume read from the first row has seen it.
        """
        batch = self.mapping.batch
        known = batch is not None and batch.volume is not None and batch.volume.value is not None
        return 0.0 if known else first

    def draw_sample(self, when: str) -> None:
        sample = self.mapping.sample
        if sample is None or sample.column is None or sample.drawn != when:
            return
        try:
            value = self.reader.number(self.cells, sample.column)
            if value is not None and value < 0.0:
                raise InvalidFieldError(expected="0 or more", received=f"{value:.6g} drawn", where="sample")
        except InvalidFieldError as error:
            self._refuse("sample", "bioreactor.sample_drawn", {"volume": _quoted(error), "sample": f"row {self.line}"})
            return
        if value:
            self._say_sample(sample, value)

    def draw_fallen_volume(self) -> None:
        """Tell a sample by the volume that is gone beyond what was fed."""
        sample = self.mapping.sample
        if sample is None or sample.volume_column is None:
            return
        try:
            value = self.reader.number(self.cells, sample.volume_column)
            fed = [self._peek(number, feed) for number, feed in enumerate(self.mapping.feed)]
        except InvalidFieldError:
            return  # the feed's or the channel's own reading of the cell rejects it
        added = self.state.volume_fed + sum(fed)
        if value is None:
            self.state = replace(self.state, volume_fed=added)
            return
        gone = 0.0 if self.state.volume is None else self.state.volume + added - value
        if gone >= (sample.smallest or 0.0) > 0.0:
            self._say_sample(sample, round(gone, 9))
        self.state = replace(self.state, volume=value, volume_fed=0.0)

    def _peek(self, number: int, feed: Feed) -> float:
        kept = self.state
        added = self._fed(number, feed)
        self.state = kept
        return added

    def change_phase(self) -> None:
        phase = self.mapping.phase
        text = None if phase is None else self.reader.cell(self.cells, phase.column)
        if phase is None or text is None:
            return
        name = phase.names.get(text, text)
        if name == self.state.phase:
            return
        self.state = replace(self.state, phase=name)
        self._say("phase", "bioreactor.phase_changed", PhaseChanged(name[:LONGEST], self.place.batch))

    def take_reading(self) -> None:
        channels: list[Channel] = []
        for column in self.mapping.channels:
            try:
                value = self.reader.number(self.cells, column.column)
            except InvalidFieldError as error:
                bad = {"tag": column.tag, "value": error.received, "unit": column.unit}
                self._refuse(f"reading-{column.tag}"[:60], "bioreactor.reading", {"channels": [bad]})
                continue
            if value is not None:
                channels.append(Channel(column.tag, value, column.unit, self._quality(column, value)))
        if channels:
            self._say("reading", "bioreactor.reading", Reading(tuple(channels)))

    def _quality(self, column: ChannelColumn, value: float) -> Quality:
        rule = column.quality
        if rule is None:
            return "good"
        found: list[Quality] = ["good"]
        if rule.column is not None:
            status = self.cells_text(rule.column)
            found.append("good" if status in rule.good else "uncertain" if status in rule.uncertain else rule.otherwise)
        if (rule.low is not None and value < rule.low) or (rule.high is not None and value > rule.high):
            found.append(rule.outside)
        return max(found, key=_WORST.index)

    def cells_text(self, column: str) -> str:
        return self.reader.cell(self.cells, column) or ""

    def _say_sample(self, sample: Sample, value: float) -> None:
        words = {"subject": self.place.subject, "row": str(self.line), "batch": self.place.batch or ""}
        name = self.reader.fill(sample.name, self.cells, words)
        self._say("sample", "bioreactor.sample_drawn", SampleDrawn(Quantity(value, sample.unit), name))

    def _say(self, what: str, kind: str, data: Any) -> None:  # Any: one of the event structs of `kind`
        when = self.place.event_time
        source = source_of(self.mapping, self.place.subject)
        event = Event(f"{self.line}-{what}", source, kind, self.place.subject, when, when, data, self.state.sequence)
        self.state = replace(self.state, sequence=self.state.sequence + 1)
        self.entries.append(event)

    def _refuse(self, what: str, kind: str, data: dict[str, Any]) -> None:  # Any: JSON that breaks its event's shape
        time = format_instant(self.place.event_time)
        bad = _bad(self.mapping, f"{self.line}-{what}", kind, self.place.subject, time, data, self.place.event_time)
        self.entries.append(bad)


def source_of(mapping: Mapping, subject: str) -> str:
    """Name the source of a unit's facts: each unit counts its own sequence, so a gap in it is a real one."""
    name = f"{mapping.source}/{subject}"
    if len(name) <= LONGEST:
        return name
    return f"{mapping.source}/{hashlib.blake2b(subject.encode(), digest_size=16).hexdigest()}"


def _quoted(error: InvalidFieldError) -> dict[str, str]:
    return {"value": error.received, "unit": ""}


def _bad(
    mapping: Mapping, event_id: str, kind: str, subject: str | None, time: str, data: dict[str, Any], near: int | None
) -> BadLine:
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": source_of(mapping, subject or ""),
        "type": kind,
        "time": time,
        "data": data,
    }
    if subject is not None:
        document["subject"] = subject
    return BadLine(json.dumps(document).encode(), subject, near)
