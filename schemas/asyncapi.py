"""The AsyncAPI 3.1 document of all topics and messages, made from `schemas/topics.py` and `schemas/catalog.py`.

It is committed as docs/asyncapi.json; `scripts/check` fails when it is not what this file makes.

Source: AsyncAPI specification 3.1.0; Kafka bindings 0.5.0; CloudEvents 1.0.2, Kafka protocol binding (binary mode).
"""

from __future__ import annotations

from typing import Any

from schemas.catalog import CATALOG, Entry, Schema, components
from schemas.partitions import KEYLESS
from schemas.topics import TOPICS, Topic

BINDING = "0.5.0"
SCHEMAS = "#/components/schemas/"

_HEADERS_SAID = {
    "ce_id": "Names the event within its source.",
    "ce_source": "Who says it.",
    "ce_time": "event_time, RFC 3339.",
    "ce_recordtime": "record_time, RFC 3339; without it, `ce_time`.",
    "ce_subject": "The twin's key; the record's key is the same.",
    "ce_sequence": "Counts within the source.",
    "traceparent": "W3C Trace Context.",
}


def asyncapi(version: str) -> dict[str, Any]:  # Any: a JSON document
    """Write the document for a version of twinstream.

    Examples
    --------
    >>> document = asyncapi("0.1.0")
    >>> document["asyncapi"], "bioreactor.events" in document["channels"]
    ('3.1.0', True)
    """
    data, definitions = components(CATALOG.values(), SCHEMAS + "{name}")
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "twinstream",
            "version": version,
            "description": (
                "Facts go in on one topic per twin family, keyed by the twin; beliefs, forecasts, alerts and questions"
                " come out. Attributes travel as headers in CloudEvents' binary mode, the value is the data as JSON."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS.values()},
        "components": {
            "messages": {
                **{entry.name: _message(entry, data[entry.name]) for entry in CATALOG.values()},
                "set_aside": _set_aside(),
            },
            "schemas": definitions,
        },
    }


def entries_of(topic: Topic) -> list[Entry]:
    """What travels on a topic, apart from records that were set aside."""
    return [entry for entry in CATALOG.values() if topic.name in entry.topics]


def is_aside(topic: Topic) -> bool:
    """Whether a topic holds records of another one that could not be used."""
    return topic.name.endswith((".dlq", ".late"))


def _channel(topic: Topic) -> Schema:
    names = ["set_aside"] if is_aside(topic) else [entry.name for entry in entries_of(topic)]
    return {
        "address": topic.name,
        "description": f"{topic.summary} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {"topic": topic.name, "partitions": topic.partitions, "bindingVersion": BINDING},
        },
    }


def _operation_name(topic: Topic) -> str:
    return f"{'take' if topic.framed else 'say'}.{topic.name}"


def _operation(topic: Topic) -> Schema:
    return {
        "action": "receive" if topic.framed else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.summary,
    }


def _message(entry: Entry, data: Schema) -> Schema:
    payload = data
    wire_type = entry.name
    if entry.kind == "effect":
        payload = _effect_payload(entry, data)
        wire_type = f"twin.{entry.says}"
    message: Schema = {
        "name": entry.name,
        "title": entry.name,
        "summary": entry.summary,
        "contentType": "application/json",
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": BINDING}},
    }
    if entry.kind != "document":
        message["headers"] = _headers(wire_type, entry)
    return message


def _headers(wire_type: str, entry: Entry) -> Schema:
    said = dict(_HEADERS_SAID)
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"]
    if entry.kind == "effect":
        for name in ("ce_recordtime", "ce_sequence", "traceparent"):
            del said[name]
    elif entry.name not in KEYLESS:
        required.append("ce_subject")
    properties: Schema = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_type": {"type": "string", "const": wire_type},
        **{name: {"type": "string", "description": words} for name, words in said.items()},
        "content-type": {"type": "string", "default": "application/json"},
    }
    if entry.kind == "event":
        properties["ce_schemaversion"] = {
            "type": "string",
            "default": str(entry.version),
            "description": f"Of the data, 1 to {entry.version}. Older ones are lifted when they are read.",
        }
    return {"type": "object", "required": required, "properties": properties}


def _effect_payload(entry: Entry, data: Schema) -> Schema:
    text: Schema = {"type": "string"}
    return {
        "type": "object",
        "required": ["id", "kind", "lane", "twin", "key", "event_time", "record_time", "model", "data"],
        "properties": {
            "id": {"type": "string", "description": "topic/partition/offset/n of the record that caused it."},
            "kind": {"type": "string", "const": entry.says},
            "lane": {"type": "string", "enum": ["qualified", "advisory"]},
            "twin": {"type": "string", "description": "Kind of twin."},
            "key": text,
            "event_time": {"type": "string", "format": "date-time"},
            "record_time": {"type": "string", "format": "date-time"},
            "model": {"type": "string", "description": "name@version+hash of model, parameters and limits."},
            "data": data,
        },
    }


def _set_aside() -> Schema:
    text: Schema = {"type": "string"}
    said = {
        "ce_id": "Effect id of the reject.",
        "ce_time": "Its event time, RFC 3339.",
        "reject_reason": "One word: malformed, unknown_type, invalid_field, unit, late ...",
        "reject_expected": "What was expected.",
        "reject_received": "What came.",
        "reject_where": "Where it stood.",
        "reject_advice": "What to do.",
        "origin_topic": "Topic of the record.",
        "origin_partition": "Its partition.",
        "origin_offset": "Its offset.",
    }
    return {
        "name": "set_aside",
        "title": "A record that was set aside",
        "summary": "The record's key and value as they came; the reason stands in the headers.",
        "headers": {
            "type": "object",
            "required": ["ce_id", "reject_reason", "origin_topic", "origin_partition", "origin_offset"],
            "properties": {
                "ce_type": {"type": "string", "const": "twin.reject"},
                **{name: {**text, "description": words} for name, words in said.items()},
            },
        },
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary", "description": "Whatever it was."},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": BINDING}},
    }


__all__ = ["asyncapi", "entries_of", "is_aside"]
