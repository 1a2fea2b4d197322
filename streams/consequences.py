"""What one twin's effect means to another: an event on the family's own topic, by the same id wherever it is made."""

from __future__ import annotations

from schemas.effects import Effect
from schemas.events import Event
from schemas.instants import parse_instant


def told_of(effect: Effect) -> Event:
    """Make the event that a consequence is said as. Told twice, as after a crash, it has the same name: it counts once.

    Examples
    --------
    >>> data = {"subject": "patient:P1", "type": "supply.exposed", "data": {"room": "R1"}}
    >>> name, times = "supply.events/0/4/1", ("2026-01-05T10:00:00.000000Z", "2026-01-05T10:00:01.000000Z")
    >>> event = told_of(Effect(name, "consequence", "qualified", "supply", "room:R1", *times, "m", data))
    >>> event.source, event.id, event.subject
    ('twinstream/room:R1', 'supply.events/0/4/1', 'patient:P1')
    """
    data = effect.data
    return Event(
        id=effect.id,
        source=f"twinstream/{effect.key}",
        type=data["type"],
        subject=data["subject"],
        event_time=parse_instant(effect.event_time),
        record_time=parse_instant(effect.record_time),
        data=data["data"],
    )
