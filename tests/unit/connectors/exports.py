"""The example exports of a trial, each with its mapping, as bytes and as sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors import enrollment_table, fhir, odm
from connectors.enrollment_mapping import EnrollmentMapping, FhirMapping, load_enrollment_mapping
from connectors.outgoing import BadLine, Entry
from connectors.pseudonyms import Pseudonyms
from connectors.told import Told
from schemas.errors import InputError
from schemas.events import Event, read_structured
from schemas.instants import Instant, parse_instant

FOLDER = Path(__file__).parents[3] / "examples" / "enrollment" / "exports"
KEY = b"a secret of no worth"
READ_AT = parse_instant("2026-04-01T08:00:00Z")


class Export(NamedTuple):
    """One example: its file, its mapping, and cells that tell an arm, to be swapped."""

    name: str
    map_name: str
    arms: tuple[bytes, bytes]


EXPORTS = (
    Export("sites.csv", "sites.map.yaml", (b"Dr A", b"Dr B")),
    Export("subjects.csv", "subjects.map.yaml", (b",A,", b",B,")),
    Export("events.jsonl", "events.map.yaml", (b'"arm": "A"', b'"arm": "B"')),
    Export("costs.csv", "costs.map.yaml", (b"none", b"none")),
    Export("bundle.json", "fhir.map.yaml", (b'"assignedComparisonGroup": "a"', b'"assignedComparisonGroup": "p"')),
    Export("audit_1_3_2.xml", "odm.map.yaml", (b'OID="I.ARM" Value="A"', b'OID="I.ARM" Value="B"')),
    Export("audit_2_0.xml", "odm.map.yaml", (b"<Value>A<", b"<Value>B<")),
)


def payload_of(export: Export) -> bytes:
    """Give an example's bytes."""
    return (FOLDER / export.name).read_bytes()


def parser_of(export: Export, told: Told | None = None, key: bytes | None = KEY) -> Callable[[bytes], list[Entry]]:
    """Give the `parse` of an example's form, bound to its mapping."""
    mapping = load_enrollment_mapping(FOLDER / export.map_name)
    pseudonyms = Pseudonyms(key)
    if isinstance(mapping, EnrollmentMapping):
        table = mapping
        return lambda payload: enrollment_table.parse(payload, READ_AT, table, pseudonyms, told)
    if isinstance(mapping, FhirMapping):
        resources = mapping
        return lambda payload: fhir.parse(payload, READ_AT, pseudonyms, resources, told)
    items = mapping
    return lambda payload: odm.parse(payload, READ_AT, pseudonyms, items, told)


def facts(entries: list[Entry]) -> list[Event]:
    """Give the facts among entries."""
    return [entry for entry in entries if isinstance(entry, Event)]


def refused(entries: list[Entry]) -> list[str]:
    """Give the reasons of the lines that are refused."""
    reasons = []
    for entry in entries:
        if isinstance(entry, BadLine):
            try:
                read_structured(entry.raw)
            except InputError as error:
                reasons.append(str(error))
    return reasons


def at(text: str) -> Instant:
    """Read a time."""
    return parse_instant(text)
