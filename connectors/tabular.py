"""Tables of a historian or a plate reader (CSV, TSV; gzip too) as events, by a mapping file.

The file is read twice. A cheap first pass finds where each unit's batch begins and ends (for `planned_end: last`
and `batch_ended`) and whether rows stand in the order of time; it keeps one entry per unit and batch. The second
pass streams. With `order: time` a file whose rows are not in order is sorted by (time, line), which needs it in
memory (at most `LARGEST_UNSORTED` rows); a row whose time cannot be read stays behind the row before it.
With `order: file` rows come as they stand.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from connectors.jsonl import open_bytes
from connectors.mapping import Mapping, find_mapping
from connectors.mapping_parts import TableFormat
from connectors.outgoing import Entry, Item
from connectors.rows import Place, RowReader, Span, UnitState
from schemas.errors import InputError, InvalidFieldError, MappingError, UsageError
from schemas.events import Event
from schemas.instants import MINUTE, Instant, format_instant
from schemas.partitions import TimePassed

LARGEST_UNSORTED = 1_000_000  # rows
LARGEST_ROW = 200_000  # characters
LARGEST_SURVEY = 200_000  # units and batches of one file


class Line(NamedTuple):
    """One row of a file: its line number from 1, its cells, and what is wrong with it, if it could not be cut."""

    number: int
    cells: tuple[str, ...]
    fault: InputError | None = None


@dataclass(slots=True)
class Survey:
    """What the first pass found. `spans` is keyed by (subject, batch)."""

    rows: int = 0
    bad_rows: int = 0
    in_order: bool = True
    spans: dict[tuple[str, str | None], Span] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None


class TabularSource:
    """One table with its mapping. A position is the count of rows given; a restart reads up to it without sending.

    Parameters
    ----------
    path : Path
    mapping : Mapping

    Raises
    ------
    MappingError
        If the header does not fit.
    UsageError
        If the file cannot be read.
    """

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.path = path
        self.mapping = mapping
        with _open_text(path, mapping.table) as stream:
            self.reader = RowReader(mapping, read_header(stream, mapping.table, str(path)), str(path))
        self._survey: Survey | None = None

    @property
    def survey(self) -> Survey:
        """Read the file once through, for its spans, rows and order; kept."""
        if self._survey is None:
            with self._lines() as lines:
                self._survey = survey(self.reader, lines)
        return self._survey

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Read rows from after a position.

        Raises
        ------
        UsageError
            If the file cannot be read, changed its header, or is out of order and too big to sort.
        """
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of rows as position, received {after!r}; start without one")
        skip = int(after or 0)
        found = self.survey
        with self._lines() as lines:
            for count, entries in enumerate(row_entries(self.reader, lines, found), 1):
                if count > skip:
                    yield Item(str(count), entries)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[Line]]:
        with _open_text(self.path, self.mapping.table) as stream:
            if read_header(stream, self.mapping.table, str(self.path)) != self.reader.header:
                raise UsageError(f"expected {self.path} to stay as it was, received another header; replay it anew")
            yield read_lines(stream, self.mapping.table)


def parse(payload: bytes, mapping: Mapping, where: str = "payload") -> list[Entry]:
    """Read a whole table held in memory. Pure: the same bytes and mapping give the same entries.

    Raises
    ------
    MappingError
        If the header does not fit. A bad row never raises; it gives a BadLine.
    """
    table = mapping.table

    def text() -> IO[str]:
        return io.TextIOWrapper(io.BytesIO(payload), table.encoding, errors="backslashreplace", newline="")

    stream = text()
    reader = RowReader(mapping, read_header(stream, table, where), where)
    found = survey(reader, read_lines(stream, table))
    stream = text()
    read_header(stream, table, where)
    return [entry for entries in row_entries(reader, read_lines(stream, table), found) for entry in entries]


def survey(reader: RowReader, lines: Iterable[Line]) -> Survey:
    """Make the first pass. `in_order` tells whether the rows that can be placed stand in the order of time."""
    found = Survey()
    by_time = reader.mapping.order == "time"
    for line in lines:
        found.rows += 1
        try:
            place = _place(reader, line)
        except InputError:
            found.bad_rows += 1
            continue
        when, key = place.event_time, (place.subject, place.batch)
        if found.last is not None and when < found.last:
            found.in_order = False
        found.first = when if found.first is None else min(found.first, when)
        found.last = when if found.last is None else max(found.last, when)
        span = found.spans.get(key)
        if span is None:
            if len(found.spans) >= LARGEST_SURVEY:
                raise MappingError(
                    f"expected at most {LARGEST_SURVEY} units and batches in a file, received more; "
                    "check the columns of `subject` and `batch.name`"
                )
            found.spans[key] = Span(line.number, line.number, when, when)
        else:
            found.spans[key] = _widened(span, line.number, when, by_time)
    return found


def row_entries(reader: RowReader, lines: Iterable[Line], found: Survey) -> Iterator[tuple[Entry, ...]]:
    """Make the second pass: the entries of each row, in the mapping's order. A blank line is no row."""
    if reader.mapping.order == "time" and not found.in_order:
        lines = _sorted(reader, lines, found.rows)
    units: dict[str, UnitState] = {}
    near: int | None = found.first
    every = round((reader.mapping.time_passed_minutes or 0.0) * MINUTE)
    told = None if not every or found.first is None else found.first // every
    for line in lines:
        try:
            place = _place(reader, line)
        except InputError as error:
            yield (reader.refuse(line.number, line.cells, error, near),)
            continue
        near = place.event_time
        passed: list[Entry] = []
        if told is not None and near // every > told:
            told = near // every
            passed.append(_time_passed(reader.mapping, told * every))
        span = found.spans.get((place.subject, place.batch))
        units[place.subject], entries = reader.read(line.number, line.cells, place, units.get(place.subject), span)
        yield (*passed, *entries)


def _time_passed(mapping: Mapping, instant: int) -> Event:
    when = Instant(instant)
    return Event(f"time-{format_instant(when)}", mapping.source, "time.passed", "", when, when, TimePassed())


def open_table(path: Path, mapping: Mapping | None, shipped: Sequence[Mapping]) -> TabularSource:
    """Open a table with the mapping given, else with the one shipped mapping that its header matches.

    Raises
    ------
    MappingError
        If it does not fit, or none or several of the shipped do.
    UsageError
        If the file cannot be read.
    """
    if mapping is not None:
        return TabularSource(path, mapping)
    headers = []
    for candidate in shipped:
        try:
            with _open_text(path, candidate.table) as stream:
                headers.append((candidate, read_header(stream, candidate.table, str(path))))
        except MappingError:
            headers.append((candidate, ()))
    return TabularSource(path, find_mapping(headers, str(path)))


def read_header(stream: IO[str], table: TableFormat, where: str) -> tuple[str, ...]:
    """Read the header, past the lines to skip.

    Raises
    ------
    MappingError
        If there is none.
    """
    try:
        for _ in range(table.skip_lines):
            stream.readline(LARGEST_ROW)
        text = stream.readline(LARGEST_ROW)
        cells = _cut(text, table)
    except (OSError, EOFError, UnicodeError, InvalidFieldError) as error:
        raise MappingError(f"expected a header, received one that cannot be read ({error}), in {where}") from None
    if not any(cell.strip() for cell in cells):
        raise MappingError(f"expected a header on line {table.skip_lines + 1}, received an empty line, in {where}")
    return tuple(cell.strip().removeprefix("\ufeff") for cell in cells)


def read_lines(stream: IO[str], table: TableFormat) -> Iterator[Line]:
    """Cut the rows after the header. A row ends with its line: a quote left open costs its own row only.

    Raises
    ------
    UsageError
        If the stream breaks (a cut or damaged gzip file).
    """
    number = table.skip_lines + 1
    while True:
        try:
            text = stream.readline(LARGEST_ROW)
            size = len(text)
            while size >= LARGEST_ROW and not text.endswith("\n"):
                more = stream.readline(LARGEST_ROW)
                size += len(more)
                if not more or more.endswith("\n"):
                    break
        except (OSError, EOFError, UnicodeError) as error:
            raise UsageError(f"expected a whole file, received {error} after line {number}; fetch it again") from None
        if not text:
            return
        number += 1
        if size >= LARGEST_ROW:
            fault = InvalidFieldError(expected=f"at most {LARGEST_ROW} characters", received=f"{size}", where="row")
            yield Line(number, (text[:200],), fault)
        elif text.strip():
            try:
                yield Line(number, tuple(_cut(text, table)))
            except InvalidFieldError as error:
                yield Line(number, (text.rstrip("\r\n")[:1000],), error)


def _cut(text: str, table: TableFormat) -> list[str]:
    text = text.rstrip("\r\n")
    if table.quote not in text:
        return text.split(table.delimiter)
    try:
        return next(csv.reader([text], delimiter=table.delimiter, quotechar=table.quote, strict=True))
    except (csv.Error, StopIteration) as error:
        raise InvalidFieldError(expected="a row of cells", received=f"{text[:60]!r} ({error})", where="row") from None


def _place(reader: RowReader, line: Line) -> Place:
    if line.fault is not None:
        raise line.fault
    return reader.place(line.number, line.cells)


def _widened(span: Span, line: int, when: Instant, by_time: bool) -> Span:
    """Count a row in: the span's first and last row are those that come first and last in the chosen order."""
    first = (span.first, span.first_line)
    last = (span.last, span.last_line)
    if not by_time:
        return Span(span.first_line, line, min(span.first, when), max(span.last, when))
    (begin, first_line), (end, last_line) = min(first, (when, line)), max(last, (when, line))
    return Span(first_line, last_line, begin, end)


def _sorted(reader: RowReader, lines: Iterable[Line], rows: int) -> list[Line]:
    if rows > LARGEST_UNSORTED:
        raise UsageError(
            f"expected rows in the order of time, or at most {LARGEST_UNSORTED} of them to sort, received {rows}; "
            "sort the file by its time, or say `order: file` in the mapping (late rows are then refolded)"
        )
    keyed: list[tuple[int, int, Line]] = []
    near = 0
    for line in lines:
        # an unreadable row stays behind the one before it; the second pass refuses it with the reason
        with suppress(InputError):
            near = _place(reader, line).event_time
        keyed.append((near, line.number, line))
    keyed.sort(key=lambda one: one[:2])
    return [line for _, _, line in keyed]


@contextmanager
def _open_text(path: Path, table: TableFormat) -> Iterator[IO[str]]:
    with (
        open_bytes(path) as raw,
        io.TextIOWrapper(raw, table.encoding, errors="backslashreplace", newline="\n") as stream,
    ):
        yield stream
