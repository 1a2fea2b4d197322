"""What is said of a record that is not used."""

from __future__ import annotations

from typing import Any

from schemas.errors import InputError
from twins.frame import Fact, Refused


def reject_data(refused: Refused, topic: str, partition: int) -> dict[str, Any]:
    """Say why a record, or one channel of it, was not used: the shape is `schemas.effects.RejectData`."""
    return {
        "reason": refused.reason,
        "expected": refused.expected,
        "received": refused.received,
        "where": refused.where,
        "advice": refused.advice,
        "topic": topic,
        "partition": partition,
        "offset": refused.offset,
    }


def refused_of(fact: Fact, error: InputError) -> Refused:
    """Make the refusal of a fact that could be read and cannot be used."""
    event = fact.event
    return Refused(
        fact.offset, fact.known_at, event.subject, event.event_time, event.record_time,
        error.reason, error.expected, error.received, error.where, error.advice,
    )  # fmt: skip


class DuplicateError(InputError):
    reason = "duplicate"


def duplicate_of(fact: Fact) -> InputError:
    """Give the refusal of a fact that was folded before."""
    return DuplicateError(
        expected="a fact not folded before",
        received=f"event {fact.event.id} of {fact.event.source} again",
        where=fact.event.subject,
        advice="nothing to do: it counts once",
    )
