"""Where the dispatcher stands in its topic, and the one transaction that takes records in and moves on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from streams.jobs.answers import Refusal, letter
from streams.jobs.ports import Asked
from streams.jobs.queue_bounds import QueueBounds
from streams.jobs.submitting import Submission, submit
from streams.ledger.folded import Output

Connection = psycopg.Connection[Any]
MOST_LETTER_BYTES = 1 << 20  # of an original in its dead letter; of a larger one nothing is kept


class MovedError(Exception):
    """Another dispatcher has taken these records in."""


@dataclass(slots=True)
class Original:
    """One record that was read: the request in it, or why there is none."""

    offset: int
    key: bytes | None
    value: bytes
    time: str  # RFC 3339, when the log knew it
    found: Asked | Refusal


@dataclass(slots=True)
class Intake:
    """What was read of one partition, from where it stood up to `next_offset`."""

    topic: str
    partition: int
    offset: int
    next_offset: int
    originals: list[Original] = field(default_factory=list)


def positions(connection: Connection, topic: str, beginnings: Mapping[int, int]) -> dict[int, int]:
    """Give where each partition is to be read from; new ones begin where the log does."""
    for partition, first in sorted(beginnings.items()):
        connection.execute(
            "insert into job_intake (topic, partition, next_offset) values (%s, %s, %s) on conflict do nothing",
            (topic, partition, first),
        )
    rows = connection.execute("select partition, next_offset from job_intake where topic = %s", (topic,)).fetchall()
    return dict(rows)


def take(connection: Connection, intake: Intake, bounds: QueueBounds) -> Submission:
    """Move on, take requests in, write dead letters; all in the caller's transaction.

    Raises
    ------
    MovedError
        If another dispatcher moved on first; nothing may be committed then.
    """
    moved = connection.execute(
        "update job_intake set next_offset = %s where topic = %s and partition = %s and next_offset = %s",
        (intake.next_offset, intake.topic, intake.partition, intake.offset),
    )
    if moved.rowcount != 1:
        raise MovedError
    asked = [one.found for one in intake.originals if isinstance(one.found, Asked)]
    said = submit(connection, asked, bounds) if asked else Submission()
    refused = {one.id: one.why for one in said.taken if one.outcome == "refused"}
    said.outputs += _letters(intake, refused)
    return said


def _letters(intake: Intake, refused: Mapping[str, str]) -> Sequence[Output]:
    found = []
    for one in intake.originals:
        if isinstance(one.found, Refusal):
            why = one.found
        elif one.found.id in refused:
            why = Refusal("refused", "a request that can be taken in", refused[one.found.id], "request", "")
        else:
            continue
        place = f"{intake.topic}/{intake.partition}/{one.offset}"
        value = one.value if len(one.value) <= MOST_LETTER_BYTES else b""
        found.append(letter(place, one.key, value, why, one.time, place))
    return found
