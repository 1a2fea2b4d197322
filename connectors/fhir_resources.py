"""The parts of FHIR R5 resources that enrollment reads. What is not named here is not read, arms above all.

Source: HL7 FHIR R5 (5.0.0), ResearchStudy, ResearchSubject, Patient, Location, Organization, Bundle.
`assignedComparisonGroup` and `actualComparisonGroup` of a ResearchSubject and `comparisonGroup` of a ResearchStudy tell
arms; a Patient's name and birth date tell a person: they have no place in these structs.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Coding(Struct, frozen=True):
    """One code of one system."""

    system: str = ""
    code: str = ""
    display: str = ""


class Concept(Struct, frozen=True):
    """A CodeableConcept."""

    coding: tuple[Coding, ...] = ()
    text: str = ""

    def names(self) -> list[str]:
        """Give what it may be known by, the surest first: `system|code`, code, display, text."""
        found = [f"{one.system}|{one.code}" for one in self.coding if one.system and one.code]
        found += [one.code for one in self.coding if one.code]
        found += [one.display for one in self.coding if one.display]
        return [*found, *([self.text] if self.text else [])]


class Reference(Struct, frozen=True):
    """A reference to another resource; `type` and `display` are hints."""

    reference: str = ""
    display: str = ""


class Period(Struct, frozen=True):
    """From `start` to `end`, each a FHIR dateTime."""

    start: str = ""
    end: str = ""


class Identifier(Struct, frozen=True):
    """A business identifier."""

    use: str = ""
    value: str = ""


class Meta(Struct, frozen=True):
    """Which version of a resource this is, and since when."""

    versionId: str = ""  # noqa: N815  FHIR's names, here and below
    lastUpdated: str = ""  # noqa: N815


class Extension(Struct, frozen=True):
    """An extension whose value is a name or a reference."""

    url: str = ""
    valueString: str = ""  # noqa: N815
    valueCode: str = ""  # noqa: N815
    valueReference: Reference = Reference()  # noqa: N815


class Progress(Struct, frozen=True):
    """One step of a subject."""

    type: Concept = Concept()
    subjectState: Concept = Concept()  # noqa: N815
    milestone: Concept = Concept()
    reason: Concept = Concept()
    startDate: str = ""  # noqa: N815
    endDate: str = ""  # noqa: N815


class ResearchSubject(Struct, frozen=True):
    """A subject of a study."""

    id: str = ""
    meta: Meta = Meta()
    extension: tuple[Extension, ...] = ()
    identifier: tuple[Identifier, ...] = ()
    status: str = ""  # of the record, not of the subject: `entered-in-error` takes it back
    progress: tuple[Progress, ...] = ()
    study: Reference = Reference()
    subject: Reference = Reference()


class StudyProgress(Struct, frozen=True):
    """A status of a study, `actual` or planned."""

    state: Concept = Concept()
    actual: bool = True
    period: Period = Period()


class Recruitment(Struct, frozen=True):
    """How many are wanted."""

    targetNumber: int | None = None  # noqa: N815


class ResearchStudy(Struct, frozen=True):
    """A study, or with `partOf` one site's part of it."""

    id: str = ""
    meta: Meta = Meta()
    identifier: tuple[Identifier, ...] = ()
    title: str = ""
    status: str = ""
    partOf: tuple[Reference, ...] = ()  # noqa: N815
    period: Period = Period()
    progressStatus: tuple[StudyProgress, ...] = ()  # noqa: N815
    recruitment: Recruitment = Recruitment()
    site: tuple[Reference, ...] = ()


class Patient(Struct, frozen=True):
    """Which site a person belongs to; nothing else of a person is read."""

    id: str = ""
    managingOrganization: Reference = Reference()  # noqa: N815


class Address(Struct, frozen=True):
    """In which country a site lies."""

    country: str = ""


class Place(Struct, frozen=True):
    """A Location or, with a list of addresses, an Organization."""

    id: str = ""
    name: str = ""
    identifier: tuple[Identifier, ...] = ()
    address: Address | tuple[Address, ...] = ()

    @property
    def country(self) -> str:
        """The country of its first address, or nothing."""
        addresses = (self.address,) if isinstance(self.address, Address) else self.address
        return next((one.country for one in addresses if one.country), "")


class BundleEntry(Struct, frozen=True):
    """An entry, its resource not yet read."""

    fullUrl: str = ""  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw(b"null")


class Bundle(Struct, frozen=True):
    """A bundle. `type` may be any; a history's versions are read in the order of their time."""

    resourceType: str  # noqa: N815
    type: str = ""
    timestamp: str = ""
    entry: tuple[BundleEntry, ...] = ()


class Kind(Struct, frozen=True):
    """What a resource is."""

    resourceType: str = ""  # noqa: N815


RESOURCES: dict[str, type[Struct]] = {
    "ResearchStudy": ResearchStudy,
    "ResearchSubject": ResearchSubject,
    "Patient": Patient,
    "Location": Place,
    "Organization": Place,
}
