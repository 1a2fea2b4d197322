"""Everything that is said, by name: which struct, which version, which topic; and the JSON Schema of each.

`twinstream schema`, the AsyncAPI file and docs/events.md are all written from this one table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Literal

import msgspec
from msgspec import Struct

from schemas import bioreactor
from schemas.effects import AlertData, ConsequenceData, Effect, EstimateData, ForecastData, RejectData
from schemas.enrollment_effects import CorrectionData, EnrollmentEstimate, EnrollmentForecast, EnrollmentLearning
from schemas.errors import UsageError
from schemas.events import EVENTS, family_of
from schemas.ids import LONGEST
from schemas.jobs import ResimulationRequest, ResimulationResult, SimulationSpec
from schemas.partitions import KEYLESS
from schemas.topics import OUTPUTS, TOPICS
from schemas.units import CANONICAL, UNITS

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Any, in this file: a JSON Schema document, whose shape is JSON's own.
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One name. An event travels in an envelope, an effect in its line, a document as it is."""

    name: str
    kind: Literal["event", "effect", "document"]
    struct: type[Struct]
    version: int
    topics: tuple[str, ...]
    says: str = ""  # of an effect: its kind

    @property
    def summary(self) -> str:
        """The first paragraph of the struct's docstring, on one line."""
        return " ".join((self.struct.__doc__ or "").split("\n\n")[0].split())


def _event(name: str, struct: type[Struct]) -> Entry:
    inputs = [topic.name for topic in TOPICS.values() if topic.framed]
    own = f"{family_of(name)}.events"
    return Entry(name, "event", struct, bioreactor.VERSION, (own,) if own in TOPICS else tuple(inputs))


def _effect(name: str, struct: type[Struct], says: str = "") -> Entry:
    says = says or name
    topics = (OUTPUTS[says],) if says in OUTPUTS else ()
    return Entry(name, "effect", struct, 1, topics, says)


CATALOG: dict[str, Entry] = {
    entry.name: entry
    for entry in [
        *(_event(name, struct) for name, struct in EVENTS.items()),
        _effect("estimate", EstimateData),
        _effect("forecast", ForecastData),
        _effect("enrollment_estimate", EnrollmentEstimate, "estimate"),
        _effect("enrollment_forecast", EnrollmentForecast, "forecast"),
        _effect("enrollment_learning", EnrollmentLearning, "forecast"),
        _effect("alert", AlertData),
        _effect("correction", CorrectionData),
        _effect("request", ResimulationRequest),
        _effect("consequence", ConsequenceData),
        _effect("reject", RejectData),
        Entry("simulation_spec", "document", SimulationSpec, 1, ()),
        Entry("resimulation_result", "document", ResimulationResult, 1, ("resim.results",)),
    ]
}


def find_entry(name: str) -> Entry:
    """Look a name up.

    Raises
    ------
    UsageError
        If nothing is said by that name.
    """
    entry = CATALOG.get(name)
    if entry is None:
        raise UsageError(f"expected one of {', '.join([*CATALOG, 'units'])}; received {name!r}")
    return entry


def json_schema(name: str) -> Schema:
    """Write the JSON Schema (draft 2020-12) of one name: what a whole line of it must be.

    For an event that is the structured CloudEvents object with its data, for an effect its whole line. `units` gives
    the closed list of unit codes.

    Raises
    ------
    UsageError
        If nothing is said by that name.

    Examples
    --------
    >>> schema = json_schema("bioreactor.reading")
    >>> schema["$id"], sorted(schema["required"])
    ('urn:twinstream:bioreactor.reading:2', ['data', 'id', 'source', 'subject', 'time', 'type'])
    """
    if name == "units":
        return _units()
    entry = find_entry(name)
    data, definitions = components([entry], "#/$defs/{name}")
    head = {"$schema": DIALECT, "$id": f"urn:twinstream:{name}:{entry.version}"}
    return {**head, **whole(entry, data[name]), "$defs": definitions}


def whole(entry: Entry, data: Schema) -> Schema:
    """Put the schema of an entry's data into what surrounds it on a line."""
    if entry.kind == "event":
        return _envelope(entry, data)
    if entry.kind == "effect":
        return _line(entry, data)
    return {"title": entry.name, **data}


def components(entries: Iterable[Entry], ref_template: str) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Give, for many entries at once, the schema of each one's data, and the definitions they share."""
    chosen = list(entries)
    data, definitions = msgspec.json.schema_components([one.struct for one in chosen], ref_template=ref_template)
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    _whole(data)
    _whole(definitions)
    return {one.name: schema for one, schema in zip(chosen, data, strict=True)}, definitions


def _whole(schema: Any) -> None:
    """Write whole bounds without a fraction: `typing` may give 0 or 0.0 of two equal annotations, as modules load."""
    for place, value in list(schema.items()) if isinstance(schema, dict) else list(enumerate(schema)):
        if isinstance(value, dict | list | tuple):
            _whole(value)
        elif isinstance(value, float) and place in _BOUNDS and value.is_integer():
            schema[place] = int(value)


def _envelope(entry: Entry, data: Schema) -> Schema:
    required = ["id", "source", "type", "time", "data"]
    name = {"type": "string", "minLength": 1, "maxLength": LONGEST}
    time = {"type": "string", "format": "date-time"}
    if entry.name == "time.passed":
        required.remove("data")
    elif entry.name not in KEYLESS:
        required.append("subject")
    return {
        "title": entry.name,
        "description": entry.summary,
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": {
            "specversion": {"const": "1.0", "description": "Of CloudEvents."},
            "id": {**name, "description": "With `source` it names the event; said twice, it counts once."},
            "source": {**name, "description": "Who says it."},
            "type": {"const": entry.name},
            "subject": {**name, "description": "The twin's key, which is also the record's key."},
            "time": {**time, "description": "event_time: when it happened."},
            "recordtime": {**time, "description": "record_time: when it was known. Without it, `time`."},
            "sequence": {
                "anyOf": [
                    {"type": "string", "pattern": "^[0-9]{1,18}$"},
                    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
                ],
                "description": "Counts within the source; shows gaps.",
            },
            "schemaversion": {
                "enum": [entry.version, str(entry.version)],
                "description": "Of the data. Older ones are read too; this schema shows the newest.",
            },
            "traceparent": {"type": "string", "description": "W3C Trace Context."},
            "tracestate": {"type": "string"},
            "datacontenttype": {"type": "string"},
            "dataschema": {"type": "string"},
            "partitionkey": {"type": "string"},
            "topic": {"type": "string", "description": "Where a recorded line stood; `fold` keeps it there."},
            "partition": {"type": "integer", "minimum": 0},
            "offset": {"type": "integer", "minimum": 0},
            "data": data,
        },
    }


def _line(entry: Entry, data: Schema) -> Schema:
    (_,), definitions = msgspec.json.schema_components([Effect])
    effect = definitions["Effect"]
    return {
        **effect,
        "title": entry.name,
        "description": f"{entry.summary} {effect['description']}",
        "properties": {**effect["properties"], "kind": {"const": entry.says}, "data": data},
        "additionalProperties": False,
    }


def _units() -> Schema:
    return {
        "$schema": DIALECT,
        "$id": "urn:twinstream:units:1",
        "title": "units",
        "description": "The closed list of unit codes (UCUM); the first of a dimension is its canonical unit.",
        "oneOf": [
            {"title": dimension, "enum": [unit.code for unit in UNITS.values() if unit.dimension == dimension]}
            for dimension in CANONICAL
        ],
    }


__all__ = ["CATALOG", "Entry", "components", "find_entry", "json_schema", "whole"]
