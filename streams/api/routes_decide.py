"""Decide on what a twin advises: a person's word, as an event of the twin's own topic."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from schemas.enrollment import CorrectionDecided
from schemas.events import EVENTS, Event, write_headers, write_value
from schemas.ids import check_id
from schemas.instants import Instant, format_instant, parse_instant
from streams.api.asking import present_of, read_shape
from streams.api.ingest import read_body
from streams.api.problems import ProblemError
from streams.api.services import Services, now, owner_of, reply, services_of
from streams.api.shapes import body_of
from streams.ledger.reads import input_topic_of
from streams.ledger.reads_recommendation import find_recommendation
from streams.ledger.reads_twins import find_twin

MOST_BODY_BYTES = 16 * 1024
SOURCE = "twinstream/api"
NAME_CHARS = 32  # of the hash that names a decision

router = APIRouter(prefix="/api/v1", tags=["twins"])


@router.post(
    "/twins/{kind}/{key:path}/decide",
    summary="Decide on a recommendation",
    status_code=202,
    openapi_extra=body_of(CorrectionDecided),
)
async def decide(
    request: Request, services: Annotated[Services, Depends(services_of)], kind: str, key: str
) -> Response:
    """Body: `correction` (as the recommendation names itself), `decision` (`taken`, `declined`, `overridden`), `by`,
    `reason`; of an override what is done instead (`option`) and until when it holds (`expires`).

    Appends `correction_decided` to the twin's topic. Sent again word for word it is the same event; another word is
    another decision, and the newest stands. 404 where the twin never gave that recommendation.
    """
    services.pace.check(owner_of(request))
    decided = read_shape(await read_body(request, MOST_BODY_BYTES), CorrectionDecided)
    topic = input_topic_of(kind)
    if topic is None or f"{kind}.correction_decided" not in EVENTS:
        raise ProblemError(
            404, f"expected a twin that advises corrections: of kind enrollment or supply; received {kind!r:.80}"
        )
    async with services.reads.connection() as connection:
        twin = await find_twin(connection, kind, key)
        known = None if twin is None else await find_recommendation(connection, twin["no"], decided.correction)
    if twin is None or known is None:
        raise ProblemError(
            404,
            f"expected a recommendation of {key!r:.140}, received {decided.correction!r:.140}; /api/v1/corrections "
            "lists them",
        )
    event = _event_of(kind, key, decided, twin)
    await services.writer.append(topic, [(key.encode(), write_value(event), write_headers(event), None)])
    return reply({"id": event.id, "correction": decided.correction, "time": format_instant(event.event_time)}, 202)


# Any: a row of the ledger.
def _event_of(kind: str, key: str, decided: CorrectionDecided, twin: dict[str, Any]) -> Event:
    at = now()
    time = present_of(twin, at)
    _check_override(decided, time)
    body = msgspec.json.encode([key, decided], order="sorted")
    name = f"decide/{hashlib.sha256(body).hexdigest()[:NAME_CHARS]}"
    return Event(check_id(name, "id"), SOURCE, f"{kind}.correction_decided", check_id(key, "key"), time, at, decided)


def _check_override(decided: CorrectionDecided, time: Instant) -> None:
    """Refuse an override that does not say what is done instead, or until when."""
    if decided.decision != "overridden":
        return
    if not decided.option or decided.expires is None:
        raise ProblemError(422, "expected `option` and `expires` of an override, received neither or one of them")
    if parse_instant(decided.expires, "expires") <= time:
        raise ProblemError(
            422,
            f"expected `expires` after the study's present, {format_instant(time)}, received {decided.expires!r:.40}",
        )
