"""Which twins an EPCIS event names, and the facts that are told to each: one per twin, all with the same event id.

The id is the CBV hash id of the event, so that an event captured twice, in JSON or XML, counts once. An error
declaration has the same hash as what it declares wrong; its id is `<hash>#error/<declaration time in UTC>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from connectors.epcis.documents import Refusal
from connectors.epcis.keys import HOST, canonical, key_of
from connectors.epcis.moments import hashed_moment, moment_at
from connectors.outgoing import BadLine, Entry
from schemas.epcis import EpcisEvent, Extension
from schemas.errors import InputError, InvalidFieldError, UsageError, printable
from schemas.events import LARGEST_RECORD, Event
from schemas.ids import check_id
from schemas.instants import Instant, format_instant

TYPE = "supply.scanned"
FAMILY = "supply"
LARGEST_EVENT = LARGEST_RECORD - 8192  # bytes of its data; leaves room for headers, as in connectors/jsonl.py
_GRAI_CLASS = 14  # digits of a GRAI without serial (GS1 General Specifications, application identifier 8003)
_ENCODE = msgspec.json.Encoder()


class Identification(Struct, frozen=True, forbid_unknown_fields=True):
    """How identifiers of events name twins.

    Parameters
    ----------
    network : str
        The network that all events of this capture belong to: key `network:<id>`. Empty: none.
    patient_fields : tuple of str
        Local names of fields of `ilmd` or extensions, at any depth, whose text is a chain of identity identifier.
    patient_prefixes : tuple of str
        Identifiers (of things or business transactions) that begin so name a patient by what follows.
    patient_keys, shipper_keys, room_keys : tuple of str
        GS1 application identifiers: 8018 is the GSRN of a recipient of care, 8003 a GRAI, 8004 a GIAI, 414 a GLN.
        Patients and shippers are sought among the things (parent, EPCs, children, inputs, outputs), rooms in read
        point and business location.
    twins : dict
        Exceptions and additions: identifier to key, such as `patient:COI-1`, or to nothing, which says that it names
        no twin. Canonical identifiers; `read_identification` makes any spelling so.
    """

    network: str = "main"
    patient_fields: tuple[str, ...] = ("chainOfIdentity", "coi")
    patient_prefixes: tuple[str, ...] = ("urn:coi:",)
    patient_keys: tuple[str, ...] = ("8018",)
    shipper_keys: tuple[str, ...] = ("8003", "8004")
    room_keys: tuple[str, ...] = ("414",)
    twins: dict[str, str] = {}


def read_identification(payload: bytes) -> Identification:
    """Read a table of identification (JSON). Raises UsageError where it cannot work."""
    try:
        table = msgspec.json.decode(payload, type=Identification)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"expected a table of identification in JSON, received {error}; see docs/supply_epcis.md"
        ) from None
    for identifier, key in table.twins.items():
        if key and key.partition(":")[0] not in ("patient", "shipper", "room", "network"):
            raise UsageError(
                f"expected patient:, shipper:, room: or network: and an id, received {key!r}, for {identifier!r}"
            )
    return msgspec.structs.replace(table, twins={canonical(name): key for name, key in table.twins.items()})


def open_identification(path: Path | None) -> Identification:
    """Read a table of identification from its file; without one the default. Raises UsageError."""
    if path is None:
        return Identification()
    try:
        return read_identification(path.read_bytes())
    except OSError as error:
        raise UsageError(f"expected a readable file, received {error.strerror}, for {path}; check the path") from None


def event_name(event: EpcisEvent) -> str:
    """Give the id under which an event is known: its hash id, marked where it declares an error."""
    if event.error_declaration is None:
        return event.hash
    return f"{event.hash}#error/{hashed_moment(event.error_declaration.declaration_time)}"


def named_twins(event: EpcisEvent, table: Identification) -> tuple[str, ...]:
    """Give the keys of the twins that an event names, each once: patients, shippers, rooms, then the network."""
    found: dict[str, None] = {}
    things = _things(event)
    by_field = [text for extension in (*event.ilmd, *event.extensions) for text in _coi(extension, table)]
    found.update((f"patient:{text}", None) for text in by_field)
    transactions = (each.id for each in event.biz_transactions)
    for identifier in (*things, *transactions):
        found.update((key, None) for key in _by_identifier(identifier, table, "patient", table.patient_keys))
    for identifier in things:
        found.update((key, None) for key in _by_identifier(identifier, table, "shipper", table.shipper_keys))
    for place in (event.read_point, event.biz_location):
        if place is not None:
            found.update((key, None) for key in _by_identifier(place.id, table, "room", table.room_keys))
    if table.network:
        found[f"network:{table.network}"] = None
    return tuple(found)


def facts_of(event: EpcisEvent, table: Identification, source: str, record_time: Instant) -> tuple[Event, ...]:
    """Make one fact per named twin, all with the same id.

    Parameters
    ----------
    source : str
        Who captured the event; with the id it names a duplicate.
    record_time : Instant
        When it was captured [us]; the event's own `recordTime` counts where it is earlier.

    Raises
    ------
    InputError
        If the event names no twin, is too large for a record, or an identifier is none that a twin can have.
    """
    keys = named_twins(event, table)
    if not keys:
        raise InvalidFieldError(
            expected="an event that names a patient, shipper or room",
            received="none",
            where="epcList",
            advice="name a network, or add its identifiers to the table of identification",
        )
    size = len(_ENCODE.encode(event))
    if size > LARGEST_EVENT:
        raise InvalidFieldError(
            expected=f"an event of at most {LARGEST_EVENT} bytes",
            received=f"{size} bytes",
            where="event",
            advice="capture its things in several events",
        )
    when = moment_at(event.event_time, "eventTime")
    known = record_time if event.record_time is None else min(record_time, moment_at(event.record_time, "recordTime"))
    name = check_id(event_name(event), "eventID")
    return tuple(
        Event(name, source, TYPE, check_id(key, "twin"), when, Instant(max(known, when)), event) for key in keys
    )


def entries_of(
    read: Iterable[EpcisEvent | Refusal], table: Identification, source: str, record_time: Instant
) -> Iterator[tuple[Entry, ...]]:
    """Make the entries of what was read, one tuple per event or refusal; never raises for bad input."""
    for n, each in enumerate(read):
        if isinstance(each, Refusal):
            yield (refused(each.error, source, f"{n}", record_time),)
            continue
        try:
            yield facts_of(each, table, source, record_time)
        except InputError as error:
            yield (refused(error, source, each.hash, record_time),)


def refused(error: InputError, source: str, name: str, near: Instant) -> BadLine:
    """Make the line that is rejected with the error's reason: it stands as the name of a field that no event has."""
    document = {
        "specversion": "1.0",
        "id": f"refused/{name}"[:128],
        "source": source,
        "type": TYPE,
        "subject": source,
        "time": format_instant(near),
        "data": {printable(str(error))[:600]: None},
    }
    return BadLine(msgspec.json.encode(document), source, near or None, FAMILY)


def _things(event: EpcisEvent) -> tuple[str, ...]:
    parent = () if event.parent_id is None else (event.parent_id,)
    lists = (event.quantities, event.child_quantities, event.input_quantities, event.output_quantities)
    classes = (each.epc_class for quantities in lists for each in quantities)
    return (*parent, *event.epcs, *event.child_epcs, *event.input_epcs, *event.output_epcs, *classes)


def _by_identifier(identifier: str, table: Identification, kind: str, keys: tuple[str, ...]) -> list[str]:
    link = canonical(identifier)
    if link in table.twins:
        key = table.twins[link]
        return [key] if key.startswith(f"{kind}:") else []
    if kind == "patient":
        for prefix in table.patient_prefixes:
            if identifier.startswith(prefix) and len(identifier) > len(prefix):
                return [f"patient:{identifier[len(prefix) :]}"]
    found = key_of(identifier)
    if found is None or found[0] not in keys:
        return []
    name = found[1]
    if found[0] == "8003" and len(name) <= _GRAI_CLASS:
        return []  # a type of asset, none of its pieces
    if kind == "room" and "/254/" in link:  # a room within a site is told by the extension of its GLN
        name = f"{name}.{link.removeprefix(HOST).split('/')[3]}"
    return [f"{kind}:{name}"]


def _coi(extension: Extension, table: Identification) -> Iterator[str]:
    local = extension.name.rpartition("}")[2]
    if local in table.patient_fields and isinstance(extension.value, str) and extension.value.strip():
        yield extension.value.strip()
    for each in extension.inner:
        yield from _coi(each, table)
