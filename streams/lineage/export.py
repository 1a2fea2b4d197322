"""Write a piece of lineage for other programs: W3C PROV-JSON, and CSV. Pure.

Source: W3C Member Submission, The PROV-JSON Serialization (2013); RFC 4180. A step is an activity, a test and an alert
are entities; kinds that PROV does not have become `wasInfluencedBy`, with ours as an attribute.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]  # Any: JSON

COLUMNS = (
    *("kind", "from", "to", "valid_from", "valid_until", "known_from", "known_until"),
    *("event", "ended_by", "topic", "partition", "offset"),
)
_PREFIX = "twin"
_ATTRIBUTES = ("kind", "valid_from", "valid_until", "known_from", "known_until", "event")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula at a cell's beginning


def write_csv(edges: Iterable[Json]) -> str:
    """Write edges as CSV with a header, UTC times in RFC 3339; an end that is open is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for edge in edges:
        writer.writerow(_cell(edge[name]) for name in COLUMNS)
    return out.getvalue()


def write_prov(nodes: Iterable[tuple[str, str]], edges: Sequence[Json]) -> Json:
    """Write (key, type) of things, and edges between them, as a PROV-JSON document."""
    document: Json = {"prefix": {_PREFIX: "https://twinstream.invalid/lineage/"}, "entity": {}, "activity": {}}
    steps = set()
    for key, kind in nodes:
        if kind == "step":
            steps.add(key)
        document["activity" if kind == "step" else "entity"][_name(key)] = {"prov:label": key, f"{_PREFIX}:type": kind}
    for n, edge in enumerate(edges, 1):
        relation, ends = _relation(edge, steps)
        attributes = {f"{_PREFIX}:{name}": edge[name] for name in _ATTRIBUTES if edge[name] is not None}
        document.setdefault(relation, {})[f"_:{n}"] = {**ends, **attributes}
    return document


def _relation(edge: Json, steps: set[str]) -> tuple[str, Json]:
    src, dst, time = _name(edge["from"]), _name(edge["to"]), edge["valid_from"]
    if edge["kind"] == "used" and edge["to"] in steps:
        return "used", {"prov:activity": dst, "prov:entity": src, "prov:time": time}
    if edge["kind"] == "generated" and edge["from"] in steps:
        return "wasGeneratedBy", {"prov:entity": dst, "prov:activity": src, "prov:time": time}
    if edge["kind"] == "derived_from" and not {edge["from"], edge["to"]} & steps:
        return "wasDerivedFrom", {"prov:generatedEntity": dst, "prov:usedEntity": src}
    return "wasInfluencedBy", {"prov:influencee": dst, "prov:influencer": src}


def _name(key: str) -> str:
    """A qualified name: what PROV-JSON does not allow in one is escaped as in a URI."""
    return f"{_PREFIX}:" + "".join(one if one.isalnum() or one in "-_./:" else f"%{ord(one):02X}" for one in key)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
