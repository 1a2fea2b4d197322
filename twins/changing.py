"""A record that changes the configuration of a partition's twins: how it is written, and how it is found in a log.

It is handled before a frame is read: what reaches `twins/frame.py` was not approved, and is refused there.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import InputError
from schemas.events import Event, read_record, write_headers, write_value
from schemas.ids import event_hash
from schemas.instants import Instant
from schemas.partitions import OWNER_SOURCE, ConfigurationChanged
from twins.frame import Fact, Frame, RawRecord, known_at_of


class ChangeRow(NamedTuple):
    """A record to append: it has no key, for it concerns a whole partition."""

    value: bytes
    headers: list[tuple[str, bytes]]


def change_row(data: ConfigurationChanged, partition: int, now: int) -> ChangeRow:
    """Write the record of a change for one partition, at an instant [us].

    Examples
    --------
    >>> data = ConfigurationChanged(3, "growth@1+a", "growth@1+b", "0" * 64)
    >>> change_row(data, 2, 1_000_000).value[:13]
    b'{"change":3,"'
    """
    name = f"change-{data.change}-{partition}-{now}"
    event = Event(name, OWNER_SOURCE, "configuration.changed", "", Instant(now), Instant(now), data)
    return ChangeRow(write_value(event), write_headers(event))


def read_change(topic: str, partition: int, record: RawRecord) -> Frame | None:
    """Read a record as a frame of one change of configuration; None where it is something else."""
    if record.key:
        return None
    try:
        event = read_record(record.key, record.value, record.headers)
    except InputError:
        return None
    if type(event.data) is not ConfigurationChanged or event.event_time > event.record_time:
        return None
    fact = Fact(record.offset, known_at_of(record), event, event_hash(event.source, event.id))
    return Frame(topic, partition, record.offset, record.offset, [fact], [])


def changed_of(frame: Frame) -> ConfigurationChanged:
    """Give what a frame of `read_change` says."""
    data = frame.facts[0].event.data
    assert isinstance(data, ConfigurationChanged)
    return data
