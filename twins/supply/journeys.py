"""How events become facts of a journey (`twins/supply/identity`): what of a scan concerns identity and custody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern
from typing import Any

from schemas import supply as s
from schemas.epcis import EpcisEvent, Extension, Typed
from schemas.events import Event
from schemas.instants import HOUR
from twins.supply import identity as i

# What an EPCIS event says of identities and signatures has no field of the standard: extensions of any namespace with
# these local names are read, and GS1's own sources and destinations.
READ = {"coiBag": "bag", "coiOrder": "order", "coiWristband": "wristband", "coiLabel": "label"}
RELEASED_BY, RECEIVED_BY = "releasedBy", "receivedBy"
PARTY = "possessing_party"


def facts_of(event: Event, coi: str) -> list[i.Fact]:
    """Give the journey's facts that an event says: none of one that does not concern identity or custody.

    Parameters
    ----------
    event : Event
        Of a patient's twin.
    coi : str
        The patient's chain-of-identity identifier.
    """
    data = event.data
    if isinstance(data, EpcisEvent):
        return [_scan(event, data, coi)]
    if isinstance(data, s.FactWithdrawn):
        name = f"{event.source} {event.id} withdraws"
        return [i.Scan(source=data.fact.source, id=name, at=event.event_time, known_at=event.record_time,
                       voids=data.fact.id, step="")]  # fmt: skip
    said = _said(event, data)
    if isinstance(data, s.TherapyOrdered):
        return [i.Ordered(**said, coi=coi, workflow=data.workflow, product=data.product, order=data.order,
                          site=data.site)]  # fmt: skip
    if isinstance(data, s.IdentityRead):
        read = {word: text for word in ("bag", "order", "wristband", "label") if (text := getattr(data, word))}
        units = (data.unit,) if data.unit else ()
        return [i.Scan(**said, step=data.step, units=units, place=data.place, read=read)]
    if isinstance(data, s.HandedOver):
        return [i.Handover(**said, step=data.step, half=data.half, party=data.by, units=data.units, place=data.place)]
    if isinstance(data, s.LabelsCounted):
        return [i.Labels(**said, type=data.label, place=data.place, received=data.received, used=data.used,
                         passed_on=data.passed_on, destroyed=data.destroyed)]  # fmt: skip
    if isinstance(data, s.Dispositioned):
        return [i.Disposition(**said, status=data.disposition, by=tuple(data.by.split("; ")))]
    if isinstance(data, s.ShipperPacked):
        hold = event.event_time + round(data.hold_hours * HOUR)
        return [i.ShipperPacked(**said, shipper=data.model, hold_until=hold)]
    if isinstance(data, s.UnitOpened):
        return [i.Opened(**said, workcell=data.room, unit=data.unit, coi=data.patient)]
    if isinstance(data, s.UnitClosed):
        return [i.Closed(**said, workcell=data.room, unit=data.unit, coi=data.patient)]
    if isinstance(data, s.StopDecided):
        return [i.Decided(**said, violation=data.stop, by=data.by, reason=data.reason)]
    return []


def _said(event: Event, data: Any) -> dict[str, Any]:  # Any: any of the structs
    """Give what every fact has. A fact that replaces another of another source is told under that source's name."""
    named = getattr(data, "supersedes", None)
    source, name = event.source, event.id
    if named is not None and named.source != source:
        source, name = named.source, f"{event.source} {event.id}"
    return {
        "source": source, "id": name, "at": event.event_time, "known_at": event.record_time,
        "corrects": "" if named is None else named.id,
    }  # fmt: skip


def _scan(event: Event, data: EpcisEvent, coi: str) -> i.Scan:
    """Read a scan. An error declaration voids the event whose hash it has.

    Words that most scans have in common are kept once: there are many scans.
    """
    extensions = list(_flat((*data.extensions, *data.ilmd)))
    read = {READ[local]: coi if value == coi else value for local, value in extensions if local in READ}
    told = dict(extensions)
    place = data.biz_location or data.read_point
    return i.Scan(
        source=intern(event.source), id=event.id, at=event.event_time, known_at=event.record_time,
        voids=data.hash if data.error_declaration is not None else "",
        step=intern(data.biz_step or "sensor_reporting"), action=intern(data.action or "OBSERVE"),
        units=data.epcs, parent=data.parent_id or "", children=data.child_epcs, inputs=data.input_epcs,
        outputs=data.output_epcs, place="" if place is None else intern(place.id), read=read,
        releaser=intern(told.get(RELEASED_BY, "") or _party(data.sources)),
        receiver=intern(told.get(RECEIVED_BY, "") or _party(data.destinations)),
        disposition=intern(data.disposition or ""),
    )  # fmt: skip


def _party(named: Iterable[Typed]) -> str:
    return next((one.id for one in named if one.type == PARTY), "")


def _flat(extensions: Iterable[Extension]) -> Iterator[tuple[str, str]]:
    """Give the texts of extension fields by their local names, inner ones too."""
    for one in extensions:
        if isinstance(one.value, str):
            yield one.name.rpartition("}")[2], one.value
        yield from _flat(one.inner)
