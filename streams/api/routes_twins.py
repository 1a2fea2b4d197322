"""Twins over HTTP: many at a glance, one in full, its history and forecasts, now or as of a moment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from schemas.effects import Lane
from schemas.instants import DAY, Instant, format_instant
from streams.api.cursor import write_positions
from streams.api.problems import ProblemError
from streams.api.services import Services, as_of, now, optional_instant, reply, services_of
from streams.ledger import reads_history as history_of
from streams.ledger.reads import AsOf, Connection, input_topic_of
from streams.ledger.reads_golden import read_golden
from streams.ledger.reads_requests import read_requests
from streams.ledger.reads_twins import (
    LARGEST_PAGE,
    SPARSE,
    PageQuery,
    Sort,
    State,
    count_states,
    find_twin,
    list_twins,
    read_sparks,
    read_twin,
)

MOST_POINTS = 2000
MOST_SPARKS = 100
LONGEST_WINDOW_DAYS = 400
LONGEST_SPARSE_DAYS = 20 * 366  # of families that live on few facts; assumed: no study takes longer
Part = Literal["channels", "estimates", "innovations", "golden", "facts"]
PARTS: tuple[Part, ...] = ("channels", "estimates", "innovations", "golden", "facts")

router = APIRouter(prefix="/api/v1", tags=["twins"])

Kind = Annotated[str, Query(max_length=64, description="Twin kind, such as `bioreactor`.")]
Key = Annotated[str, Query(max_length=128, description="Twin key, such as a unit's name.")]
At = Annotated[str | None, Query(description="Event time to look at, RFC 3339; now if absent.")]
KnownAt = Annotated[str | None, Query(description="Look with what the log knew at this time, RFC 3339; now if absent.")]
With = Annotated[Services, Depends(services_of)]


@router.get("/twins", summary="A page of twins with their present state")
async def twins(
    services: With,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    q: Annotated[str, Query(max_length=128, description="Text in key, batch or phase.")] = "",
    state: Annotated[
        list[State] | None, Query(description="Only these states; `stale` includes stale ones with alerts.")
    ] = None,
    sort: Sort = "urgency",
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    cursor: Annotated[str | None, Query(max_length=600, description="`next` of the page before.")] = None,
) -> Response:
    """`counts` covers all twins that match `q`. `stream` is the cursor from which /stream goes on without a gap."""
    place = write_positions(services.hub.positions)
    query = PageQuery(services.stale_before(), kind, q, tuple(state or ()), sort, limit, cursor)
    async with services.reads.connection() as connection:
        page = await list_twins(connection, query)
        counts = await count_states(connection, query)
    return reply({**page, "counts": counts, "now": format_instant(now()), "stream": place})


@router.get("/sparks", summary="The recent course of some twins' biomass, coarsely")
async def sparks(
    services: With,
    kind: Kind,
    key: Annotated[list[str], Query()],
    points: Annotated[int, Query(ge=2, le=96)] = 40,
    hours: Annotated[float, Query(gt=0, le=10_000)] = 24.0,
) -> Response:
    """Columns of time [us] and biomass with its 90 % interval, by key."""
    if len(key) > MOST_SPARKS:
        raise ProblemError(400, f"expected at most {MOST_SPARKS} keys, received {len(key)}")
    async with services.reads.connection() as connection:
        return reply({"sparks": await read_sparks(connection, kind, key, points, hours)})


@router.get("/twins/{kind}/{key:path}", summary="One twin's state, now or as of a moment")
async def twin(services: With, kind: str, key: str, at: At = None, known_at: KnownAt = None) -> Response:
    """`at` compares event times, `known_at` when the log knew. `estimate` is null where nothing was believed yet."""
    place = write_positions(services.hub.positions)
    async with services.reads.connection() as connection:
        found = await read_twin(connection, kind, key, as_of(at, known_at), services.stale_before())
    if found is None:
        raise _nobody(kind, key)
    return reply({**found, "now": format_instant(now()), "stream": place})


@router.get("/history", summary="One twin's measured and estimated course, decimated")
async def history(
    services: With,
    kind: Kind,
    key: Key,
    at: At = None,
    known_at: KnownAt = None,
    start: Annotated[
        str | None, Query(description="From this event time on; the run that `at` lies in if absent.")
    ] = None,
    end: Annotated[str | None, Query(description="Up to this event time.")] = None,
    points: Annotated[int, Query(ge=2, le=MOST_POINTS, description="Buckets the window is cut into.")] = 400,
    part: Annotated[list[Part] | None, Query()] = None,
    tag: Annotated[list[str] | None, Query(description="Only these tags of the raw readings.")] = None,
) -> Response:
    """Series are columns; `t` is in microseconds since 1970 UTC. Each bucket of `channels` gives its least and its
    greatest value with the offset of the record; of `estimates` the last, with its effect id; of `golden` the score
    furthest out against its limits. `facts_before` holds what stood when the window began: the newest start of a
    batch, inoculation, phase, hold or resumption of the run before it."""
    moment = as_of(at, known_at)
    parts = part or PARTS
    async with services.reads.connection() as connection:
        twin_row = await _known(connection, kind, key)
        no, topic, partition = twin_row["no"], input_topic_of(kind), twin_row["partition"]
        window = await _window(connection, twin_row, moment, start, end, points)
        body: dict[str, object] = {"kind": kind, "key": key, "topic": topic, "partition": partition, "window": None}
        if window is None:
            return reply(body)
        body["window"] = {"start": window.start, "end": window.end, "bucket": window.bucket}
        if "channels" in parts:
            body["channels"] = await history_of.read_channels(connection, no, window, moment, tag or ())
        if "estimates" in parts:
            body["estimates"] = await history_of.read_estimates(connection, no, window, moment)
        if "innovations" in parts:
            body["innovations"] = await history_of.read_innovations(connection, no, window, moment)
        if "golden" in parts:
            body["golden"] = await read_golden(connection, no, window, moment)
        if "facts" in parts:
            body["facts"] = await history_of.read_facts(connection, no, window, moment, topic, partition)
            body["facts_before"] = await history_of.read_facts_before(connection, no, window, moment, topic, partition)
    return reply(body)


@router.get("/forecasts", summary="One twin's newest forecasts, as of a moment")
async def forecasts(
    services: With,
    kind: Kind,
    key: Key,
    at: At = None,
    known_at: KnownAt = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 1,
    lane: Annotated[
        Lane, Query(description="The twin's own forecasts, or those learned or simulated beside them.")
    ] = "qualified",
) -> Response:
    """Newest first. `data.values[quantity][i][j]` is quantile `data.quantiles[j]` at time `data.at[i]`."""
    async with services.reads.connection() as connection:
        twin_row = await _known(connection, kind, key)
        moment = as_of(at, known_at)
        return reply({"items": await history_of.read_forecasts(connection, twin_row["no"], moment, limit, lane)})


@router.get("/requests", summary="One twin's requests for a re-simulation, as of a moment")
async def requests(
    services: With,
    kind: Kind,
    key: Key,
    at: At = None,
    known_at: KnownAt = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Newest first, of `total`. `nth_that_day` counts a unit's requests in a day of UTC. `budget` is what the twins'
    configuration allows, as this service was given it; null where it has no triggers."""
    triggers = None if services.config.bioreactor is None else services.config.bioreactor.triggers
    async with services.reads.connection() as connection:
        twin_row = await _known(connection, kind, key)
        found = await read_requests(connection, twin_row["no"], as_of(at, known_at), limit)
    budget = None
    if kind == "bioreactor" and triggers is not None:
        budget = {"most_a_day": triggers.most_a_day, "cooldown_hours": triggers.cooldown_hours}
    return reply({**found, "budget": budget})


async def _window(
    connection: Connection, twin_row: dict[str, Any], moment: AsOf, start: str | None, end: str | None, points: int
) -> history_of.Window | None:
    run = await history_of.find_window(connection, twin_row["no"], moment)
    first, last = optional_instant(start, "start"), optional_instant(end, "end")
    if first is None:
        if run is None:
            return None
        first = run[0]
    if last is None:
        last = run[1] if run is not None and run[1] > first else now()
    if last < first:
        raise ProblemError(
            400, f"expected start before end, received {format_instant(first)} and {format_instant(last)}"
        )
    longest = LONGEST_SPARSE_DAYS if twin_row["kind"] in SPARSE else LONGEST_WINDOW_DAYS
    if last - first > longest * DAY:
        raise ProblemError(400, f"expected a window of at most {longest} days; ask for a shorter one")
    return history_of.Window(first, Instant(last), points)


# Any: a row of the ledger.
async def _known(connection: Connection, kind: str, key: str) -> dict[str, Any]:
    """Give the twin's place in the ledger, or answer 404."""
    row = await find_twin(connection, kind, key)
    if row is None:
        raise _nobody(kind, key)
    return row


def _nobody(kind: str, key: str) -> ProblemError:
    return ProblemError(
        404, f"expected a twin that was heard of, received {kind!r:.70}, {key!r:.140}; /api/v1/twins lists them"
    )
