"""`ingest file` and `replay` for the family `enrollment`: which file is what, and what its door needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connectors.enrollment_mapping import (
    EnrollmentMapping,
    FhirMapping,
    OdmMapping,
    is_enrollment_mapping,
    load_enrollment_mapping,
)
from connectors.enrollment_table import EnrollmentTable
from connectors.fhir import DEFAULT, FhirSource
from connectors.odm import OdmSource
from connectors.pseudonyms import open_pseudonyms
from connectors.told import read_told, write_told
from schemas.errors import MappingError
from schemas.instants import EARLIEST, Instant

EnrollmentSource = EnrollmentTable | FhirSource | OdmSource


@dataclass(frozen=True, slots=True)
class Door:
    """What a file of a trial is read with.

    `key_file` holds the secret of the subjects' pseudonyms; `plain` says that the ids are pseudonyms already. One of
    the two is needed. `told` is the file of what the source told before. `record_time` is when it is read [us]. Where a
    recording is `played`, rows of a table that do not say when they were known are known when they happened.
    """

    key_file: Path | None = None
    plain: bool = False
    told: Path | None = None
    record_time: Instant = EARLIEST
    played: bool = False


def is_enrollment(path: Path, map_file: Path | None) -> bool:
    """Tell whether a file is a trial's: its mapping says so, or it is JSON (FHIR) or XML (ODM)."""
    if map_file is not None:
        return is_enrollment_mapping(map_file)
    return _suffix(path) in (".json", ".xml")


def open_enrollment(path: Path, map_file: Path | None, door: Door) -> EnrollmentSource:
    """Open a trial's file as a source.

    Raises
    ------
    MappingError
        If the mapping does not fit the file, or ODM comes without one.
    UsageError
        If there is neither a key for pseudonyms nor the choice to go without, or a file cannot be read.
    """
    mapping = DEFAULT if map_file is None else load_enrollment_mapping(map_file)
    if map_file is None and _suffix(path) == ".xml":
        raise MappingError(
            f"expected a mapping that says which items are milestones, received none, for {path}; "
            "write one (docs/enrollment_intake.md shows how) and give it with --map FILE"
        )
    pseudonyms = open_pseudonyms(door.key_file, plain=door.plain)
    told = read_told(door.told)
    if isinstance(mapping, EnrollmentMapping):
        return EnrollmentTable(path, mapping, pseudonyms, None if door.played else door.record_time, told)
    if isinstance(mapping, FhirMapping):
        return FhirSource(path, door.record_time, pseudonyms, mapping, told)
    assert isinstance(mapping, OdmMapping)
    return OdmSource(path, door.record_time, pseudonyms, mapping, told)


def keep_told(source: object, path: Path | None) -> None:
    """Keep what a source told, once all of it is durable."""
    if path is not None and isinstance(source, EnrollmentTable | FhirSource | OdmSource):
        write_told(source.told, path)


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix
