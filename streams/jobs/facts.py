"""Up to where a twin's facts are known when somebody else asks about it: what its worker has folded by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from schemas.placement import partition_of
from schemas.topics import TOPICS
from streams.jobs.checking import Checked


def note_facts(connection: psycopg.Connection[Any], checked: Sequence[Checked]) -> None:
    """Note for each request of a person the newest record of its twin's partition that is in the ledger, in place.

    A twin's own request names its record itself. A question about what is no twin's, or about one whose partition
    was never folded, keeps none.
    """
    asked = [(one, place) for one in checked if not one.facts and (place := _partition_of(one)) is not None]
    if not asked:
        return
    rows = connection.execute(
        "select topic, partition, next_offset from applied where next_offset > 0 and topic = any(%s)",
        (sorted({topic for _, (topic, _) in asked}),),
    ).fetchall()
    newest = {(topic, partition): f"{topic}/{partition}/{after - 1}" for topic, partition, after in rows}
    for one, place in asked:
        one.facts = (newest[place],) if place in newest else ()


def _partition_of(one: Checked) -> tuple[str, int] | None:
    topic = TOPICS.get(f"{one.asked.twin_kind}.events")
    return None if topic is None else (topic.name, partition_of(one.asked.twin_key.encode(), topic.partitions))
