"""One row of a trial's export becomes statements: of a subject, an event, a site or a cost. Pure.

A row is a dict of its cells by column, without those marked as missing. A cell that cannot be read costs its own
statement only.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from connectors.cells import read_number
from connectors.enrollment_mapping import EnrollmentMapping
from connectors.enrollment_parts import CostRows, EventRows, ReasonColumn, SiteRows, SubjectRows, fields_or_column
from connectors.mapping import fields_of
from connectors.pseudonyms import Pseudonyms
from connectors.told import Statement, statement
from schemas.errors import InputError, InvalidFieldError
from schemas.ids import check_id
from schemas.instants import HOUR, SECOND, Instant, format_instant

Row = dict[str, str]
_FIELD = re.compile(r"\{([^{}]*)\}")
# steps that one subject takes once; of others each day is one more
_REPEATED = frozenset({"site_paused", "site_resumed", "site_activated", "site_closed"})


@dataclass(slots=True)
class Stated:
    """What one row says: of which scope, the statements, the slots that it leaves empty, and the cells that fail."""

    study: str
    known: Instant | None = None
    scope: str = ""
    site: dict[str, Any] | None = None  # Any: the fields of a PlannedSite, of a row of the sites list
    statements: list[Statement] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    faults: list[tuple[str, str, InputError]] = field(default_factory=list)  # (slot, event type, what is wrong)


class RowStatements:
    """A mapping bound to its pseudonyms and to the time of reading.

    Parameters
    ----------
    mapping : EnrollmentMapping
    pseudonyms : Pseudonyms
    record_time : Instant or None
        When the table was read [us], for rows without a `known` column; None: a row is known when it happened.
    """

    def __init__(self, mapping: EnrollmentMapping, pseudonyms: Pseudonyms, record_time: Instant | None) -> None:
        self.mapping, self._pseudonyms, self._record_time = mapping, pseudonyms, record_time

    def read(self, row: Row, seen: dict[str, int]) -> Stated:
        """Read one row.

        Parameters
        ----------
        seen : dict
            How often each booking without an id was met; counted on here.

        Raises
        ------
        InvalidFieldError
            If it cannot be told which study, site or subject it is about.
        """
        mapping = self.mapping
        stated = Stated(check_id(_fill(mapping.study, row, "study"), "study"))
        known = stated.known = self._known(row)
        if mapping.subjects is not None:
            self._subject(mapping.subjects, row, known, stated)
        elif mapping.events is not None:
            self._event(mapping.events, row, known, stated)
        elif mapping.sites is not None:
            self._site(mapping.sites, row, known, stated)
        elif mapping.costs is not None:
            self._cost(mapping.costs, row, known, stated, seen)
        return stated

    def study_of(self, row: Row) -> str | None:
        """Give the study of a row that fails elsewhere, if it names one."""
        try:
            return check_id(_fill(self.mapping.study, row, "study"), "study")
        except InvalidFieldError:
            return None

    def _known(self, row: Row) -> Instant | None:
        if self.mapping.known is None:
            return self._record_time
        text = _when(self.mapping.known, row)
        if text is None:
            return self._record_time
        known, hour = self.mapping.time.read(text, "known"), self.mapping.time.hour
        # known on a day: by its end, so that nothing of that day seems told before it happened
        return Instant(known.instant + round((24.0 - hour) * HOUR) - SECOND) if known.whole_day else known.instant

    def _subject(self, rows: SubjectRows, row: Row, known: Instant | None, stated: Stated) -> None:
        subject = self._pseudonym(stated.study, rows.subject, row)
        stated.scope = subject
        common = {"site": _fill(rows.site, row, "site"), "subject": subject, "stratum": _maybe(rows.stratum, row)}
        for step in rows.steps:
            slot = f"{step.step}-{step.visit or step.event}" if step.visit or step.event else step.step
            text = row.get(step.column)
            if text is None:
                stated.empty.append(slot)
                continue
            data = {**common, "visit": step.visit, "event": step.event, "reason": _reason(step.reason, row)}
            self._state(stated, slot, step.step, text, step.column, data, known)

    def _event(self, rows: EventRows, row: Row, known: Instant | None, stated: Stated) -> None:
        text = _cell(rows.what, row)
        if text in rows.ignore:
            return
        step = rows.names.get(text)
        if step is None:
            raise InvalidFieldError(
                expected=f"one of {', '.join(sorted(rows.names))[:200]}",
                received=repr(text)[:60],
                where=f"column {rows.what!r}",
                advice="add it to `events.names` or `events.ignore` of the mapping",
            )
        site, when = _fill(rows.site, row, "site"), _when(rows.when, row)
        data: dict[str, Any] = {"site": site, "reason": _reason(rows.reason, row)}
        if step.startswith("site_"):
            stated.scope = f"site {site}"
            data["country"] = _maybe(rows.country, row)
            slot = f"{step}-{_digest(str(when))}" if step in _REPEATED else step
        else:
            subject = self._pseudonym(stated.study, rows.subject or "", row)
            stated.scope = subject
            more = {"visit": _maybe(rows.visit, row), "event": _maybe(rows.event, row)}
            data |= {"subject": subject, "stratum": _maybe(rows.stratum, row), **more}
            slot = "-".join([step, *(value for value in more.values() if value)])
        if rows.id is not None:
            slot = f"{step}-{_digest(_fill(rows.id, row, 'id'))}"
        column = ", ".join(fields_or_column(rows.when))
        if when is None:
            raise InvalidFieldError(expected="a time", received="an empty cell", where=f"column {column!r}")
        self._state(stated, slot, step, when, column, data, known)

    def _site(self, rows: SiteRows, row: Row, known: Instant | None, stated: Stated) -> None:
        site, country = _fill(rows.site, row, "site"), _fill(rows.country, row, "country")
        stated.scope = f"site {site}"
        data = stated.site = {"site": site, "country": country, **self._planned(rows, row)}
        for step in rows.steps:
            text = row.get(step.column)
            if text is None:
                stated.empty.append(step.step)
                continue
            self._state(
                stated, step.step, step.step, text, step.column, data | {"reason": _reason(step.reason, row)}, known
            )

    def _planned(self, rows: SiteRows, row: Row) -> dict[str, Any]:
        """Give what a row of the sites list says of the plan: activation, subjects a month, cap."""
        activation = row.get(rows.planned) if rows.planned else None
        found: dict[str, Any] = {"activation": None, "per_month": None, "cap": None}
        if activation is not None:
            moment = self.mapping.time.read(activation, f"column {rows.planned!r}")
            found["activation"] = format_instant(moment.instant)
        if rows.per_month and rows.per_month in row:
            found["per_month"] = self._number(row, rows.per_month)
        if rows.cap and rows.cap in row:
            found["cap"] = round(self._number(row, rows.cap))
        return found

    def _cost(self, rows: CostRows, row: Row, known: Instant | None, stated: Stated, seen: dict[str, int]) -> None:
        amount, when = self._number(row, rows.amount), _when(rows.when, row)
        column = ", ".join(fields_or_column(rows.when))
        if when is None:
            raise InvalidFieldError(expected="a time", received="an empty cell", where=f"column {column!r}")
        data = {
            "line": _fill(rows.line, row, "line"),
            "amount": amount,
            "currency": _fill(rows.currency, row, "currency"),
            "country": _maybe(rows.country, row),
            "site": _maybe(rows.site, row),
        }
        stated.scope = "costs"
        if rows.id is not None:
            slot = _digest(_fill(rows.id, row, "id"))
        else:
            slot = _digest(f"{sorted((k, str(v)) for k, v in data.items())} {when}")
            seen[slot] = seen.get(slot, 0) + 1
            slot = f"{slot}-{seen[slot]}"
        self._state(stated, slot, "cost_booked", when, column, data, known)

    def _state(
        self, stated: Stated, slot: str, step: str, text: str, column: str, data: dict[str, Any], known: Instant | None
    ) -> None:
        kind, where = f"enrollment.{step}", f"column {column!r}"
        try:
            when = self.mapping.time.read(text, where)
            record_time = when.instant if known is None else when.known(known)
            takes = {name: value for name, value in data.items() if name in _FIELDS[step]}
            stated.statements.append(statement(slot, kind, when.instant, record_time, takes, where))
        except InputError as error:
            stated.faults.append((slot, kind, error))

    def _pseudonym(self, study: str, template: str, row: Row) -> str:
        try:
            return self._pseudonyms.of(study, _fill(template, row, "subject"))
        except InvalidFieldError as error:
            raise InvalidFieldError(  # without the id itself
                expected="a subject's id", received="none that can be used", where=error.where, advice=error.advice
            ) from None

    def _number(self, row: Row, column: str) -> float:
        return read_number(_cell(column, row), self.mapping.table.decimal, f"column {column!r}")


_SUBJECT = frozenset({"site", "subject", "stratum"})
_FIELDS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("subject_prescreened", "subject_consented", "subject_screened", "subject_enrolled"),
            *("subject_randomised", "subject_completed", "subject_lost"),
        ),
        _SUBJECT,
    ),
    "screen_failed": _SUBJECT | {"reason"},
    "subject_withdrawn": _SUBJECT | {"reason"},
    "event_observed": _SUBJECT | {"event"},
    "visit_done": _SUBJECT | {"visit"},
    "site_initiated": frozenset({"site", "country", "activation", "per_month", "cap"}),
    "site_activated": frozenset({"site", "country"}),
    **dict.fromkeys(("site_paused", "site_resumed", "site_closed"), frozenset({"site", "reason"})),
    "cost_booked": frozenset({"line", "amount", "currency", "country", "site"}),
}


def fields_of_step(step: str) -> frozenset[str]:
    """Name the fields that an event of a step takes."""
    return _FIELDS[step]


def _cell(column: str, row: Row) -> str:
    text = row.get(column)
    if text is None:
        raise InvalidFieldError(
            expected="a value", received="an empty cell", where=f"column {column!r}", advice="fill it in the source"
        )
    return text


def _fill(template: str, row: Row, where: str) -> str:
    """Fill a template from the row; every column in it must have a value."""
    return check_id(_FIELD.sub(lambda found: _cell(found[1], row), template).strip(), where)


def _maybe(template: str | None, row: Row) -> str | None:
    if template is None or any(name not in row for name in fields_of(template)):
        return None
    return _fill(template, row, template)


def _when(template: str, row: Row) -> str | None:
    """Give the text of a time: one column, or a template of several."""
    columns = fields_or_column(template)
    if any(name not in row for name in columns):
        return None
    if "{" not in template:
        return row[template]
    return _FIELD.sub(lambda found: row[found[1]], template)


def _reason(reason: ReasonColumn | None, row: Row) -> str | None:
    text = None if reason is None else row.get(reason.column)
    return None if text is None or reason is None else reason.read(text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
