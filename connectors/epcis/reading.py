"""One event from its object, JSON or XML alike: every field checked, then hashed.

As liberal as the JSON schema of the standard (any URI for a word that is not standard, extensions everywhere), strict
where it is: what each type must have, the closed lists of words, times with zones.

Source: GS1, EPCIS 2.0 (2022), section 7.4 and the JSON schema published with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from connectors.epcis.extensions import STANDARD_PREFIXES
from connectors.epcis.moments import is_zone
from connectors.epcis.node import Node
from connectors.epcis.prehash import event_hash_id
from connectors.epcis.sensors import read_sensors
from connectors.epcis.vocabulary import BIZ_STEP, DISPOSITION, ERROR, PARTY, TRANSACTION, Words
from connectors.epcis.xml_reader import WRAPPED
from schemas.epcis import (
    ClassQuantity,
    EpcisEvent,
    ErrorDeclaration,
    Extension,
    PersistentDisposition,
    Place,
    Typed,
)
from schemas.errors import UnknownTypeError

ACTIONS = ("ADD", "OBSERVE", "DELETE")
UOM = re.compile(r"[A-Z0-9]{2,3}")  # UN/CEFACT recommendation 20, as the JSON schema has it
MOST_PREFIXES = 64

_COMMON = (
    "type eventTime recordTime eventTimeZoneOffset eventID errorDeclaration certificationInfo bizStep disposition"
    " persistentDisposition readPoint bizLocation bizTransactionList sourceList destinationList sensorElementList"
)
# Which fields a type of event may have beside the common ones; the extensions are what is left.
KINDS: dict[str, frozenset[str]] = {
    kind: frozenset(f"{_COMMON} {own}".split())
    for kind, own in {
        "ObjectEvent": "epcList quantityList action ilmd",
        "AggregationEvent": "parentID childEPCs childQuantityList action",
        "TransactionEvent": "parentID epcList quantityList action",
        "TransformationEvent": "inputEPCList inputQuantityList outputEPCList outputQuantityList transformationID ilmd",
        "AssociationEvent": "parentID childEPCs childQuantityList action",
    }.items()
}
_HASH_UNKNOWN = "ni:///sha-256;"


def read_event(node: Node) -> EpcisEvent:
    """Read one event, and give it its hash id.

    Raises
    ------
    InputError
        Whose `where` is the path of the first field that breaks its rule.
    """
    kind = node.fields.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnknownTypeError(
            expected=f"one of {', '.join(KINDS)}",
            received="nothing" if kind is None else repr(kind)[:60],
            where=node.path("type"),
        )
    _check_needed(node, kind)
    event_time = node.moment("eventTime")
    zone = node.text("eventTimeZoneOffset", 40)
    assert event_time is not None
    assert zone is not None
    if not is_zone(zone):
        raise node.bad("eventTimeZoneOffset", "an offset from -14:00 to +14:00, such as +01:00")
    ilmd = node.node("ilmd")
    event = EpcisEvent(
        kind=kind,  # type: ignore[arg-type]  # one of KINDS, checked above
        event_time=event_time,
        event_time_zone_offset=zone,
        hash=_HASH_UNKNOWN,
        record_time=node.moment("recordTime"),
        event_id=node.event_id("eventID"),
        error_declaration=_error(node.node("errorDeclaration")),
        certification_info=_one_or_more(node, "certificationInfo"),
        action=node.choice("action", ACTIONS),  # type: ignore[arg-type]  # one of ACTIONS
        epcs=node.uris("epcList"),
        quantities=_quantities(node, "quantityList"),
        parent_id=node.uri("parentID"),
        child_epcs=node.uris("childEPCs"),
        child_quantities=_quantities(node, "childQuantityList"),
        input_epcs=node.uris("inputEPCList"),
        input_quantities=_quantities(node, "inputQuantityList"),
        output_epcs=node.uris("outputEPCList"),
        output_quantities=_quantities(node, "outputQuantityList"),
        transformation_id=node.uri("transformationID"),
        biz_step=node.word("bizStep", BIZ_STEP),
        disposition=node.word("disposition", DISPOSITION),
        persistent_disposition=_persistent(node.node("persistentDisposition")),
        biz_transactions=_typed(node, "bizTransactionList", "bizTransaction", TRANSACTION, kinded=False),
        sources=_typed(node, "sourceList", "source", PARTY, kinded=True),
        destinations=_typed(node, "destinationList", "destination", PARTY, kinded=True),
        read_point=_place(node.node("readPoint")),
        biz_location=_place(node.node("bizLocation")),
        sensors=read_sensors(node),
        ilmd=() if ilmd is None else ilmd.all_extensions(),
        extensions=_extensions(node, kind),
        context=_used(node.context),
    )
    return msgspec.structs.replace(event, hash=event_hash_id(event))


def _extensions(node: Node, kind: str) -> tuple[Extension, ...]:
    """Give what is left; in XML a wrapper may hold fields of a later version, which have no namespace."""
    wrapped = node.fields.get(WRAPPED) if node.textual else None
    if not isinstance(wrapped, list):
        return node.extensions(KINDS[kind])
    return node.extensions(KINDS[kind] | {WRAPPED}, wrapped)


def _check_needed(node: Node, kind: str) -> None:
    """Refuse an event without what its type must have."""
    node.need("eventTime", "the time of the event")
    node.need("eventTimeZoneOffset", "the offset of the zone where it happened, such as +01:00")
    if kind == "TransformationEvent":
        return _check_transformation(node)
    node.need("action", f"one of {', '.join(ACTIONS)}")
    if kind == "ObjectEvent":
        return _check_object(node)
    if kind == "TransactionEvent":
        node.need("bizTransactionList", "the business transactions that the things belong to")
        if not node.items("bizTransactionList"):
            raise node.bad("bizTransactionList", "at least one business transaction")
        if node.fields["action"] != "DELETE":
            _need_any(node, ("epcList", "quantityList", "parentID"))
        return None
    if kind == "AssociationEvent" or node.fields["action"] != "OBSERVE":
        node.need("parentID", "the identifier of the parent")
    if node.fields["action"] != "DELETE":
        _need_entries(node, ("childEPCs", "childQuantityList"))
    return None


def _check_object(node: Node) -> None:
    """An empty `epcList` will do; things of no class and no identity must be sensed somewhere."""
    if node.has("ilmd") and node.fields["action"] != "ADD":
        raise node.bad(
            "ilmd", "no master data unless the action is ADD", "send them with the event that adds the things"
        )
    if node.fields.get("epcList") is None:
        _need_entries(node, ("epcList", "quantityList", "sensorElementList"))
        if not node.fields.get("quantityList"):
            node.need("readPoint", "the read point that was sensed, for there are no things")


def _check_transformation(node: Node) -> None:
    ins, outs = ("inputEPCList", "inputQuantityList"), ("outputEPCList", "outputQuantityList")
    if node.has("transformationID"):
        _need_entries(node, ins + outs)
    else:
        _need_entries(node, ins)
        _need_entries(node, outs)


def _need_any(node: Node, names: tuple[str, ...]) -> None:
    if not any(node.fields.get(name) is not None for name in names):
        raise node.bad(names[0], f"one of {', '.join(names)}")


def _need_entries(node: Node, names: tuple[str, ...]) -> None:
    """At least one of these lists must have an entry; the reason names the one that is there but empty."""
    _need_any(node, names)
    if not any(node.fields.get(name) for name in names):
        there = next(name for name in names if node.fields.get(name) is not None)
        raise node.bad(there, f"at least one entry in {', '.join(names)}")


def _one_or_more(node: Node, name: str) -> tuple[str, ...]:
    if isinstance(node.fields.get(name), str):
        return (node.needed_uri(name),)
    return node.uris(name)


def _quantities(node: Node, name: str) -> tuple[ClassQuantity, ...]:
    known = ("epcClass", "quantity", "uom")
    return tuple(
        ClassQuantity(
            each.needed_uri("epcClass"),
            each.number("quantity"),
            each.matching("uom", UOM, "a UN/CEFACT code of 2 or 3 capital letters and digits"),
            each.extensions((*known, "type")),
        )
        for each in node.nodes(name)
    )


def _typed(node: Node, name: str, inner: str, words: Words, *, kinded: bool) -> tuple[Typed, ...]:
    found = []
    for each in node.nodes(name):
        if kinded:
            each.need("type", words.name)
        found.append(Typed(each.needed_uri(inner), each.word("type", words), each.extensions(("type", inner))))
    return tuple(found)


def _place(node: Node | None) -> Place | None:
    return None if node is None else Place(node.needed_uri("id"), node.extensions(("id", "type")))


def _persistent(node: Node | None) -> PersistentDisposition | None:
    if node is None:
        return None
    _need_any(node, ("set", "unset"))
    node.extensions(("set", "unset"))
    return PersistentDisposition(node.words("set", DISPOSITION), node.words("unset", DISPOSITION))


def _error(node: Node | None) -> ErrorDeclaration | None:
    if node is None:
        return None
    node.need("declarationTime", "when the error was declared")
    time = node.moment("declarationTime")
    assert time is not None
    return ErrorDeclaration(
        time,
        node.word("reason", ERROR),
        node.uris("correctiveEventIDs"),
        node.extensions(("declarationTime", "reason", "correctiveEventIDs", "type")),
    )


def _used(context: Mapping[str, str]) -> dict[str, str]:
    """Keep the document's own prefixes."""
    kept = {name: value for name, value in context.items() if STANDARD_PREFIXES.get(name) != value}
    return dict(list(kept.items())[:MOST_PREFIXES])
