"""One event of EPCIS 2.0 as twinstream keeps it: all five types, all fields, written back without loss.

Words of the Core Business Vocabulary (CBV 2.0) stand bare where they are standard (`shipping`, `in_transit`, `po`),
as a full URI where they are not. Times are the text that came (RFC 3339 with zone), identifiers as they came (URN or
Digital Link). A field that EPCIS does not know keeps its whole name, `{namespace}local`. `connectors/epcis` reads,
checks, hashes and writes these.

Source: GS1, EPCIS 2.0 (2022), section 7; CBV 2.0 (2022).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.fields import TimeText

MOST_ITEMS = 20_000  # entries of one list of one event; a record is bounded too (`schemas/events.py`)

_PRINTABLE = r"^(?![\s\S]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])"  # a line's end may stand in a text, not in a name
Uri = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^(?![\s\S]*[\x00-\x1f\x7f])")]
Value = Annotated[str, Meta(max_length=100_000, pattern=_PRINTABLE)]
Uris = Annotated[tuple[Uri, ...], Meta(max_length=MOST_ITEMS)]

EventKind = Literal["ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent"]
Action = Literal["ADD", "OBSERVE", "DELETE"]


class Extension(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of somebody else's namespace: `name` is `{namespace}local`; it has a value, inner fields, or both.

    A list is the same name several times. `value` keeps the JSON type; XML has text only.
    """

    name: Uri
    value: Value | int | float | bool | None = None
    inner: Annotated[tuple[Extension, ...], Meta(max_length=MOST_ITEMS)] = ()


Extensions = Annotated[tuple[Extension, ...], Meta(max_length=MOST_ITEMS)]


class ClassQuantity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """So much of a class of things (a product, a lot). `uom` is a UN/CEFACT code; without it pieces are counted."""

    epc_class: Uri
    quantity: float | None = None
    uom: Uri | None = None
    extensions: Extensions = ()


Quantities = Annotated[tuple[ClassQuantity, ...], Meta(max_length=MOST_ITEMS)]


class Typed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A business transaction, source or destination: its identifier and its kind (`po`, `owning_party`)."""

    id: Uri
    type: Uri | None = None
    extensions: Extensions = ()


TypedList = Annotated[tuple[Typed, ...], Meta(max_length=MOST_ITEMS)]


class Place(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A read point or business location."""

    id: Uri
    extensions: Extensions = ()


class PersistentDisposition(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Dispositions that begin to hold, and that end."""

    set: Uris = ()
    unset: Uris = ()


class ErrorDeclaration(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An earlier, otherwise equal event is declared wrong; `corrective_event_ids` say what is right instead."""

    declaration_time: TimeText
    reason: Uri | None = None
    corrective_event_ids: Uris = ()
    extensions: Extensions = ()


class SensorMetadata(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds for all reports of a sensor element."""

    time: TimeText | None = None
    start_time: TimeText | None = None
    end_time: TimeText | None = None
    device_id: Uri | None = None
    device_metadata: Uri | None = None
    raw_data: Uri | None = None
    data_processing_method: Uri | None = None
    biz_rules: Uri | None = None
    extensions: Extensions = ()


class SensorReport(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One reading or statistic. Numbers are in `uom`, a UN/CEFACT code (`CEL`, `KEL`, `A93`)."""

    type: Uri | None = None
    exception: Uri | None = None
    device_id: Uri | None = None
    device_metadata: Uri | None = None
    raw_data: Uri | None = None
    data_processing_method: Uri | None = None
    time: TimeText | None = None
    microorganism: Uri | None = None
    chemical_substance: Uri | None = None
    value: float | None = None
    component: Uri | None = None
    string_value: Value | None = None
    boolean_value: bool | None = None
    hex_binary_value: Value | None = None
    uri_value: Uri | None = None
    min_value: float | None = None
    max_value: float | None = None
    mean_value: float | None = None
    standard_deviation: float | None = None
    percentile_rank: float | None = None
    percentile_value: float | None = None
    uom: Uri | None = None
    coordinate_reference_system: Uri | None = None
    extensions: Extensions = ()


class SensorElement(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Reports that belong together, with what holds for all of them."""

    reports: Annotated[tuple[SensorReport, ...], Meta(min_length=1, max_length=MOST_ITEMS)]
    metadata: SensorMetadata | None = None
    extensions: Extensions = ()


class EpcisEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One event of EPCIS 2.0. Which fields a kind must or may have: `connectors/epcis`.

    `hash` is the CBV 2.0 event hash id (`ni:///sha-256;...?ver=CBV2.0`), equal for equal events however written, and
    for an event and its error declaration. `context` holds the prefixes that values of the event may use.
    """

    kind: EventKind
    event_time: TimeText
    event_time_zone_offset: TimeText
    hash: Uri
    record_time: TimeText | None = None
    event_id: Uri | None = None
    error_declaration: ErrorDeclaration | None = None
    certification_info: Uris = ()
    action: Action | None = None
    # what
    epcs: Uris = ()
    quantities: Quantities = ()
    parent_id: Uri | None = None
    child_epcs: Uris = ()
    child_quantities: Quantities = ()
    input_epcs: Uris = ()
    input_quantities: Quantities = ()
    output_epcs: Uris = ()
    output_quantities: Quantities = ()
    transformation_id: Uri | None = None
    # why
    biz_step: Uri | None = None
    disposition: Uri | None = None
    persistent_disposition: PersistentDisposition | None = None
    biz_transactions: TypedList = ()
    sources: TypedList = ()
    destinations: TypedList = ()
    # where
    read_point: Place | None = None
    biz_location: Place | None = None
    # how
    sensors: Annotated[tuple[SensorElement, ...], Meta(max_length=MOST_ITEMS)] = ()
    ilmd: Extensions = ()  # instance and lot master data
    extensions: Extensions = ()
    context: Annotated[dict[str, str], Meta(max_length=64)] = {}
