"""What ODM transactions make known of each subject, and the milestones that follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.enrollment_mapping import OdmItem, OdmMapping
from connectors.enrollment_refusal import refusal
from connectors.enrollment_rows import fields_of_step
from connectors.odm_reader import Transaction
from connectors.outgoing import Entry
from connectors.pseudonyms import Pseudonyms
from connectors.told import Said, Statement, Told, statement
from schemas.errors import InputError, InvalidFieldError
from schemas.ids import check_id
from schemas.instants import Instant, parse_instant

_KIND = "enrollment.subject_enrolled"
_VALUES = "items of "  # scopes of the memory that hold what the items of a subject say
_SITE = "SiteRef"


class Subjects:
    """The subjects of one document. Transactions of one subject with one audit stamp are taken together."""

    def __init__(self, mapping: OdmMapping, pseudonyms: Pseudonyms, told: Told, record_time: Instant) -> None:
        self._mapping, self._pseudonyms, self._told, self._record_time = mapping, pseudonyms, told, record_time
        self._items: dict[str, list[OdmItem]] = {}
        for item in mapping.items:
            self._items.setdefault(item.item, []).append(item)
        self._open: tuple[str, str] | None = None
        self._known = record_time
        self._faults: list[tuple[str, str, InputError]] = []

    def take(self, one: Transaction) -> Iterator[Entry]:
        """Take one transaction; give the facts of those before it that are complete now."""
        try:
            study = check_id(self._mapping.studies.get(one.study, one.study), "StudyOID")
            pseudonym = self._pseudonym(study, one.subject)
            known = self._time(one.audited)
        except InputError as error:
            where = f"line {one.line}"
            yield refusal(self._mapping.source, where, None, _KIND, where, error, self._record_time)
            return
        if self._open != (study, pseudonym) or known != self._known:
            yield from self.close()
        self._open, self._known = (study, pseudonym), known
        if one.kind != "Context":
            self._apply(one, self._values(study, pseudonym))

    def close(self) -> Iterator[Entry]:
        """Give the facts that the transactions taken so far lead to."""
        if self._open is None:
            return
        study, pseudonym = self._open
        self._open = None
        said, faults = self._statements(pseudonym, self._values(study, pseudonym))
        source = self._mapping.source
        for slot, kind, where, error in faults:
            yield refusal(source, f"{pseudonym} {slot} {where}", study, kind, f"item {slot}", error, self._known)
        yield from self._told.tell(source, study, pseudonym, said)
        kept = {one.slot for one in said} | {slot for slot, *_ in faults}
        gone = sorted(set(self._told.slots(source, study, pseudonym)) - kept)
        yield from self._told.gone(source, study, pseudonym, gone, self._known, "removed in the source")

    def _apply(self, one: Transaction, values: dict[str, Said]) -> None:
        """Change what is known of the subject's items. The memory keeps mapped items alone."""
        if one.site:
            values[_SITE] = Said(one.site, 0, "site", self._known)
        if one.item is None:
            if one.kind == "Remove":
                below = "/".join(one.path)
                for path in [path for path in values if path == below or path.startswith(f"{below}/") or not below]:
                    del values[path]
            return
        if not any(_fits(item, one.path) for item in self._items.get(one.item, [])):
            return
        path = "/".join((*one.path, one.item))
        if one.kind == "Remove" or not one.value:
            values.pop(path, None)
        else:
            values[path] = Said(one.value, 0, "value", self._known)

    def _statements(
        self, pseudonym: str, values: dict[str, Said]
    ) -> tuple[list[Statement], list[tuple[str, str, str, InputError]]]:
        """Derive the milestones of a subject from the values of its items."""
        found = [(item, path, said) for path, said in values.items() for item in self._meanings(path)]
        if not any(item.step for item, _, _ in found):
            return [], []
        common: dict[str, Any] = {"subject": pseudonym, "site": self._site(values, found)}
        reasons: dict[str, str] = {}
        for item, _, said in found:
            if item.stratum:
                common["stratum"] = said.id
            elif item.reason_of is not None:
                reasons[item.reason_of] = item.names.get(said.id, item.otherwise or said.id)
        statements: dict[str, Statement] = {}
        faults: list[tuple[str, str, str, InputError]] = []
        for item, path, said in found:
            if item.step is None:
                continue
            slot = self._slot(item, path)
            kind = f"enrollment.{item.step}"
            try:
                one = self._statement(item, slot, said, {**common, "reason": reasons.get(item.step)})
                if slot not in statements or one.event_time < statements[slot].event_time:
                    statements[slot] = one
            except InputError as error:
                faults.append((slot, kind, path, error))
        return list(statements.values()), faults

    def _statement(self, item: OdmItem, slot: str, said: Said, data: dict[str, Any]) -> Statement:
        assert item.step is not None
        if not data["site"]:
            raise InvalidFieldError(
                expected="a site: SiteRef, or an item mapped as `site`", received="none", where="SubjectData"
            )
        when = self._mapping.time.read(said.id, f"item {item.item}")
        takes = {
            name: value for name, value in {**data, "visit": item.visit}.items() if name in fields_of_step(item.step)
        }
        return statement(slot, f"enrollment.{item.step}", when.instant, when.known(self._known), takes, item.item)

    def _site(self, values: dict[str, Said], found: list[tuple[OdmItem, str, Said]]) -> str | None:
        named = [said.id for item, _, said in found if item.site]
        chosen = named[0] if named else values[_SITE].id if _SITE in values else None
        return None if chosen is None else self._mapping.sites.get(chosen, chosen)

    def _slot(self, item: OdmItem, path: str) -> str:
        """A visit that repeats is one more visit; any other step is taken once."""
        if item.step != "visit_done":
            return str(item.step)
        return f"visit_done-{item.visit}-{path}"[:100]

    def _meanings(self, path: str) -> list[OdmItem]:
        *outer, name = path.split("/")
        return [item for item in self._items.get(name, []) if _fits(item, tuple(outer))]

    def _values(self, study: str, pseudonym: str) -> dict[str, Said]:
        return self._told.scopes.setdefault(f"{_VALUES}{self._mapping.source}|{study}|{pseudonym}", {})

    def _pseudonym(self, study: str, subject: str) -> str:
        if not subject:
            raise InvalidFieldError(expected="a SubjectKey", received="none", where="SubjectData")
        return self._pseudonyms.of(study, subject)

    def _time(self, audited: str) -> Instant:
        """Read an audit record's stamp. ODM 1.3.2 lets it be without a zone: then it is the mapping's."""
        if not audited:
            return self._record_time
        try:
            return parse_instant(audited, "DateTimeStamp")
        except InputError:
            return self._mapping.time.read(audited, "DateTimeStamp").instant


def _fits(item: OdmItem, path: tuple[str, ...]) -> bool:
    """Tell whether an item stands where the mapping wants it."""
    plain = [part.partition("[")[0] for part in path]
    in_event = item.event is None or (bool(plain) and plain[0] == item.event)
    return in_event and (item.group is None or item.group in plain[1:])
