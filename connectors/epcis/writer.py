"""Events as JSON-LD of EPCIS 2.0: what was read is written back whole, and reads as an equal event.

Prefixes stand in the document's context; those of which two events mean different things stand in the events' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from connectors.epcis.extensions import STANDARD_PREFIXES
from schemas.epcis import (
    ClassQuantity,
    EpcisEvent,
    ErrorDeclaration,
    Extension,
    PersistentDisposition,
    Place,
    SensorElement,
    SensorMetadata,
    SensorReport,
    Typed,
)

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
SCHEMA_VERSION = "2.0"
_STANDARD = {uri: prefix for prefix, uri in STANDARD_PREFIXES.items()}
# Field of the standard by member of the Struct, where the two differ by more than the case of a letter.
_NAMES = {
    "epcs": "epcList",
    "quantities": "quantityList",
    "parent_id": "parentID",
    "child_epcs": "childEPCs",
    "child_quantities": "childQuantityList",
    "input_epcs": "inputEPCList",
    "input_quantities": "inputQuantityList",
    "output_epcs": "outputEPCList",
    "output_quantities": "outputQuantityList",
    "transformation_id": "transformationID",
    "event_id": "eventID",
    "sources": "sourceList",
    "destinations": "destinationList",
    "biz_transactions": "bizTransactionList",
    "sensors": "sensorElementList",
    "device_id": "deviceID",
    "standard_deviation": "sDev",
    "percentile_rank": "percRank",
    "percentile_value": "percValue",
    "corrective_event_ids": "correctiveEventIDs",
    "kind": "type",
}
_IDS = {"sources": "source", "destinations": "destination", "biz_transactions": "bizTransaction"}
_CHILDREN = ("childEPCs", "childQuantityList")
# Lists of which a type of event must have one, empty or not.
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "ObjectEvent": (("epcList", "quantityList", "sensorElementList"),),
    "AggregationEvent": (_CHILDREN,),
    "TransactionEvent": (("epcList", "quantityList", "parentID"),),
    "TransformationEvent": (("inputEPCList", "inputQuantityList"), ("outputEPCList", "outputQuantityList")),
    "AssociationEvent": (_CHILDREN,),
}
_Json = dict[str, object]
_Part = ClassQuantity | ErrorDeclaration | PersistentDisposition | Place | SensorMetadata | SensorReport


def write_document(events: Iterable[EpcisEvent], creation_date: str) -> bytes:
    """Write an EPCISDocument. `creation_date` is a time with its zone.

    Examples
    --------
    >>> from connectors.epcis.documents import read_document
    >>> read_document(write_document([], "2026-03-01T08:00:00Z"))
    []
    """
    context, body = _written(events)
    return msgspec.json.encode(
        {
            "@context": context,
            "type": "EPCISDocument",
            "schemaVersion": SCHEMA_VERSION,
            "creationDate": creation_date,
            "epcisBody": {"eventList": body},
        }
    )


def write_query_document(
    events: Iterable[EpcisEvent], creation_date: str, query: str, subscription: str | None = None
) -> bytes:
    """Write an EPCISQueryDocument: what the query of that name found, for a subscription or for who asked.

    Examples
    --------
    >>> from connectors.epcis.documents import read_document
    >>> read_document(write_query_document([], "2026-03-01T08:00:00Z", "SimpleEventQuery"))
    []
    """
    context, body = _written(events)
    results: _Json = {} if subscription is None else {"subscriptionID": subscription}
    results |= {"queryName": query, "resultsBody": {"eventList": body}}
    return msgspec.json.encode(
        {
            "@context": context,
            "type": "EPCISQueryDocument",
            "schemaVersion": SCHEMA_VERSION,
            "creationDate": creation_date,
            "epcisBody": {"queryResults": results},
        }
    )


def _written(events: Iterable[EpcisEvent]) -> tuple[list[object], list[_Json]]:
    """Give a document's context, and its events."""
    contexts, written = [], []
    for event in events:
        context, document = write_event(event)
        contexts.append(context)
        written.append(document)
    shared, own = _shared(contexts)
    body = [{"@context": mine, **each} if mine else each for mine, each in zip(own, written, strict=True)]
    return ([CONTEXT, shared] if shared else [CONTEXT]), body


def write_event(event: EpcisEvent) -> tuple[dict[str, str], _Json]:
    """Give the prefixes that an event's JSON-LD needs beside the standard context, and the event itself."""
    prefixes = _prefixes(event)
    names = {namespace: prefix for prefix, namespace in reversed(list(prefixes.items()))} | _STANDARD
    document: _Json = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in ("hash", "context", "extensions") or value is None or value == ():
            continue
        field = _NAMES.get(name, _camel(name))
        if name == "ilmd":
            document[field] = _object(value, names)
        elif name in _IDS:
            document[field] = [_typed(each, _IDS[name], names) for each in value]
        elif name == "sensors":
            document[field] = [_sensor(each, names) for each in value]
        elif isinstance(value, tuple):
            document[field] = [each if isinstance(each, str) else _plain(each, names) for each in value]
        else:
            document[field] = value if isinstance(value, str) else _plain(value, names)
    for lists in _NEEDED[event.kind]:
        if not any(name in document for name in lists):
            document[lists[0]] = []  # nothing was said there, and that much must be
    document.update(_object(event.extensions, names))
    return prefixes, document


def _plain(part: _Part, names: Mapping[str, str]) -> _Json:
    """Write a Struct whose members are scalars, lists of URIs and extensions."""
    found: _Json = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name != "extensions" and value is not None and value != ():
            found[_NAMES.get(name, _camel(name))] = _short(value) if isinstance(value, float) else value
    return {**found, **_object(getattr(part, "extensions", ()), names)}


def _typed(part: Typed, field: str, names: Mapping[str, str]) -> _Json:
    kind: _Json = {} if part.type is None else {"type": part.type}
    return {**kind, field: part.id, **_object(part.extensions, names)}


def _sensor(part: SensorElement, names: Mapping[str, str]) -> _Json:
    found: _Json = {} if part.metadata is None else {"sensorMetadata": _plain(part.metadata, names)}
    found["sensorReport"] = [_plain(report, names) for report in part.reports]
    return {**found, **_object(part.extensions, names)}


def _object(extensions: Sequence[Extension], names: Mapping[str, str]) -> _Json:
    """Write extensions as the fields of an object; a name that comes again becomes a list."""
    found: dict[str, list[object]] = {}
    for each in extensions:
        value: object = _short(each.value) if isinstance(each.value, float) else each.value
        if each.inner:
            inner = _object(each.inner, names)
            value = inner if value is None else {"@value": value, **inner}
        found.setdefault(_short_name(each.name, names), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _short_name(name: str, names: Mapping[str, str]) -> str:
    if not name.startswith("{"):
        return name
    namespace, _, local = name[1:].partition("}")
    return f"{names[namespace]}:{local}"


def _prefixes(event: EpcisEvent) -> dict[str, str]:
    """Give the event's own prefixes, and new ones for namespaces without."""
    prefixes = dict(event.context)
    known = {*prefixes.values(), *_STANDARD}
    for namespace in sorted(_namespaces(event)):
        if namespace not in known:
            number = 1
            while f"ns{number}" in prefixes:
                number += 1
            prefixes[f"ns{number}"] = namespace
    return prefixes


def _namespaces(event: EpcisEvent) -> set[str]:
    found: set[str] = set()
    waiting: list[object] = [event]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Extension) and part.name.startswith("{"):
            found.add(part.name[1:].partition("}")[0])
        if isinstance(part, msgspec.Struct):
            waiting += [getattr(part, name) for name in part.__struct_fields__]
        elif isinstance(part, tuple):
            waiting += part
    return found


def _shared(contexts: Sequence[dict[str, str]]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Put together the prefixes that mean the same everywhere; give what each event must say itself."""
    shared: dict[str, str] = {}
    for context in contexts:
        for prefix, namespace in context.items():
            shared.setdefault(prefix, namespace)
    own = [{p: ns for p, ns in context.items() if shared[p] != ns} for context in contexts]
    return shared, own


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _short(number: float) -> float:
    """Write a whole number without its point."""
    return int(number) if number == int(number) and abs(number) < 1 << 53 else number
