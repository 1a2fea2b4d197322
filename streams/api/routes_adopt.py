"""Take over what a re-simulation found: a person's command, as an event of the twin's own topic."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from msgspec import Struct
from starlette.responses import Response

from schemas.bioreactor import EstimateAdopted
from schemas.events import EVENTS, Event, write_headers, write_value
from schemas.fields import Name, Reason
from schemas.ids import check_id
from schemas.instants import format_instant, parse_instant
from schemas.topics import FUTURE_TOLERANCE
from streams.api.asking import present_of, read_shape
from streams.api.ingest import read_body
from streams.api.problems import ProblemError
from streams.api.services import Services, now, owner_of, reply, services_of
from streams.api.shapes import body_of
from streams.jobs.adopting import adoption_of
from streams.jobs.reads import read_job
from streams.ledger.reads import input_topic_of
from streams.ledger.reads_twins import find_twin

MOST_BODY_BYTES = 16 * 1024
SOURCE = "twinstream/api"

router = APIRouter(prefix="/api/v1", tags=["jobs"])


class Adoption(Struct, frozen=True, forbid_unknown_fields=True):
    """Which answer is taken over, by whom, why; from which event time on.

    Without `time` that is now, or the newest event time of a twin whose record ends more than BEHIND before.
    """

    job: Name
    by: Name
    reason: Reason
    time: str | None = None


@router.post(
    "/twins/{kind}/{key:path}/adopt",
    summary="Adopt a re-estimation in the qualified lane",
    status_code=202,
    openapi_extra=body_of(Adoption),
)
async def adopt(request: Request, services: Annotated[Services, Depends(services_of)], kind: str, key: str) -> Response:
    """Body: `job`, `by`, `reason`, and `time` if it is to hold from another time on than now, or than the newest of a
    twin whose record ends more than ten minutes ago, as that of a replayed run. Appends `estimate_adopted` to the
    twin's topic; from then on its qualified lane believes the parameters found.

    409 where the run moved on, a newer answer came, or it was adopted. Sent again it is the same event.
    """
    services.pace.check(owner_of(request))
    asked = read_shape(await read_body(request, MOST_BODY_BYTES), Adoption)
    async with services.reads.connection() as connection:
        twin = await find_twin(connection, kind, key)
        job = await read_job(connection, asked.job)
        standing = await adoption_of(connection, asked.job)
    event = _event_of(kind, key, asked, twin)
    if job is None or standing is None or (job["twin_kind"], job["twin_key"]) != (kind, key):
        raise ProblemError(404, f"expected a job of {key!r:.140}, received {asked.job!r:.140}; /api/v1/jobs lists them")
    if not standing.allowed and not standing.adopted:
        raise ProblemError(409, f"expected an answer that can be adopted: {standing.why}")
    if not standing.adopted:
        topic = input_topic_of(kind)
        assert topic is not None  # _event_of looked
        await services.writer.append(topic, [(key.encode(), write_value(event), write_headers(event), None)])
    return reply({"id": event.id, "job": asked.job, "time": format_instant(event.event_time)}, 202)


# Any: a row of the ledger.
def _event_of(kind: str, key: str, asked: Adoption, twin: dict[str, Any] | None) -> Event:
    name = f"{kind}.estimate_adopted"
    if name not in EVENTS or input_topic_of(kind) is None:
        raise ProblemError(404, f"expected a twin that can adopt an answer: a bioreactor; received {kind!r:.80}")
    at = now()
    time = present_of(twin, at) if asked.time is None else parse_instant(asked.time, "time")
    if time > at + FUTURE_TOLERANCE:
        raise ProblemError(422, f"expected a time that has come, received {asked.time!r:.40}; leave it out for now")
    data = EstimateAdopted(asked.job, asked.by, asked.reason)
    return Event(check_id(f"adopt/{asked.job}", "job"), SOURCE, name, check_id(key, "key"), time, at, data)
