"""The mapping file of the family `enrollment`: how a trial's own export becomes facts. YAML, no code.

`form` says what is read: `csv` or `json_lines` (one row per subject, per event, per site or per cost), a `fhir` bundle,
or `odm` transactions. Every word is shown in docs/enrollment_intake.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from connectors.enrollment_parts import (
    WITH_REASON,
    CostRows,
    EventRows,
    Moment,
    ReasonColumn,
    SiteRows,
    Source,
    SubjectRows,
    SubjectStep,
    fields_or_column,
    refuse_at_the_door,
)
from connectors.mapping import check_document, fields_of, read_document
from connectors.mapping_parts import Column, Header, Model, Name, TableFormat, Template
from schemas.errors import MappingError
from schemas.ids import check_id


class EnrollmentMapping(Model):
    """A mapping of a table: one of `subjects`, `events`, `sites`, `costs`.

    `known` is the column of the time at which a row was known (its entry or export); without it the time of reading.
    `arms` names columns that tell an arm beside those whose names say so: they are dropped, and nothing may use them.
    """

    twinstream_map: Literal[1]
    family: Literal["enrollment"]
    form: Literal["csv", "json_lines"] = "csv"
    name: Name
    source: Source
    description: str = ""
    table: TableFormat = TableFormat()
    header: Header
    study: Template
    time: Moment = Moment()
    known: Template | None = None
    arms: tuple[Column, ...] = ()
    subjects: SubjectRows | None = None
    events: EventRows | None = None
    sites: SiteRows | None = None
    costs: CostRows | None = None
    plan: dict[str, Any] | None = None  # Any: the words of enrollment.study_planned, checked against it

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        check_id(self.source, "source")
        rows = [name for name in ("subjects", "events", "sites", "costs") if getattr(self, name) is not None]
        if len(rows) != 1:
            raise ValueError(f"expected one of `subjects`, `events`, `sites`, `costs`, received {rows or 'none'}")
        if self.plan is not None and self.sites is None:
            raise ValueError(f"expected `plan` only with `sites`, received it with `{rows[0]}`")
        for where, column in self.columns():
            if column not in self.header.columns:
                raise ValueError(
                    f"expected a column that `header.columns` lists, received {column!r}, in {where}; "
                    "add it there or correct it"
                )
            refuse_at_the_door(column, where, self.arms)
        return self

    def columns(self) -> Iterable[tuple[str, str]]:
        """Give every column the mapping reads, with the part that reads it."""
        yield from (("study", name) for name in fields_of(self.study))
        yield from (("known", name) for name in fields_or_column(self.known))
        for part in ("subjects", "events", "sites", "costs"):
            model = getattr(self, part)
            if model is not None:
                yield from _columns(model, part)


class FhirMapping(Model):
    """What FHIR leaves open: `states` and `milestones` override the documented table, null says nothing of use.

    Keys of `milestones` are codes, or `system|code`. `site_extension` is the URL of the extension that names a
    subject's site. `sites` says name and country of the sites, by reference or id.
    """

    twinstream_map: Literal[1]
    family: Literal["enrollment"]
    form: Literal["fhir"]
    name: Name
    source: Source
    description: str = ""
    study: Name | None = None
    time: Moment = Moment()
    counts: Literal["enrolled", "randomised"] = "enrolled"
    states: dict[str, SubjectStep | None] = Field(default_factory=dict)
    milestones: dict[str, SubjectStep | None] = Field(default_factory=dict)
    reasons: dict[str, Name] = Field(default_factory=dict)
    site_extension: str | None = None
    sites: dict[str, FhirSite] = Field(default_factory=dict)


class FhirSite(Model):
    """A site as the study calls it."""

    site: Name
    country: Annotated[str, StringConstraints(min_length=2, max_length=32)]


class OdmItem(Model):
    """What an item means, by its OID; `event` narrows it to one StudyEventOID, `group` to one ItemGroupOID.

    `step` takes the item's value as its day, `reason_of` as the reason of a step, `stratum` and `site` as such.
    """

    item: Name
    event: Name | None = None
    group: Name | None = None
    step: SubjectStep | None = None
    visit: Name | None = None
    reason_of: SubjectStep | None = None
    names: dict[str, Name] = Field(default_factory=dict)
    otherwise: Name | None = None
    stratum: bool = False
    site: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        meanings = [self.step is not None, self.reason_of is not None, self.stratum, self.site]
        if sum(meanings) != 1:
            raise ValueError("expected one of `step`, `reason_of`, `stratum`, `site` for each item")
        if (self.visit is None) == (self.step == "visit_done"):
            raise ValueError("expected `visit` with step visit_done, and only there")
        if self.reason_of is not None and self.reason_of not in WITH_REASON:
            raise ValueError(f"expected `reason_of` a step that has one, received {self.reason_of}")
        return self


class OdmMapping(Model):
    """Which items of CDISC ODM transactions mean what. `studies` names the study of a StudyOID; else it is the OID."""

    twinstream_map: Literal[1]
    family: Literal["enrollment"]
    form: Literal["odm"]
    name: Name
    source: Source
    description: str = ""
    studies: dict[str, Name] = Field(default_factory=dict)
    time: Moment = Moment()
    sites: dict[str, Name] = Field(default_factory=dict)
    items: Annotated[tuple[OdmItem, ...], Field(min_length=1, max_length=2000)]

    @model_validator(mode="after")
    def _nothing_blinded(self) -> Self:
        for item in self.items:
            refuse_at_the_door(item.item, "items", ())
        return self


AnyMapping = EnrollmentMapping | FhirMapping | OdmMapping
FORMS: dict[str, type[AnyMapping]] = {
    "csv": EnrollmentMapping,
    "json_lines": EnrollmentMapping,
    "fhir": FhirMapping,
    "odm": OdmMapping,
}


def read_enrollment_mapping(text: str | bytes, where: str) -> AnyMapping:
    """Read and check a mapping of the family `enrollment`.

    Raises
    ------
    MappingError
        With every fault found.
    """
    document = read_document(text, where)
    form = document.get("form", "csv")
    model = FORMS.get(form) if isinstance(form, str) else None
    if model is None:
        raise MappingError(f"expected a `form` of {', '.join(FORMS)}, received {form!r}, for {where}")
    return check_document(model, document, where)


def is_enrollment_mapping(path: Path) -> bool:
    """Tell whether a mapping file says `family: enrollment`. A file that cannot be read says so when it is loaded."""
    try:
        return read_document(path.read_bytes(), str(path)).get("family") == "enrollment"
    except (OSError, MappingError):
        return False


def load_enrollment_mapping(path: Path) -> AnyMapping:
    """Read a mapping file of the family `enrollment`. Raises MappingError if it is not there or says what cannot be."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MappingError(f"expected a mapping file, received {error.strerror}, for {path}; check --map") from None
    return read_enrollment_mapping(text, str(path))


def _columns(part: Model, where: str) -> Iterable[tuple[str, str]]:
    for name in type(part).model_fields:
        value, here = getattr(part, name), f"{where}.{name}"
        if value is None or name in ("names", "ignore"):
            continue
        if isinstance(value, ReasonColumn):
            yield here, value.column
        elif name == "steps":
            for step in value:
                yield here, step.column
                if step.reason is not None:
                    yield f"{here}.reason", step.reason.column
        elif name in ("what", "amount", "planned", "per_month", "cap"):
            yield here, value
        elif name == "when":
            yield from ((here, column) for column in fields_or_column(value))
        else:
            yield from ((here, column) for column in fields_of(value))
