"""What the resources of one bundle state: studies first, then subjects in the order of their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from connectors.enrollment_mapping import FhirMapping
from connectors.enrollment_parts import SubjectStep
from connectors.enrollment_refusal import refusal
from connectors.enrollment_rows import fields_of_step
from connectors.fhir_codes import CLOSED, MILESTONES, RECRUITING, SITE_STATES, STATES
from connectors.fhir_resources import (
    RESOURCES,
    Bundle,
    BundleEntry,
    Concept,
    Identifier,
    Kind,
    Meta,
    Patient,
    Place,
    Progress,
    Reference,
    ResearchStudy,
    ResearchSubject,
)
from connectors.outgoing import Entry
from connectors.pseudonyms import Pseudonyms
from connectors.told import Statement, Told, statement
from schemas.errors import InputError, InvalidFieldError
from schemas.ids import check_id
from schemas.instants import Instant, format_instant, parse_instant

AnyStep = TypeVar("AnyStep")
UNKNOWN_COUNTRY = "ZZ"  # user-assigned in ISO 3166-1: not known
_SUBJECT, _PLAN, _SITE = "enrollment.subject_enrolled", "enrollment.study_planned", "enrollment.site_activated"


class BundleReader:
    """Reads one bundle into entries. `told` is brought up to date."""

    def __init__(self, record_time: Instant, pseudonyms: Pseudonyms, mapping: FhirMapping, told: Told) -> None:
        self._record_time, self._pseudonyms, self._mapping, self._told = record_time, pseudonyms, mapping, told
        self._places: dict[str, Place] = {}
        self._patients: dict[str, Patient] = {}
        self._studies: dict[str, ResearchStudy] = {}
        self.entries: list[Entry] = []

    def read(self, bundle: Bundle) -> list[Entry]:
        """Give the bundle's facts, and the refusals of what cannot be used."""
        studies: list[tuple[Instant, int, ResearchStudy]] = []
        subjects: list[tuple[Instant, int, ResearchSubject]] = []
        for number, entry in enumerate(bundle.entry, 1):
            try:
                resource = self._decode(entry)
                if isinstance(resource, ResearchStudy):
                    studies.append((self._known(resource.meta), number, resource))
                elif isinstance(resource, ResearchSubject):
                    subjects.append((self._known(resource.meta), number, resource))
            except InputError as error:
                self._refuse(f"entry {number}", None, _SUBJECT, f"entry {number}", error)
        for known, number, study in sorted(studies, key=lambda one: one[:2]):
            self._study(study, known, f"entry {number} (ResearchStudy/{study.id})")
        for known, number, subject in sorted(subjects, key=lambda one: one[:2]):
            # a resource's id may be the subject's own: it is not shown
            self._subject(subject, known, f"entry {number} (ResearchSubject)")
        return self.entries

    def _decode(self, entry: BundleEntry) -> object:
        """Read one resource; those that others refer to are remembered by reference and by full URL."""
        try:
            name = msgspec.json.decode(entry.resource, type=Kind).resourceType
            kind = RESOURCES.get(name)
            if kind is None:
                return None
            resource = msgspec.json.decode(entry.resource, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidFieldError(
                expected="a FHIR R5 resource",
                received=str(error)[:200],
                where="resource",
                advice="correct it in the source",
            ) from None
        known: dict[type[Any], dict[str, Any]] = {  # Any: one dict for each kind of resource
            Place: self._places,
            Patient: self._patients,
            ResearchStudy: self._studies,
        }
        if type(resource) in known:
            named = str(getattr(resource, "id", ""))
            for key in {f"{name}/{named}", _key(entry.fullUrl)}:
                known[type(resource)][key] = resource
        return resource

    def _known(self, meta: Meta) -> Instant:
        return parse_instant(meta.lastUpdated, "meta.lastUpdated") if meta.lastUpdated else self._record_time

    # studies

    def _study(self, study: ResearchStudy, known: Instant, where: str) -> None:
        key = self._study_key(study)
        try:
            if study.partOf:
                self._site_study(study, key, known, where)
            else:
                self._say(key, "study", [self._plan(study, known)])
        except InputError as error:
            self._refuse(f"study {study.id} v{study.meta.versionId}", key, _PLAN, where, error)

    def _study_key(self, study: ResearchStudy) -> str:
        if self._mapping.study is not None:
            return self._mapping.study
        if study.partOf:
            parent = self._studies.get(_key(study.partOf[0].reference))
            return self._study_key(parent) if parent is not None and not parent.partOf else _id(study.partOf[0])
        return _identifier(study.identifier) or study.id

    def _plan(self, study: ResearchStudy, known: Instant) -> Statement:
        target = study.recruitment.targetNumber
        starts = self._status_time(study, RECRUITING, "start") or study.period.start
        by = (
            self._status_time(study, CLOSED, "start") or self._status_time(study, RECRUITING, "end") or study.period.end
        )
        if target is None or not starts or not by:
            raise InvalidFieldError(
                expected="recruitment.targetNumber, and when recruitment begins and is to end",
                received=f"target {target}, begin {starts or 'none'}, end {by or 'none'}",
                where="ResearchStudy",
                advice="give progressStatus with periods, or period, in the source",
            )
        began, ends = (self._mapping.time.read(text, "ResearchStudy").instant for text in (starts, by))
        sites = [self._site(reference) for reference in study.site]
        data: dict[str, Any] = {
            "title": study.title,
            "counts": self._mapping.counts,
            "starts": format_instant(began),
            "by": format_instant(ends),
            "subjects": target,
            "countries": [{"country": name} for name in sorted({country for _, country in sites})],
            "sites": [{"site": name, "country": country} for name, country in sites],
        }
        plan = statement("plan", _PLAN, Instant(min(began, known)), known, data, "ResearchStudy")
        return msgspec.structs.replace(plan, undated=True)

    def _status_time(self, study: ResearchStudy, codes: tuple[str, ...], side: str) -> str:
        """Give the first of the times of statuses; what is planned says what is wanted, before what came."""
        times = [
            (status.actual, getattr(status.period, side))
            for status in study.progressStatus
            if any(name in codes for name in status.state.names()) and getattr(status.period, side)
        ]
        return min(times)[1] if times else ""

    def _site_study(self, study: ResearchStudy, key: str, known: Instant, where: str) -> None:
        if len(study.site) != 1:
            raise InvalidFieldError(
                expected="one site of a study that is part of another", received=f"{len(study.site)}", where="site"
            )
        site, country = self._site(study.site[0])
        said: list[Statement] = []
        for status in study.progressStatus:
            if not status.actual:
                continue
            try:
                step = _meaning(status.state, SITE_STATES, "progressStatus.state")
                if step is None:
                    continue
                when = self._mapping.time.read(status.period.start, "progressStatus.period.start")
                data = {"site": site, "country": country}
                takes = {name: value for name, value in data.items() if name in fields_of_step(step)}
                slot = f"{step}-{status.period.start}"
                said.append(statement(slot, f"enrollment.{step}", when.instant, when.known(known), takes, step))
            except InputError as error:
                self._refuse(f"site {site} {status.period.start}", key, _SITE, where, error)
        self._say(key, f"site {site}", said)

    def _site(self, reference: Reference) -> tuple[str, str]:
        """Give a site's name and country."""
        key = _key(reference.reference)
        place = self._places.get(key, Place())
        for name in (reference.reference, key, _id(reference)):
            if name in self._mapping.sites:
                return self._mapping.sites[name].site, self._mapping.sites[name].country
        found = _identifier(place.identifier) or _id(reference) or reference.display
        return check_id(found, "site"), place.country or UNKNOWN_COUNTRY

    # subjects

    def _subject(self, resource: ResearchSubject, known: Instant, where: str) -> None:
        study = self._mapping.study
        try:
            study = study or self._subject_study(resource)
            own = _identifier(resource.identifier) or resource.id
            if not own:
                raise InvalidFieldError(expected="an identifier or id", received="none", where="ResearchSubject")
            pseudonym = self._pseudonyms.of(study, own)
            if resource.status == "entered-in-error":
                self._gone(study, pseudonym, self._told.slots(self._mapping.source, study, pseudonym), known)
                return
            site = self._subject_site(resource)
        except InputError as error:
            self._refuse(where, study, _SUBJECT, where, error)
            return
        said, faults = self._steps(resource.progress, {"site": site, "subject": pseudonym}, known)
        for number, fault in faults:
            place = f"{pseudonym} progress {number} v{resource.meta.versionId}"
            self._refuse(place, study, _SUBJECT, f"{where} of {pseudonym}, progress {number}", fault)
        self._say(study, pseudonym, list(said.values()))
        if not faults:  # else it is not known what is gone and what could only not be read
            gone = set(self._told.slots(self._mapping.source, study, pseudonym)) - said.keys()
            self._gone(study, pseudonym, sorted(gone), known)

    def _steps(
        self, progress: tuple[Progress, ...], subject: dict[str, str], known: Instant
    ) -> tuple[dict[str, Statement], list[tuple[int, InputError]]]:
        """Read the steps: status and milestone both. Of one step said twice the earlier time holds."""
        said: dict[str, Statement] = {}
        faults: list[tuple[int, InputError]] = []
        for number, one in enumerate(progress, 1):
            steps: list[SubjectStep | None] = []
            for concept, table, where in (
                (one.subjectState, {**STATES, **self._mapping.states}, "subjectState"),
                (one.milestone, {**MILESTONES, **self._mapping.milestones}, "milestone"),
            ):
                try:
                    steps.append(_meaning(concept, table, where) if concept.names() else None)
                except InputError as error:
                    faults.append((number, error))
            for step in steps:
                try:
                    if step is not None:
                        found = self._step(_left(step, one), one, subject, known)
                        if found.slot not in said or found.event_time < said[found.slot].event_time:
                            said[found.slot] = found
                except InputError as error:
                    faults.append((number, error))
        return said, faults

    def _step(self, step: SubjectStep, one: Progress, subject: dict[str, str], known: Instant) -> Statement:
        when = self._mapping.time.read(one.startDate, "startDate")
        data: dict[str, Any] = dict(subject)
        if "reason" in fields_of_step(step) and one.reason.names():
            names = one.reason.names()
            chosen = [self._mapping.reasons[name] for name in names if name in self._mapping.reasons]
            data["reason"] = chosen[0] if chosen else (one.reason.coding[0].code if one.reason.coding else names[0])
        if step == "visit_done":
            data["visit"] = (one.milestone.names() or one.type.names())[-1]
        return statement(step, f"enrollment.{step}", when.instant, when.known(known), data, "progress")

    def _subject_study(self, resource: ResearchSubject) -> str:
        study = self._studies.get(_key(resource.study.reference))
        return check_id(self._study_key(study) if study is not None else _id(resource.study), "study")

    def _subject_site(self, resource: ResearchSubject) -> str:
        """Find a subject's site: FHIR R5 has no field for it, so three places are tried in turn."""
        for extension in resource.extension:
            if extension.url and extension.url == self._mapping.site_extension:
                named = extension.valueString or extension.valueCode
                return check_id(named, "site") if named else self._site(extension.valueReference)[0]
        patient = self._patients.get(_key(resource.subject.reference))
        if patient is not None and patient.managingOrganization.reference:
            return self._site(patient.managingOrganization)[0]
        study = self._studies.get(_key(resource.study.reference))
        if study is not None and len(study.site) == 1:
            return self._site(study.site[0])[0]
        raise InvalidFieldError(
            expected="a site: the mapping's `site_extension`, the Patient's managingOrganization, or one site's study",
            received="none of them",
            where="ResearchSubject",
            advice="send the Patient or the site's ResearchStudy in the bundle, or map the extension",
        )

    # saying

    def _say(self, study: str, scope: str, said: list[Statement]) -> None:
        self.entries += self._told.tell(self._mapping.source, study, scope, said)

    def _gone(self, study: str, scope: str, slots: list[str], known: Instant) -> None:
        reason = "no longer in the resource"
        self.entries += self._told.gone(self._mapping.source, study, scope, slots, known, reason)

    def _refuse(self, name: str, study: str | None, kind: str, where: str, error: InputError) -> None:
        chosen = study or self._mapping.study
        self.entries.append(refusal(self._mapping.source, name, chosen, kind, where, error, self._record_time))


def _meaning(concept: Concept, table: Mapping[str, AnyStep], where: str) -> AnyStep:
    """Look a code up by each of its names, in any case."""
    lower = {name.lower(): step for name, step in table.items()}
    for name in concept.names():
        if name.lower() in lower:
            return lower[name.lower()]
    raise InvalidFieldError(
        expected=f"a known code of {where}",
        received=repr((concept.names() or ["none"])[0])[:80],
        where=where,
        advice="say in a mapping file what it means, or null for nothing",
    )


def _left(step: SubjectStep, one: Progress) -> SubjectStep:
    """Off study for a reason is withdrawn; without one it is completed."""
    return "subject_withdrawn" if step == "subject_completed" and one.reason.names() else step


def _key(reference: str) -> str:
    """Cut a reference to `Type/id`, without server and version; a urn stays as it is."""
    plain = reference.split("/_history/")[0]
    return plain if plain.startswith("urn:") else "/".join(plain.split("/")[-2:])


def _id(reference: Reference) -> str:
    return _key(reference.reference).rpartition("/")[2]


def _identifier(identifiers: tuple[Identifier, ...]) -> str:
    """Give the official identifier, else the first."""
    official = [one.value for one in identifiers if one.use == "official" and one.value]
    return (official or [one.value for one in identifiers if one.value] or [""])[0]
