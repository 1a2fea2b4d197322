"""Documents of EPCIS: which events are in them, whatever their form. A bad event never stops its neighbours.

JSON: an EPCISDocument, an EPCISQueryDocument, a bare event, a list of events. XML: documents and query documents of
EPCIS 2.0 and 1.x (`connectors/epcis/xml_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from connectors.epcis.extensions import prefixes_of, said
from connectors.epcis.moments import looks_like_moment
from connectors.epcis.node import Node
from connectors.epcis.reading import read_event
from connectors.epcis.xml_reader import XmlEvent, read_xml
from schemas.epcis import EpcisEvent
from schemas.errors import InputError, InvalidFieldError, MalformedError

LARGEST_DOCUMENT = 64 << 20  # bytes
MOST_EVENTS = 200_000
DOCUMENTS = ("EPCISDocument", "EPCISQueryDocument")
_BOM = b"\xef\xbb\xbf"


class Refusal(NamedTuple):
    """What could not be used: the reason, and the place in the list of events (None: the document itself)."""

    error: InputError
    number: int | None = None


Read = EpcisEvent | Refusal


def read_document(payload: bytes) -> list[Read]:
    """Read a document held in memory, JSON or XML. Pure; never raises for bad input.

    Parameters
    ----------
    payload : bytes
        UTF-8 (XML: as it declares), at most `LARGEST_DOCUMENT` bytes.

    Returns
    -------
    list of EpcisEvent or Refusal
        In the order of the document. A refusal without a number concerns the document: its events, where they can be
        read, stand beside it.
    """
    if len(payload) > LARGEST_DOCUMENT:
        return [Refusal(_malformed(f"at most {LARGEST_DOCUMENT} bytes", f"{len(payload)} bytes"))]
    raw = payload.removeprefix(_BOM).lstrip()
    if not raw:
        return []
    # XML of other encodings begins with a zero byte or a byte order mark
    if raw[:1] == b"<" or payload[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return list(_of_xml(payload))
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [Refusal(_malformed("an EPCIS document in JSON or XML", str(error)[:200]))]
    return list(read_json(document))


def read_json(document: object, context: Mapping[str, str] | None = None) -> Iterator[Read]:
    """Read a decoded JSON document. `context` holds prefixes that are in force beside its own."""
    inherited = dict(context or {})
    if isinstance(document, list):
        yield from _events(document, "", inherited)
        return
    if not isinstance(document, dict):
        yield Refusal(_malformed("a JSON object or list", said(document)))
        return
    inherited |= prefixes_of(document.get("@context"))
    kind = document.get("type")
    if isinstance(kind, str) and kind in DOCUMENTS:
        yield from (Refusal(error) for error in _header_faults(document))
        yield from _body(document, inherited)
    elif kind is None and "eventList" in document:
        yield from _list(document, "eventList", "eventList", inherited)
    else:  # an event, or what claims to be one
        yield _one(Node(document, "", inherited), 0)


def _body(document: dict[str, object], context: dict[str, str]) -> Iterator[Read]:
    """Find the list of events, by the way that the type of document says."""
    place: object = document
    way = ["epcisBody"]
    if document["type"] == "EPCISQueryDocument":
        way += ["queryResults", "resultsBody"]
    for depth, name in enumerate(way):
        path = ".".join(way[: depth + 1])
        inner = place.get(name) if isinstance(place, dict) else None
        if not isinstance(inner, dict):
            received = "nothing" if inner is None else said(inner)
            yield Refusal(InvalidFieldError(expected="an object", received=received, where=path))
            return
        place = inner
    assert isinstance(place, dict)
    if "event" in place and "eventList" not in place:
        yield _inner(place["event"], f"{'.'.join(way)}.event", context, 0)
        return
    yield from _list(place, "eventList", f"{'.'.join(way)}.eventList", context)


def _list(place: dict[str, object], name: str, path: str, context: dict[str, str]) -> Iterator[Read]:
    found = place.get(name)
    if not isinstance(found, list):
        received = "nothing" if found is None else said(found)
        yield Refusal(InvalidFieldError(expected="a list of events", received=received, where=path))
        return
    yield from _events(found, path, context)


def _events(events: list[object], path: str, context: dict[str, str]) -> Iterator[Read]:
    for index, each in enumerate(events[:MOST_EVENTS]):
        yield _inner(each, f"{path}[{index}]", context, index)
    if len(events) > MOST_EVENTS:
        yield Refusal(_malformed(f"at most {MOST_EVENTS} events", f"{len(events)}", path))


def _inner(event: object, path: str, context: dict[str, str], index: int) -> Read:
    if not isinstance(event, dict):
        return Refusal(InvalidFieldError(expected="an event, an object", received=said(event), where=path), index)
    if "@context" in event:
        context = {**context, **prefixes_of(event["@context"])}
    return _one(Node(event, path, context), index)


def _one(node: Node, index: int) -> Read:
    try:
        return read_event(node)
    except InputError as error:
        return Refusal(error, index)


def _header_faults(document: dict[str, object]) -> Iterator[InputError]:
    """Say what a document lacks of what it must carry; its events are read all the same."""
    for name in ("@context", "schemaVersion", "creationDate"):
        if document.get(name) in (None, ""):
            yield InvalidFieldError(expected="a value", received="nothing", where=name)
    created = document.get("creationDate")
    if created and not (isinstance(created, str) and looks_like_moment(created)):
        yield InvalidFieldError(expected="a date and time with its zone", received=said(created), where="creationDate")


def _of_xml(payload: bytes) -> Iterator[Read]:
    for each in read_xml(payload):
        if isinstance(each, XmlEvent):
            yield _one(Node(each.fields, each.where, each.context, textual=True), each.number)
        else:
            yield Refusal(each)


def _malformed(expected: str, received: str, where: str = "document") -> MalformedError:
    return MalformedError(expected=expected, received=received, where=where)
