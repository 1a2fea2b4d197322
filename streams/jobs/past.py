"""What the ledger keeps of a twin, as a job asked for it: no later than what was known when it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from schemas.errors import SettingsError
from schemas.instants import instant_of
from schemas.topics import input_topic
from streams.ledger.connect import connect
from streams.ledger.memory import load_past
from twins.block import Memory, Wanted

MOST_PAST_BYTES = 64 << 20  # of one job: a twin's minutes of some weeks are a tenth of it
_NEWEST = (1 << 62) - 1


class Asks(Protocol):
    """A job: whose past it asked for, from when on, and up to which records `topic/partition/offset` it was known."""

    @property
    def twin_kind(self) -> str: ...
    @property
    def twin_key(self) -> str: ...
    @property
    def past_from(self) -> datetime | None: ...
    @property
    def inputs(self) -> Sequence[str]: ...


def read_past(uri: str, claimed: Asks) -> Sequence[Memory]:
    """Give a twin's minutes from `past_from` on, ascending, each as it was known at the request's own record.

    Raises
    ------
    SettingsError
        If they are more than an engine is handed.
    """
    if claimed.past_from is None:
        return ()
    wanted = Wanted(claimed.twin_key, instant_of(claimed.past_from), (), whole=True)
    with connect(uri, name="twinstream-jobs-past") as connection:
        past = load_past(connection, claimed.twin_kind, [wanted], known_before(claimed))
    rows = past[claimed.twin_key].inputs if claimed.twin_key in past else ()
    size = sum(len(row.body or b"") for row in rows)
    if size > MOST_PAST_BYTES:
        raise SettingsError(
            f"expected at most {MOST_PAST_BYTES} bytes of past, received {size}, for {claimed.twin_key}; "
            "ask from a later past_from"
        )
    return rows


def known_before(claimed: Asks) -> int:
    """Give the first offset of the twin's own topic that does not count; all do where the job names none."""
    topic = input_topic(claimed.twin_kind).name
    offsets = [int(place.rsplit("/", 1)[1]) for place in claimed.inputs if place.rsplit("/", 2)[0] == topic]
    return max(offsets) + 1 if offsets else _NEWEST
