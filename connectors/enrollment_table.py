"""A trial's own export (CSV or JSON lines) as facts, by a mapping of the family `enrollment`.

The table says how things stand; `connectors/told.py` makes of it what is new, changed or gone. Facts come in the order
in which they were known. The whole table is held in memory: at most `MOST_ROWS` rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from connectors.enrollment_mapping import EnrollmentMapping
from connectors.enrollment_refusal import refusal
from connectors.enrollment_rows import Row, RowStatements
from connectors.jsonl import whole_file
from connectors.mapping import Headed, check_header
from connectors.mapping_parts import TableFormat
from connectors.outgoing import BadLine, Entry, Item
from connectors.pseudonyms import Pseudonyms
from connectors.tabular import LARGEST_ROW, read_header, read_lines
from connectors.told import Told, statement
from schemas.errors import InputError, InvalidFieldError, UsageError
from schemas.instants import Instant, parse_instant

MOST_ROWS = 1_000_000
_KINDS = {
    "subjects": "enrollment.subject_enrolled",
    "events": "enrollment.subject_enrolled",
    "sites": "enrollment.site_initiated",
    "costs": "enrollment.cost_booked",
}
NumberedRow = tuple[int, Row | InputError]


class TableMapping(Headed, Protocol):
    """What of a mapping tells how a table is cut into rows."""

    @property
    def form(self) -> Literal["csv", "json_lines"]: ...
    @property
    def table(self) -> TableFormat: ...


class EnrollmentTable:
    """One table with its mapping. A position counts the facts given; a restart reads the table again up to it.

    Parameters
    ----------
    path : Path
    mapping : EnrollmentMapping
    pseudonyms : Pseudonyms
    record_time : Instant, optional
        When it is read [us], for rows without a `known` column. Without it a row is known when it happened.
    told : Told, optional
        What this source told before; it is brought up to date by reading, so that it can be kept.

    Raises
    ------
    MappingError
        If the header does not fit.
    UsageError
        If the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        mapping: EnrollmentMapping,
        pseudonyms: Pseudonyms,
        record_time: Instant | None = None,
        told: Told | None = None,
    ) -> None:
        self.path, self.mapping = path, mapping
        self._pseudonyms, self._record_time = pseudonyms, record_time
        self._before = (told or Told()).copy()
        self.told = told or Told()
        with whole_file(path) as stream:
            rows = read_rows(stream, mapping, str(path))
            next(rows, None)  # the header is held against the mapping
            rows.close()

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the facts from after a position, one an item.

        Raises
        ------
        UsageError
            If the file cannot be read, or the position is none of this source's.
        """
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of facts as position, received {after!r}; start without one")
        told = self._before.copy()
        with whole_file(self.path) as stream:
            rows = read_rows(stream, self.mapping, str(self.path))
            entries = entries_of(rows, self.mapping, self._pseudonyms, self._record_time, told)
        self.told.scopes = told.scopes
        for number in range(int(after or 0), len(entries)):
            yield Item(str(number + 1), (entries[number],))


def parse(
    payload: bytes,
    record_time: Instant | None,
    mapping: EnrollmentMapping,
    pseudonyms: Pseudonyms,
    told: Told | None = None,
    where: str = "payload",
) -> list[Entry]:
    """Read a table held in memory. Pure: `told` is left as it was.

    Raises
    ------
    MappingError
        If the header does not fit. A bad row never raises; it gives a BadLine.
    """
    rows = read_rows(io.BytesIO(payload), mapping, where)
    return entries_of(rows, mapping, pseudonyms, record_time, (told or Told()).copy())


def entries_of(
    rows: Iterable[NumberedRow],
    mapping: EnrollmentMapping,
    pseudonyms: Pseudonyms,
    record_time: Instant | None,
    told: Told,
) -> list[Entry]:
    """Make the facts of rows, in the order in which they were known; `told` is brought up to date."""
    reader = RowStatements(mapping, pseudonyms, record_time)
    part = next(name for name in _KINDS if getattr(mapping, name) is not None)
    near = record_time or Instant(0)
    entries: list[Entry] = []
    planned: dict[str, list[dict[str, Any]]] = {}
    seen: dict[str, int] = {}
    for number, row in rows:
        if number > MOST_ROWS:
            raise UsageError(f"expected at most {MOST_ROWS} rows in a table, received more; split the file")
        where = f"row {number}"
        try:
            if isinstance(row, InputError):
                raise row
            stated = reader.read(row, seen)
            if mapping.plan is not None and stated.site is not None:
                planned.setdefault(stated.study, []).append(stated.site)
        except InputError as error:
            study = None if isinstance(row, InputError) else reader.study_of(row)
            entries.append(refusal(mapping.source, f"{where} {part}", study, _KINDS[part], where, error, near))
            continue
        for slot, kind, fault in stated.faults:
            entries.append(refusal(mapping.source, f"{where} {slot}", stated.study, kind, where, fault, near))
        entries += told.tell(mapping.source, stated.study, stated.scope, stated.statements)
        if stated.empty:
            known, reason = stated.known or near, "no longer in the source"
            entries += told.gone(mapping.source, stated.study, stated.scope, stated.empty, known, reason)
        if stated.statements:
            near = record_time or stated.statements[0].record_time
    plans = [entry for study, sites in planned.items() for entry in _plan(mapping, study, sites, told, near)]
    return sorted([*plans, *entries], key=_known_at)


def read_rows(stream: IO[bytes], mapping: TableMapping, where: str) -> Generator[NumberedRow]:
    """Cut a table into rows by column, each with its line number from 1.

    Raises
    ------
    MappingError
        If a CSV header does not fit. Of JSON lines each is held against it by itself.
    """
    if mapping.form == "json_lines":
        yield from _json_rows(stream, mapping)
        return
    missing = frozenset(mapping.table.missing)
    with io.TextIOWrapper(stream, mapping.table.encoding, errors="backslashreplace", newline="\n") as text:
        header = read_header(text, mapping.table, where)
        check_header(mapping, header, where)
        for line in read_lines(text, mapping.table):
            if line.fault is not None or len(line.cells) != len(header):
                yield line.number, _uncut(len(header), len(line.cells))
                continue
            cells = {name: cell.strip() for name, cell in zip(header, line.cells, strict=True)}
            yield line.number, {name: cell for name, cell in cells.items() if cell not in missing}


def _uncut(expected: int, received: int) -> InvalidFieldError:
    """Say that a row cannot be cut, without showing it: it may tell a person or an arm."""
    return InvalidFieldError(
        expected=f"{expected} cells", received=f"{received}, or a broken quote", where="row", advice="correct the row"
    )


def _json_rows(stream: IO[bytes], mapping: TableMapping) -> Iterator[NumberedRow]:
    missing, number = frozenset(mapping.table.missing), 0
    while line := stream.readline(LARGEST_ROW):
        number += 1
        if not line.strip():
            continue
        if len(line) >= LARGEST_ROW and not line.endswith(b"\n"):
            while (rest := stream.readline(LARGEST_ROW)) and not rest.endswith(b"\n"):
                pass
            yield number, InvalidFieldError(expected=f"at most {LARGEST_ROW} bytes", received="more", where="row")
            continue
        yield number, _json_row(line, mapping, missing)


def _json_row(line: bytes, mapping: TableMapping, missing: frozenset[str]) -> Row | InputError:
    try:
        document = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        cells = dict(_flat(document, "", 0))
    except (ValueError, RecursionError):
        return InvalidFieldError(expected="one flat JSON object a line", received="something else", where="row")
    unknown = [name for name in cells if name not in mapping.header.columns]
    if unknown and mapping.header.others == "refuse":
        return InvalidFieldError(
            expected=f"no other fields than mapping {mapping.name!r} lists",
            received=f"also {unknown[:3]}"[:120],
            where="row",
            advice="list them, or say `others: ignore` under `header`",
        )
    return {name: cell for name, cell in cells.items() if cell not in missing}


def _flat(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Give the leaves of nested objects by dotted names; a list is one cell, which only an unmapped field may be."""
    if isinstance(value, dict) and depth < 8:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key, depth + 1)
    elif not name:
        raise ValueError("expected an object")
    elif value is not None:
        yield name, value.strip() if isinstance(value, str) else json.dumps(value)


def _plan(
    mapping: EnrollmentMapping, study: str, sites: list[dict[str, Any]], told: Told, near: Instant
) -> list[Entry]:
    """Make the study's plan of the mapping's words and the sites list."""
    words = dict(mapping.plan or {})
    kept = [{name: value for name, value in site.items() if value is not None} for site in sites]
    countries = words.pop("countries", None) or [{"country": name} for name in sorted({s["country"] for s in kept})]
    kind = "enrollment.study_planned"
    try:
        decided = parse_instant(str(words.pop("decided", "")), "plan.decided")
        data = {**words, "countries": countries, "sites": kept}
        plan = statement("plan", kind, decided, decided, data, "plan")
    except InputError as error:
        return [refusal(mapping.source, "plan", study, kind, f"mapping {mapping.name!r}", error, near)]
    return list(told.tell(mapping.source, study, "study", [plan]))


def _known_at(entry: Entry) -> tuple[int, int]:
    if isinstance(entry, BadLine):
        return (entry.event_time or 0, 0)
    return (entry.record_time, entry.event_time)
