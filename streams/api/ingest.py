"""Take events in over HTTP: each is checked and answered for itself, and a bad one never stops its neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from schemas.bioreactor import Reading
from schemas.errors import InputError, InvalidFieldError, MalformedError
from schemas.events import STRUCTURED, Event, family_of, read_structured, write_headers, write_value
from schemas.instants import format_instant
from schemas.placement import partition_of
from schemas.topics import FUTURE_TOLERANCE, TOPICS, Topic
from streams.api.ports import Row
from streams.api.problems import ProblemError
from streams.api.services import Services, now, reply, services_of
from twins.frame import channel_set

MOST_EVENTS = 10_000  # in one body
LINES = "application/x-ndjson"
BATCH = "application/cloudevents-batch+json"
FORMATS = (STRUCTURED, BATCH, "application/json", LINES)

router = APIRouter(prefix="/api/v1", tags=["ingest"])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": {"type": "object", "description": "One CloudEvents 1.0 event (structured JSON)."}},
            BATCH: {"schema": {"type": "array", "items": {"type": "object"}}},
            "application/json": {"schema": {"type": ["object", "array"]}},
            LINES: {"schema": {"type": "string", "description": "One event a line."}},
        },
    }
}


@dataclass(frozen=True, slots=True)
class _Good:
    """An event that may be appended, with its place in the body."""

    index: int
    event: Event
    topic: Topic


@router.post("/events", summary="Append events", openapi_extra=_BODY, status_code=202)
async def post_events(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    family: Annotated[
        str | None, Query(max_length=64, description="The twin family that a `time.passed` is meant for.")
    ] = None,
) -> Response:
    """Answer 202 if all were accepted, 207 if some were, 422 if none; each event has its own entry in `events`.

    An accepted event is durable, at the topic, partition and offset told. An event without `recordtime` gets the
    time of arrival. Send it again with the same `source` and `id` when in doubt: a duplicate changes nothing.
    """
    received_at = now()
    pieces = _split(await read_body(request, services.config.body_bytes), _format_of(request))
    good: list[_Good] = []
    entries: list[dict[str, Any]] = []
    for index, piece in enumerate(pieces):
        try:
            event = _check(read_structured(piece, received_at))
            good.append(_Good(index, event, _topic_of(event, family)))
            entries.append({"index": index, "id": event.id})
        except InputError as error:
            entries.append(
                {"index": index, "id": None, "status": "rejected", "reason": error.reason, "detail": str(error)}
            )
    await _append(services, good, entries)
    accepted, rejected = len(good), len(entries) - len(good)
    services.metrics.ingested.labels("accepted").inc(accepted)
    services.metrics.ingested.labels("rejected").inc(rejected)
    if not accepted:
        first = entries[0]["detail"] if entries else "expected at least one event, received none"
        raise ProblemError(422, first, accepted=0, rejected=rejected, events=entries)
    status = 207 if rejected else 202
    return reply({"accepted": accepted, "rejected": rejected, "events": entries}, status)


async def _append(services: Services, good: Sequence[_Good], entries: list[dict[str, Any]]) -> None:
    by_topic: defaultdict[str, list[_Good]] = defaultdict(list)
    for one in good:
        by_topic[one.topic.name].append(one)
    for name, some in by_topic.items():
        rows: list[Row] = []
        owners: list[int] = []
        for one in some:
            for row in _rows(one):
                rows.append(row)
                owners.append(one.index)
        offsets = await services.writer.append(name, rows)
        for (key, _, _, partition), index, offset in zip(rows, owners, offsets, strict=True):
            place = partition if partition is not None else partition_of(key, TOPICS[name].partitions)
            entries[index] |= {"status": "accepted", "topic": name, "partition": place, "offset": offset}


def _rows(one: _Good) -> list[Row]:
    """Give an event's rows: one, or for a `time.passed` that names no twin, one a partition."""
    value, headers = write_value(one.event), write_headers(one.event)
    if one.event.subject:
        return [(one.event.subject.encode(), value, headers, None)]
    return [(None, value, headers, partition) for partition in range(one.topic.partitions)]


def _check(event: Event) -> Event:
    """Refuse here, while the sender listens, what a twin would refuse later."""
    if event.event_time > event.record_time + FUTURE_TOLERANCE:
        raise InvalidFieldError(
            expected="an event time at most 5 min after its record time",
            received=f"{format_instant(event.event_time)} recorded at {format_instant(event.record_time)}",
            where=f"time of event {event.id}",
            advice="set the source's clock",
        )
    if isinstance(event.data, Reading):
        channel_set(tuple((channel.tag, channel.unit) for channel in event.data.channels))
    return event


def _topic_of(event: Event, family: str | None) -> Topic:
    name = f"{family if event.type == 'time.passed' else family_of(event.type)}.events"
    topic = TOPICS.get(name)
    if topic is None or not topic.framed:
        raise InvalidFieldError(
            expected="an event of a twin family",
            received=f"{event.type} for {family!r}",
            where="type",
            advice="say with `?family=bioreactor` whose time passed",
        )
    return topic


def _format_of(request: Request) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in FORMATS:
        raise ProblemError(415, f"expected a Content-Type of {', '.join(FORMATS)}, received {media[:80]!r}")
    return media


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body, and stop reading as soon as it is too large."""
    too_large = ProblemError(
        413, f"expected at most {limit} bytes, received more; send fewer events at once", {"Connection": "close"}
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit:
                raise too_large
            pieces.append(piece)
    except ClientDisconnect:
        raise ProblemError(400, "expected a whole body, the sender hung up before its end") from None
    return b"".join(pieces)


def _split(body: bytes, media: str) -> Sequence[bytes]:
    """Cut a body into events, each still unread."""
    if media == LINES:
        pieces = [line for line in body.splitlines() if line.strip()]
    elif body.lstrip()[:1] == b"[":
        try:
            pieces = [bytes(raw) for raw in _RAW_LIST.decode(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError(
                422, str(MalformedError(expected="a JSON array of events", received=str(error), where="body"))
            ) from None
    else:
        pieces = [body]
    if len(pieces) > MOST_EVENTS:
        raise ProblemError(413, f"expected at most {MOST_EVENTS} events, received {len(pieces)}; send fewer at once")
    return pieces
