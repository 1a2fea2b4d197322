"""What leaves when a job ends: its answer on `resim.results`, the twin's own event, a dead letter. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from schemas.effects import Effect, write_effect
from schemas.events import EVENTS, Event, write_headers
from schemas.instants import format_instant, instant_of
from schemas.jobs import PRIORITIES, Provenance, ResimulationRequest, ResimulationResult
from schemas.topics import TOPICS
from streams.jobs.content import facts_of, read_spec
from streams.jobs.engines import tells_twin
from streams.ledger.folded import Output

SOURCE = "twinstream/jobs"
RESULTS = "resim.results"
LETTERS = "resim.requests.dlq"
MOST_RESULT_BYTES = 256 << 10  # of an answer as it is sent: four times its summary, far below a record's bound

_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(ResimulationResult)


class Job(NamedTuple):
    """A job that ended, as `RETURNED` of `streams/jobs/rows.py` selects it."""

    no: int
    id: str
    twin_kind: str
    twin_key: str
    kind: str
    state: str
    tenant: str
    asked_by: str
    reasons: list[str]
    priority: int
    deadline: datetime | None
    spec: bytes
    content_hash: bytes
    inputs: list[str]
    past_from: datetime | None
    event_time: datetime
    place: str
    attempt: int
    failures: int
    device: str
    seconds: float
    error: str
    now: datetime


def unanswered(job: Job, status: Literal["failed", "cancelled"], error: str) -> bytes:
    """Write the answer of a job that found nothing."""
    provenance = Provenance(
        seed=read_spec(job.spec).seed,
        versions={},
        device=job.device,
        reproducibility="statistical",
        inputs=tuple(job.inputs),
        content_hash=job.content_hash.hex(),
        attempt=job.attempt,
        seconds=job.seconds,
    )
    return _ENCODE.encode(ResimulationResult(job.id, job.kind, status, provenance, error=error))


def repeated(result: bytes, job: str, source: str, facts: Sequence[str]) -> bytes:
    """Write an answer again, for another job that asked the same; its twin may stand elsewhere in the log."""
    found = _DECODE.decode(result)
    provenance = msgspec.structs.replace(found.provenance, cached_from=source, seconds=0.0, inputs=tuple(facts))
    return _ENCODE.encode(msgspec.structs.replace(found, job=job, provenance=provenance))


def messages(job: Job, result: bytes, *, to_twin: bool) -> list[Output]:
    """Make the messages of an answer: on `resim.results`, and for the twin where its kind knows the event.

    A twin hears what it asked itself; of what a person asked, only what twins read (`EngineEntry.tells_twin`): it would
    refuse the rest as not asked for.
    """
    found = [_message(job, RESULTS, "resim.result", result)]
    event, topic = f"{job.twin_kind}.resimulated", f"{job.twin_kind}.events"
    to_twin = to_twin and (bool(facts_of(job.id)) or tells_twin(job.kind))
    if to_twin and event in EVENTS and topic in TOPICS:
        found.append(_message(job, topic, event, result))
    return found


def dead_letter(job: Job) -> Output:
    """Make the dead letter of a job that failed for good: the request as it can be asked again, and why."""
    request = ResimulationRequest(
        spec=read_spec(job.spec),
        reason="; ".join(job.reasons)[:1000],
        priority=PRIORITIES[job.priority],
        deadline=None if job.deadline is None else format_instant(instant_of(job.deadline)),
        content_hash=job.content_hash.hex(),
        tenant=job.tenant,
        past_from=None if job.past_from is None else format_instant(instant_of(job.past_from)),
    )
    at, now = format_instant(instant_of(job.event_time)), format_instant(instant_of(job.now))
    effect = Effect(
        job.id, "request", "advisory", job.twin_kind, job.twin_key, at, now, job.asked_by,
        msgspec.to_builtins(request),
    )  # fmt: skip
    why = Refusal("failed", "a job that ends with an answer", job.error, "job", "see the error, then ask again")
    return letter(effect.id, job.twin_key.encode(), write_effect(effect), why, at, job.place)


class Refusal(NamedTuple):
    """Why a request is not answered: as a reject says it."""

    reason: str
    expected: str
    received: str
    where: str
    advice: str


def letter(name: str, key: bytes | None, value: bytes, why: Refusal, time: str, place: str) -> Output:
    """Make a dead letter, with the headers that those of the twins' own topics have.

    Parameters
    ----------
    place : str
        `topic/partition/offset` of the record; empty for what was not read from a topic.
    """
    topic, partition, offset = place.rsplit("/", 2) if place else ("", "", "")
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", name.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", b"twin.reject"),
        ("ce_time", time.encode()),
        *((f"reject_{field}", text.encode()) for field, text in why._asdict().items()),
        ("origin_topic", topic.encode()),
        ("origin_partition", partition.encode()),
        ("origin_offset", offset.encode()),
    ]
    return Output(name, LETTERS, key, value, headers)


def _message(job: Job, topic: str, kind: str, value: bytes) -> Output:
    event = Event(job.id, SOURCE, kind, job.twin_key, instant_of(job.event_time), instant_of(job.now), None)
    return Output(job.id, topic, job.twin_key.encode(), value, write_headers(event))
