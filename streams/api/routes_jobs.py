"""The re-simulation pool over HTTP: what waits, runs and was answered; a person's own question; an end to a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from schemas.instants import format_instant
from schemas.jobs import JobState, Priority
from streams.api.asking import Ended, Wish, ask, end, read_shape
from streams.api.ingest import read_body
from streams.api.job_watch import JobWatch
from streams.api.problems import ProblemError
from streams.api.services import Services, now, owner_of, reply, services_of
from streams.api.shapes import body_of
from streams.api.sse import RETRY_MS, check_room, streamed, write_event
from streams.jobs import reads
from streams.jobs.adopting import adoption_of

MOST_BODY_BYTES = 256 * 1024

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

With = Annotated[Services, Depends(services_of)]
Text = Annotated[str | None, Query(max_length=128)]


@router.get("", summary="A page of jobs")
async def jobs(
    services: With,
    state: Annotated[list[JobState] | None, Query(description="Only in these states.")] = None,
    twin_kind: Text = None,
    twin_key: Text = None,
    kind: Annotated[str | None, Query(max_length=64, description="Only of this engine.")] = None,
    tenant: Text = None,
    priority: Priority | None = None,
    order: Annotated[reads.Order, Query(description="The newest first, or in the order in which they run.")] = "newest",
    limit: Annotated[int, Query(ge=1, le=reads.LARGEST_PAGE)] = 100,
    cursor: Annotated[str | None, Query(max_length=600, description="`next` of the page before.")] = None,
) -> Response:
    """Without specification and answer. `order=next` gives what runs and waits, unless `state` says else."""
    query = reads.JobQuery(tuple(state or ()), twin_kind, twin_key, kind, tenant, priority, order, limit, cursor)
    async with services.reads.connection() as connection:
        page = await reads.list_jobs(connection, query)
    return reply({**page, "now": format_instant(now())})


@router.get("/summary", summary="The pool at a glance: queue, devices, cost, budgets")
async def summary(services: With) -> Response:
    """Counts by state, priority, kind and tenant; what ran and was spent within 24 h; device seconds left. It may be
    a second old, over a long queue some seconds."""
    return reply({**await services.glance.read(), "now": format_instant(now())})


@router.get("/stream", summary="Follow jobs as they move (server-sent events)")
async def job_stream(services: With) -> StreamingResponse:
    """First `present` with the progress of what runs and of the newest that wait, then a `job` for each that moved.

    A reader that was away, or too slow, gets `present` again; so there is no cursor. A `notice`
    `{"notice": "source", "trouble": text}` tells that the ledger is away, and with an empty text that it is back.
    """
    check_room(services.watch.listeners, services.config.stream_clients)
    return streamed(_events(services.watch, services.config.heartbeat_seconds))


@router.post("", summary="Ask for a re-simulation: a person's what-if", status_code=202, openapi_extra=body_of(Wish))
async def ask_job(
    request: Request, services: With, idempotency_key: Annotated[str | None, Header(max_length=64)] = None
) -> Response:
    """Body: `twin_kind`, `twin_key`, `spec`, `reason`, `asked_by`, and as wanted `priority`, `deadline`, `tenant`,
    `past_from`. The wish is appended to `resim.requests` and is durable with the answer; the pool takes it from there,
    and the engine checks the specification before it runs. A question about a run that names no batch in `spec.inputs`
    is about the run that goes on (409 where none does).

    Send it again with the same `Idempotency-Key` when in doubt: it is one job. The id is in `Location`; a wish that
    asks what a waiting job asks joins it, and has none of its own.
    """
    wish = read_shape(await read_body(request, MOST_BODY_BYTES), Wish)
    job = await ask(services, wish, idempotency_key, owner_of(request))
    return _accepted({"id": job}, job)


@router.post("/{job:path}/cancel", summary="End a job", status_code=202, openapi_extra=body_of(Ended))
async def cancel(request: Request, services: With, job: str) -> Response:
    """Body: `by` and `reason`, kept in the audit trail. A queued job ends at once, one that runs within seconds."""
    body = await read_body(request, MOST_BODY_BYTES)
    await end(services, job, read_shape(body, Ended), owner_of(request))
    return _accepted({"id": job}, job)


@router.get("/{job:path}/document", summary="A job's whole answer")
async def document(services: With, job: str) -> Response:
    """JSON, as the engine wrote it; as a file."""
    async with services.reads.connection() as connection:
        body = await reads.read_document(connection, job)
    if body is None:
        raise ProblemError(404, f"expected a job with an answer, received {job!r:.140}; it may not have ended yet")
    name = "".join(letter if letter.isalnum() else "-" for letter in job)
    return Response(
        body, media_type="application/json", headers={"Content-Disposition": f'attachment; filename="job-{name}.json"'}
    )


@router.get("/{job:path}", summary="One job with specification, answer and checkpoints")
async def job(services: With, job: str) -> Response:
    """`adoption` says whether the answer can still be adopted, and if not, why."""
    async with services.reads.connection() as connection:
        found = await reads.read_job(connection, job)
        if found is None:
            raise ProblemError(
                404,
                f"expected the id of a job, received {job!r:.140}; /api/v1/jobs lists them. A wish just sent is not"
                " there yet, and one that asks what another does may have joined that one",
            )
        return reply({**found, "adoption": await adoption_of(connection, job), "now": format_instant(now())})


async def _events(watch: JobWatch, heartbeat: float) -> AsyncIterator[bytes]:
    trouble = ""
    listener = watch.join()
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        while not listener.closed:
            pieces: list[bytes] = []
            if watch.trouble != trouble:
                trouble = watch.trouble
                pieces.append(write_event("notice", {"notice": "source", "trouble": trouble}))
            if listener.anew and watch.looked:
                listener.anew = False
                listener.take()
                pieces.append(write_event("present", watch.present()))
            pieces += [write_event("job", progress) for progress in listener.take()]
            if pieces:
                yield b"".join(pieces)
            if not await listener.wait(heartbeat):
                yield b": alive\n\n"
    finally:
        watch.leave(listener)


def _accepted(body: dict[str, str], job: str) -> Response:
    answer = reply(body, 202)
    answer.headers["Location"] = f"/api/v1/jobs/{job}"
    return answer
