"""Lineage over HTTP: what a thing came from, what it went into, whom it can have harmed."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from schemas.errors import LogError
from streams.api import lineage_answers as answers
from streams.api.problems import ProblemError
from streams.api.services import Services, optional_instant, reply, services_of
from streams.ledger import reads_lineage as reads
from streams.ledger.lineage import trace_async
from streams.lineage.export import write_csv, write_prov
from streams.lineage.kinds import BEGINNING, FOREVER, KIND_NO, TYPE_NO, numbers_of
from streams.lineage.trace import DEPTH, FAN_OUT, MOST_NODES, Question

router = APIRouter(prefix="/api/v1", tags=["lineage"])

MOST_EXPORTED = 100_000  # edges of one file
MOST_IDS = 100

With = Annotated[Services, Depends(services_of)]
Id = Annotated[str, Query(min_length=1, max_length=512, description="The thing's id, as its events name it.")]
Ids = Annotated[list[str], Query(alias="ids", description="One thing's id; several: repeat it.")]
Direction = Literal["back", "forward"]
Depth = Annotated[int, Query(ge=1, le=1000, description="Edges in a row, at most.")]
Names = Annotated[str | None, Query(max_length=500, description="Only these, separated by commas.")]
Time = Annotated[str | None, Query(max_length=60, description="RFC 3339.")]
Limit = Annotated[int, Query(ge=1, le=100_000)]
FanOut = Annotated[int, Query(ge=1, le=MOST_NODES, description="Edges of one thing, at most; the earliest.")]


def _question(
    direction: Direction,
    since: str | None,
    at: str | None,
    known_at: str | None,
    *,
    depth: int = DEPTH,
    kinds: str | None = None,
    fan_out: int = FAN_OUT,
) -> Question:
    first, last = optional_instant(since, "since"), optional_instant(at, "at")
    known = optional_instant(known_at, "known_at")
    if first is not None and last is not None and first > last:
        raise ProblemError(400, f"expected since <= at, received {since!r:.60} and {at!r:.60}")
    return Question(
        direction,
        BEGINNING if first is None else first,
        FOREVER - 1 if last is None else last,
        FOREVER - 1 if known is None else known,
        depth,
        _numbers(kinds, KIND_NO, "kinds"),
        fan_out=fan_out,
    )


def _numbers(names: str | None, among: dict[str, int], where: str) -> tuple[int, ...]:
    return numbers_of(tuple(one.strip() for one in names.split(",")), among, where) if names else ()


def _several(ids: list[str], fewest: int) -> list[str]:
    keys = list(dict.fromkeys(ids))
    if not fewest <= len(keys) <= MOST_IDS or any(not 0 < len(key) <= 512 for key in keys):
        raise ProblemError(400, f"expected {fewest} to {MOST_IDS} ids of 1 to 512 characters, received {len(keys)} ids")
    return keys


@router.get("/lineage/status", summary="How far the lineage has read its topics")
async def lineage_status(services: With) -> Response:
    """`behind` counts records in the log that are not in the graph yet; null where the log does not answer."""
    async with services.reads.connection() as connection:
        applied = await reads.applied(connection)
    ends: dict[str, dict[int, int]] = {}
    for topic in {row["topic"] for row in applied}:
        with suppress(LogError, OSError, psycopg.Error):
            ends[topic] = await services.reader.ends(topic)
    partitions = []
    for row in applied:
        end = ends.get(row["topic"], {}).get(row["partition"])
        partitions.append({**row, "end": end, "behind": None if end is None else max(0, end - row["next_offset"])})
    waiting = [one["behind"] for one in partitions if one["behind"] is not None]
    return reply({"behind": sum(waiting) if waiting or not partitions else None, "partitions": partitions})


@router.get("/lineage/diff", summary="What later knowledge changed in a thing's lineage")
async def lineage_diff(
    services: With,
    id: Id,
    known_before: Time,
    known_after: Time = None,
    direction: Direction = "back",
    at: Time = None,
    depth: Depth = DEPTH,
    kinds: Names = None,
    limit: Limit = 1000,
) -> Response:
    """What was reached as known at `known_after` (now if absent) against `known_before`: late events, corrections."""
    question = _question(direction, None, at, known_after, depth=depth, kinds=kinds)
    before = optional_instant(known_before, "known_before")
    if before is None:
        raise ProblemError(400, "expected a time in known_before, received none")
    async with services.reads.connection() as connection:
        (start,) = await answers.start_of(connection, [id])
        found = await answers.difference(connection, start, question, before, question.known_at, limit)
    return reply(found)


@router.get("/lineage/export", summary="A thing's lineage as a file: PROV-JSON or CSV")
async def lineage_export(
    services: With,
    id: Id,
    form: Literal["prov", "csv"] = "prov",
    direction: Direction = "back",
    since: Time = None,
    at: Time = None,
    known_at: Time = None,
    depth: Depth = DEPTH,
    kinds: Names = None,
) -> Response:
    """All edges among what is reached. `X-Truncated: true` if a bound was met."""
    question = _question(direction, since, at, known_at, depth=depth, kinds=kinds)
    async with services.reads.connection() as connection:
        (start,) = await answers.start_of(connection, [id])
        reached = await trace_async(connection, question, [start.no])
        edges, known, more = await reads.edges_among(connection, reached, MOST_EXPORTED)
    headers = {"X-Truncated": "true" if more or reached.truncated else "false"}
    if form == "csv":
        return Response(write_csv(edges), 200, headers, "text/csv; charset=utf-8")
    answer = reply(write_prov([(node.key, node.type) for node in known.values()], edges))
    answer.headers.update(headers)
    return answer


@router.get("/lineage/{id:path}", summary="What a thing came from (back) or went into (forward)")
async def lineage(
    services: With,
    id: str,
    direction: Direction = "back",
    depth: Depth = DEPTH,
    types: Names = None,
    kinds: Names = None,
    since: Time = None,
    at: Time = None,
    known_at: Time = None,
    fan_out: FanOut = FAN_OUT,
    paths: bool = False,
    limit: Limit = 500,
) -> Response:
    """Along paths in time order: what left a lot before trouble entered it is not reached from the trouble.

    `since` and `at` bound the time of the path; equal, they ask what held at that instant. `types` chooses what is
    listed, `kinds` which edges are followed. `truncated` is true where a bound was met, and `limits` says which.
    """
    question = _question(direction, since, at, known_at, depth=depth, kinds=kinds, fan_out=fan_out)
    async with services.reads.connection() as connection:
        (start,) = await answers.start_of(connection, [id])
        listed = _numbers(types, TYPE_NO, "types")
        return reply(await answers.lineage(connection, start, question, listed, limit, paths))


@router.get("/where-used", summary="Where a lot, a unit or a piece of equipment was used")
async def where_used(
    services: With,
    id: Id,
    types: Names = "unit,batch,shipment,patient",
    depth: Depth = DEPTH,
    since: Time = None,
    at: Time = None,
    known_at: Time = None,
    limit: Limit = 500,
) -> Response:
    """Forward from one thing, as `/lineage`; lists units, batches, shipments and patients unless `types` says else."""
    question = _question("forward", since, at, known_at, depth=depth)
    async with services.reads.connection() as connection:
        (start,) = await answers.start_of(connection, [id])
        listed = _numbers(types, TYPE_NO, "types")
        return reply(await answers.lineage(connection, start, question, listed, limit, False))


@router.get("/impact", summary="What to hold, for which patient, at which site, and why")
async def impact(
    services: With,
    ids: Ids,
    since: Time = None,
    at: Time = None,
    known_at: Time = None,
    depth: Depth = DEPTH,
    limit: Limit = 1000,
) -> Response:
    """Trouble was in `ids` from `since` on. Each patient with the units to hold where they are, and one path with the
    events that it rests on (for the first 500). A patient whose units are at several places stands at each."""
    question = _question("forward", since, at, known_at, depth=depth)
    async with services.reads.connection() as connection:
        starts = await answers.start_of(connection, _several(ids, 1))
        return reply(await answers.impact(connection, starts, question, limit))


@router.get("/common-cause", summary="What several things have in common upstream")
async def common_cause(
    services: With,
    ids: Ids,
    at: Time = None,
    known_at: Time = None,
    depth: Depth = DEPTH,
    limit: Limit = 100,
) -> Response:
    """What all of `ids` come from, in time order; what they shared last stands first."""
    question = _question("back", None, at, known_at, depth=depth)
    async with services.reads.connection() as connection:
        starts = await answers.start_of(connection, _several(ids, 2))
        return reply(await answers.common_cause(connection, starts, question, limit))
