"""The CBV 2.0 event hash: an event as one canonical text, and its SHA-256 as the event's hash id.

Left out are record time, event id, error declaration and comments; so an event and its error declaration hash alike.
Fields stand in canonical order, entries of lists sorted bytewise, extensions after the fields of their level with
their whole names, in bytewise order too. After the fields that the canonical order places, an event's other fields
follow in bytewise order of their names: `bizTransactionList`, `destinationList`, `ilmd`, `sourceList`, extensions.

Source: GS1, CBV 2.0, section 8.9, checked against the vectors that the authors of the algorithm publish. Where their
reference and a plain reading of the text differ, the reference is followed: every text that is a number is written as
one (`stringValue` too), a prefix that a document itself declares is not written out within values, `certificationInfo`
counts, `parentID` stands before `epcList`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from connectors.epcis.extensions import STANDARD_PREFIXES
from connectors.epcis.keys import canonical
from connectors.epcis.moments import hashed_moment, looks_like_moment
from connectors.epcis.vocabulary import (
    ALERT,
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    MEASUREMENT,
    PARTY,
    TRANSACTION,
    Words,
    expanded,
    full,
)
from schemas.epcis import (
    ClassQuantity,
    EpcisEvent,
    Extension,
    Place,
    SensorElement,
    SensorMetadata,
    SensorReport,
    Typed,
)

_UNSAID = ("@type", "comment", "rdfs:comment", f"{{{STANDARD_PREFIXES['rdfs']}}}comment")  # no content of the event
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
# Field of the standard, member of the Struct, list of words.
_METADATA: tuple[tuple[str, str, Words | None], ...] = (
    ("time", "time", None),
    ("startTime", "start_time", None),
    ("endTime", "end_time", None),
    ("deviceID", "device_id", None),
    ("deviceMetadata", "device_metadata", None),
    ("rawData", "raw_data", None),
    ("dataProcessingMethod", "data_processing_method", None),
    ("bizRules", "biz_rules", None),
)
_REPORT: tuple[tuple[str, str, Words | None], ...] = (
    ("type", "type", MEASUREMENT),
    ("exception", "exception", ALERT),
    ("deviceID", "device_id", None),
    ("deviceMetadata", "device_metadata", None),
    ("rawData", "raw_data", None),
    ("dataProcessingMethod", "data_processing_method", None),
    ("time", "time", None),
    ("microorganism", "microorganism", None),
    ("chemicalSubstance", "chemical_substance", None),
    ("value", "value", None),
    ("component", "component", COMPONENT),
    ("stringValue", "string_value", None),
    ("booleanValue", "boolean_value", None),
    ("hexBinaryValue", "hex_binary_value", None),
    ("uriValue", "uri_value", None),
    ("minValue", "min_value", None),
    ("maxValue", "max_value", None),
    ("meanValue", "mean_value", None),
    ("sDev", "standard_deviation", None),
    ("percRank", "percentile_rank", None),
    ("percValue", "percentile_value", None),
    ("uom", "uom", None),
    ("coordinateReferenceSystem", "coordinate_reference_system", None),
)


def event_hash_id(event: EpcisEvent) -> str:
    """Give the CBV 2.0 hash id of an event: `ni:///sha-256;<64 hex digits>?ver=CBV2.0`. Its own `hash` is not read."""
    return f"ni:///sha-256;{hashlib.sha256(prehash(event).encode()).hexdigest()}?ver=CBV2.0"


def prehash(event: EpcisEvent) -> str:
    """Give the canonical text of an event, of which the hash id is the SHA-256."""
    parts = [
        f"eventType={event.kind}eventTime={hashed_moment(event.event_time)}"
        f"eventTimeZoneOffset={event.event_time_zone_offset}",
        "".join(sorted(_all("certificationInfo", event.certification_info), key=str.encode)),
        _field("parentID", event.parent_id),
        _list("epcList", _all("epc", event.epcs)),
        _list("inputEPCList", _all("epc", event.input_epcs)),
        _list("childEPCs", _all("epc", event.child_epcs)),
        _quantities("quantityList", event.quantities),
        _quantities("childQuantityList", event.child_quantities),
        _quantities("inputQuantityList", event.input_quantities),
        _list("outputEPCList", _all("epc", event.output_epcs)),
        _quantities("outputQuantityList", event.output_quantities),
        _field("action", event.action),
        _field("transformationID", event.transformation_id),
        _field("bizStep", event.biz_step, BIZ_STEP),
        _field("disposition", event.disposition, DISPOSITION),
        _persistent(event),
        _place("readPoint", event.read_point),
        _place("bizLocation", event.biz_location),
        _list("sensorElementList", [_sensor(element) for element in event.sensors]),
    ]
    others = (
        _typed("bizTransaction", event.biz_transactions, TRANSACTION),
        _typed("destination", event.destinations, PARTY),
        _typed("source", event.sources, PARTY),
        _list("ilmd", _extensions(event.ilmd)),
        *_extensions(event.extensions),
        *_strays(event.sensors),
    )
    return "".join((*parts, *sorted(others, key=str.encode)))


def hashed_value(value: str | float | bool | None) -> str:
    """Spell a value as it is hashed: keys canonical, words whole, times in UTC, numbers without needless zeros.

    Examples
    --------
    >>> hashed_value("12.10000"), hashed_value(452.0), hashed_value(True), hashed_value(" a b ")
    ('12.1', '452', 'true', 'a b')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _number(text)
    if looks_like_moment(text):
        return hashed_moment(text)
    if text.startswith(("urn:epc:", "http")):
        linked = canonical(text)
        if linked is not text:
            return linked
    return expanded(text)


def _number(value: str | float) -> str:
    """Spell a number as the shortest text that reads back as the same double (IEEE 754)."""
    number = float(value)
    if number - number != 0:  # endless
        return str(value)
    return str(int(number)) if number == int(number) else repr(number)


def _field(name: str, value: str | float | bool | None, words: Words | None = None) -> str:
    if value is None:
        return ""
    if words is not None and isinstance(value, str) and value in words.words:
        return f"{name}={full(value, words)}"
    return f"{name}={hashed_value(value)}"


def _all(name: str, values: Iterable[str], words: Words | None = None) -> list[str]:
    return [_field(name, value, words) for value in values]


def _list(name: str, entries: Sequence[str]) -> str:
    """Sort the entries bytewise behind the list's name; an empty list says nothing."""
    return name + "".join(sorted(entries, key=str.encode)) if entries else ""


def _quantities(name: str, quantities: Sequence[ClassQuantity]) -> str:
    return _list(
        name,
        [
            "quantityElement"
            + _field("epcClass", each.epc_class)
            + _field("quantity", each.quantity)
            + _field("uom", each.uom)
            + _tail(each.extensions)
            for each in quantities
        ],
    )


def _typed(name: str, entries: Sequence[Typed], words: Words) -> str:
    return _list(
        f"{name}List",
        [_field("type", each.type, words) + _field(name, each.id) + _tail(each.extensions) for each in entries],
    )


def _place(name: str, place: Place | None) -> str:
    return "" if place is None else name + _field("id", place.id) + _tail(place.extensions)


def _persistent(event: EpcisEvent) -> str:
    both = event.persistent_disposition
    if both is None:
        return ""
    entries = (sorted(_all(name, values, DISPOSITION)) for name, values in (("set", both.set), ("unset", both.unset)))
    return "persistentDisposition" + "".join(entry for each in entries for entry in each)


def _sensor(element: SensorElement) -> str:
    metadata = element.metadata
    said = "" if metadata is None else "sensorMetadata" + _members(metadata, _METADATA)
    reports = [f"sensorReport{_members(report, _REPORT)}" for report in element.reports]
    return f"sensorElement{said}" + "".join(sorted(reports, key=str.encode)) + _tail(element.extensions)


def _members(of: SensorMetadata | SensorReport, table: tuple[tuple[str, str, Words | None], ...]) -> str:
    fields = [_field(name, getattr(of, member), words) for name, member, words in table]
    return "".join(fields) + _tail(of.extensions)


def _strays(elements: Sequence[SensorElement]) -> list[str]:
    """Fields without namespace that the canonical order does not know (`bizRules` of a report): by path, at the end."""
    strays = [
        text
        for element in elements
        for report in element.reports
        for text in _extensions(report.extensions, named=_is_stray)
    ]
    return [f"sensorElementListsensorElementsensorReport{text}" for text in strays]


def _is_stray(name: str) -> bool:
    return not name.startswith(("{", "@")) and ":" not in name


def _is_extension(name: str) -> bool:
    return not _is_stray(name)


def _tail(extensions: Sequence[Extension]) -> str:
    return "".join(sorted(_extensions(extensions, named=_is_extension), key=str.encode)) if extensions else ""


def _extensions(extensions: Sequence[Extension], named: Callable[[str], bool] = lambda name: True) -> list[str]:
    """Write each extension with what is in it; a JSON-LD or XML type and a comment are no content."""
    return [
        each.name
        + (f"={hashed_value(each.value)}" if each.value not in (None, "") else "")
        + "".join(sorted(_extensions(each.inner), key=str.encode))
        for each in extensions
        if each.name not in _UNSAID and named(each.name)
    ]
