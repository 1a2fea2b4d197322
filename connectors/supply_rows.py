"""Tables of the supply chain (loggers, couriers, laboratories, cleanroom monitors, schedules) as facts, by a mapping.

Each row, of CSV or of JSON lines, becomes one fact or several of those that the mapping lists; a logger's rows are put
together. A fact's id is made of what it says, so that a file read twice counts once.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from connectors.cells import read_number
from connectors.enrollment_parts import Moment, Source
from connectors.enrollment_refusal import refusal
from connectors.enrollment_table import NumberedRow, read_rows
from connectors.jsonl import whole_file
from connectors.mapping import check_document, fields_of, read_document
from connectors.mapping_parts import Column, Header, Model, Name, TableFormat, Template
from connectors.outgoing import BadLine, Entry, Item
from schemas.errors import InputError, InvalidFieldError, MappingError, UsageError
from schemas.events import EVENTS, Event
from schemas.ids import check_id
from schemas.instants import SECOND, Instant

MOST_ROWS = 5_000_000  # of one file: a year of a logger that reads each minute for each of nine boxes
MOST_GATHERED = 5_000  # readings of one fact: a download of a fortnight at five minutes
TO_CELSIUS = {"Cel": (1.0, 0.0), "K": (1.0, -273.15), "[degF]": (5 / 9, -160 / 9)}  # UCUM
_FIELD = re.compile(r"\{([^{}]+)\}")
_FACT = {name: kind for name, kind in EVENTS.items() if name.startswith("supply.")}

Row = dict[str, str]


class Cell(Model):
    """A field's value: of a column, as text, number or yes and no; `words` puts one word for another."""

    column: Column
    as_: Annotated[Literal["text", "number", "flag"], Field(alias="as")] = "text"
    words: dict[str, Any] = Field(default_factory=dict)  # Any: a word, a number, true, false


class Readings(Model):
    """A logger's temperature: its column and unit (UCUM). Rows of one subject that follow are one fact."""

    column: Column
    unit: Literal["Cel", "K", "[degF]"] = "Cel"
    logger: Template


class FactRows(Model):
    """One fact of a row. `when`: only of rows whose columns say one of these texts.

    `subject` and texts are templates such as `patient:{coi}`; a field whose template is wholly a missing cell is left
    out. `lists` are fields that hold one text each of several, cut at `;`.
    """

    type: Name
    subject: Template
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    time: Template
    data: dict[str, str | int | float | bool | Cell] = Field(default_factory=dict)
    lists: tuple[Name, ...] = ()
    readings: Readings | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.type not in _FACT:
            raise ValueError(f"expected a type that `twinstream schema` lists under supply, received {self.type!r}")
        if (self.readings is not None) != (self.type == "supply.shipper_logged"):
            raise ValueError("expected `readings` with type supply.shipper_logged, and only there")
        return self


class SupplyMapping(Model):
    """A mapping of a table. `known` is the template of the time at which a row was known; else the time of reading."""

    twinstream_map: Literal[1]
    family: Literal["supply"]
    form: Literal["csv", "json_lines"] = "csv"
    name: Name
    source: Source
    description: str = ""
    table: TableFormat = TableFormat()
    header: Header
    time: Moment = Moment()
    known: Template | None = None
    facts: Annotated[tuple[FactRows, ...], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        check_id(self.source, "source")
        for where, column in self.columns():
            if column not in self.header.columns:
                raise ValueError(
                    f"expected a column that `header.columns` lists, received {column!r}, in {where}; "
                    "add it there or correct it"
                )
        return self

    def columns(self) -> Iterable[tuple[str, str]]:
        """Give every column the mapping reads, with the part that reads it."""
        yield from (("known", name) for name in fields_of(self.known or ""))
        for place, fact in enumerate(self.facts):
            where = f"facts[{place}]"
            for template in (fact.subject, fact.time, *(one for one in fact.data.values() if isinstance(one, str))):
                yield from ((where, name) for name in fields_of(template))
            yield from ((where, one.column) for one in fact.data.values() if isinstance(one, Cell))
            yield from ((where, column) for column in fact.when)
            if fact.readings is not None:
                yield from ((where, name) for name in (fact.readings.column, *fields_of(fact.readings.logger)))


def is_supply_mapping(path: Path) -> bool:
    """Tell whether a mapping file says `family: supply`. One that cannot be read says so when it is loaded."""
    try:
        return read_document(path.read_bytes(), str(path)).get("family") == "supply"
    except (OSError, MappingError):
        return False


def load_supply_mapping(path: Path) -> SupplyMapping:
    """Read a mapping file.

    Raises
    ------
    MappingError
        If it is none.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MappingError(f"expected a mapping file, received {error.strerror}, for {path}; check --map") from None
    return check_document(SupplyMapping, read_document(text, str(path)), str(path))


class SupplyTable:
    """One table with its mapping. A position counts the items given; a restart reads the table again up to it.

    Without `record_time` a row is known when it happened, as in a recording that is played.

    Raises
    ------
    MappingError
        If the header does not fit.
    UsageError
        If the file cannot be read.
    """

    def __init__(self, path: Path, mapping: SupplyMapping, record_time: Instant | None = None) -> None:
        self.path, self.mapping, self._record_time = path, mapping, record_time
        with whole_file(path) as stream:
            rows = read_rows(stream, mapping, str(path))
            next(rows, None)  # the header is held against the mapping
            rows.close()

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the facts from after a position, one an item."""
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of facts as position, received {after!r}; start without one")
        with whole_file(self.path) as stream:
            rows = read_rows(stream, self.mapping, str(self.path))
            for number, entry in enumerate(entries_of(rows, self.mapping, self._record_time), 1):
                if number > int(after or 0):
                    yield Item(str(number), (entry,))


def answer_reader(mapping: SupplyMapping) -> Callable[[bytes, Instant], tuple[Entry, ...]]:
    """Give what reads an answer over HTTP: a JSON array of rows, or one row a line.

    Raises
    ------
    MappingError
        If the mapping is of another form.
    """
    if mapping.form != "json_lines":
        raise MappingError(f"expected a mapping of form json_lines for an address, received {mapping.form}")

    def read(payload: bytes, record_time: Instant) -> tuple[Entry, ...]:
        text = payload.strip()
        if text.startswith(b"["):
            try:
                parts = msgspec.json.decode(text, type=list[msgspec.Raw])
            except (msgspec.MsgspecError, RecursionError):
                return (BadLine(text[:1000], None, record_time, "supply"),)
            text = b"\n".join(b" ".join(bytes(part).splitlines()) for part in parts)
        rows = read_rows(io.BytesIO(text), mapping, "answer")
        return tuple(entries_of(rows, mapping, record_time))

    return read


def entries_of(rows: Iterable[NumberedRow], mapping: SupplyMapping, record_time: Instant | None) -> Iterator[Entry]:
    """Make facts of rows; what cannot be used is an entry of its own, with its reason."""
    gathering: dict[tuple[int, str, str], _Gathered] = {}
    for number, row in rows:
        if number > MOST_ROWS:
            raise UsageError(f"expected at most {MOST_ROWS} rows in a table, received more; split the file")
        if isinstance(row, InputError):
            yield _refused(mapping, mapping.facts[0].type, f"row {number}", "", row, record_time)
            continue
        for place, fact in enumerate(mapping.facts):
            if not all(row.get(column, "") in texts for column, texts in fact.when.items()):
                continue
            subject = ""
            try:
                subject = _fill(fact.subject, row)
                yield from _of_row(mapping, place, fact, subject, row, record_time, gathering)
            except InputError as error:
                yield _refused(mapping, fact.type, f"row {number}", subject, error, record_time)
    for one in gathering.values():
        yield one.event()


class _Gathered:
    """Readings of one logger that are not told yet."""

    def __init__(self, mapping: SupplyMapping, subject: str, logger: str, first: Instant, known: Instant) -> None:
        self.mapping, self.subject, self.logger = mapping, subject, logger
        self.first, self.known = first, known
        self.seconds: list[float] = []
        self.celsius: list[float] = []

    def add(self, at: Instant, celsius: float, known: Instant) -> None:
        self.seconds.append((at - self.first) / SECOND)
        self.celsius.append(celsius)
        self.known = max(self.known, known)

    def event(self) -> Event:
        data = {"logger": self.logger, "seconds": self.seconds, "celsius": self.celsius}
        known = max(self.known, Instant(self.first + round(max(self.seconds) * SECOND)))
        return _event(self.mapping, "supply.shipper_logged", self.subject, self.first, known, data)


def _of_row(
    mapping: SupplyMapping, place: int, fact: FactRows, subject: str, row: Row, record_time: Instant | None,
    gathering: dict[tuple[int, str, str], _Gathered],
) -> Iterator[Event]:  # fmt: skip
    when = mapping.time.read(_fill(fact.time, row), "time")
    known = when.known(record_time) if record_time is not None else when.instant
    if mapping.known is not None:
        known = mapping.time.read(_fill(mapping.known, row), "known").instant
    if fact.readings is None:
        data = {name: value for name, value in _data(mapping, fact, row) if value is not None}
        yield _event(mapping, fact.type, subject, when.instant, max(known, when.instant), data)
        return
    logger = _fill(fact.readings.logger, row)
    text = row.get(fact.readings.column)
    if text is None:
        return
    slope, offset = TO_CELSIUS[fact.readings.unit]
    celsius = slope * read_number(text, mapping.table.decimal, fact.readings.column) + offset
    name = place, subject, logger
    held = gathering.get(name)
    if held is not None and (len(held.seconds) >= MOST_GATHERED or when.instant < held.first):
        yield gathering.pop(name).event()
        held = None
    if held is None:
        held = gathering[name] = _Gathered(mapping, subject, logger, when.instant, known)
    held.add(when.instant, celsius, known)


def _data(mapping: SupplyMapping, fact: FactRows, row: Row) -> Iterator[tuple[str, Any]]:
    for name, said in fact.data.items():
        value: Any = said
        if isinstance(said, Cell):
            value = _cell(mapping, said, row)
        elif isinstance(said, str):
            alone = fields_of(said)
            value = None if len(alone) == 1 and said == f"{{{alone[0]}}}" and alone[0] not in row else _fill(said, row)
        if value is not None and name in fact.lists:
            value = [one.strip() for one in str(value).split(";") if one.strip()]
        yield name, value


def _cell(mapping: SupplyMapping, cell: Cell, row: Row) -> Any:
    text = row.get(cell.column)
    if text is None:
        return None
    if text in cell.words:
        return cell.words[text]
    if cell.as_ == "number":
        return read_number(text, mapping.table.decimal, cell.column)
    if cell.as_ == "flag":
        if text.lower() in ("true", "yes", "1", "false", "no", "0"):
            return text.lower() in ("true", "yes", "1")
        raise InvalidFieldError(expected="yes or no", received=repr(text)[:60], where=cell.column)
    return text


def _event(
    mapping: SupplyMapping, kind: str, subject: str, when: Instant, known: Instant, data: dict[str, Any]
) -> Event:  # fmt: skip
    try:
        checked = msgspec.convert(data, _FACT[kind])
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected=f"what {kind} takes", received=str(error), where="data", advice="correct the row or the mapping"
        ) from None
    body = msgspec.json.encode([kind, subject, when, data], order="sorted")
    name = f"{mapping.name[:40]}-{hashlib.sha256(body).hexdigest()[:32]}"
    return Event(name, mapping.source, kind, check_id(subject, "subject"), when, known, checked)


def _fill(template: str, row: Row) -> str:
    missing = [name for name in fields_of(template) if name not in row]
    if missing:
        raise InvalidFieldError(
            expected=f"a cell in {missing[0]}", received="none", where=missing[0], advice="complete the row"
        )
    return _FIELD.sub(lambda found: row[found[1]], template).strip()


def _refused(
    mapping: SupplyMapping, kind: str, where: str, subject: str, error: InputError, record_time: Instant | None
) -> BadLine:  # fmt: skip
    near = record_time or Instant(0)
    return refusal(mapping.source, f"{mapping.name} {where}", subject or None, kind, where, error, near, "supply")


__all__ = ["SupplyMapping", "SupplyTable", "answer_reader", "entries_of", "is_supply_mapping", "load_supply_mapping"]
