"""Alerts, rejects and corrections over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from schemas.instants import DAY, MINUTE
from streams.alarm_report import report_document
from streams.api.problems import ProblemError
from streams.api.services import Services, as_of, now, optional_instant, reply, services_of
from streams.ledger import reads_alerts
from streams.ledger.reads_alarms import Positions, read_alarms
from streams.ledger.reads_corrections import Action, list_corrections
from twins.alarming import assess, period_of

LONGEST_PERIOD = 400 * DAY

router = APIRouter(prefix="/api/v1", tags=["alerts"])

With = Annotated[Services, Depends(services_of)]
OptionalKind = Annotated[str | None, Query(max_length=64, description="Only twins of this kind.")]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=600, description="`next` of the page before.")]


@router.get("/alerts", summary="Open alerts, all alert messages, or the alerts of one twin")
async def alerts(
    services: With,
    kind: OptionalKind = None,
    key: Annotated[str | None, Query(max_length=128, description="One twin; then `kind` is needed.")] = None,
    show: Literal["open", "messages"] = "open",
    at: str | None = None,
    known_at: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Without `key`: what stands open now (`show=open`), or every raise, update and clear, the newest first.

    With `kind` and `key`: that twin's alerts, open and cleared, as of `at` and `known_at`.
    """
    async with services.reads.connection() as connection:
        if key is not None:
            if kind is None:
                raise ProblemError(400, "expected `kind` beside `key`, received none")
            found = await reads_alerts.read_alerts_of(connection, kind, key, as_of(at, known_at))
            if found is None:
                raise ProblemError(404, f"expected a twin that was heard of, received {kind!r:.70}, {key!r:.140}")
            return reply({"items": found, "next": None})
        if at is not None or known_at is not None:
            raise ProblemError(
                400, "expected `kind` and `key` beside `at` or `known_at`; the alerts of all twins are shown as of now"
            )
        if show == "open":
            return reply(await reads_alerts.list_open_alerts(connection, kind, limit))
        return reply(await reads_alerts.list_alert_messages(connection, kind, limit, cursor))


@router.get("/alarms/kpis", summary="How well the alarms serve their operators: the ISA-18.2 and EEMUA 191 figures")
async def alarm_kpis(
    services: With,
    kind: OptionalKind = None,
    start: Annotated[str | None, Query(description="First event time; 30 days before the end if absent.")] = None,
    end: Annotated[str | None, Query(description="Event time at which the period ends; now if absent.")] = None,
    operators: Annotated[Positions, Query(description="One position for all units, or one for each.")] = "all",
    zone_minutes: Annotated[int, Query(ge=-840, le=840, description="Where days begin, in minutes from UTC.")] = 0,
) -> Response:
    """Each figure with its verdict, floods, the most frequent sources, and what stands at the end. Alerts that were
    suppressed count in none but their own. What the figures mean stands in docs/charts_and_alarms.md."""
    until = optional_instant(end, "end") or now()
    since = optional_instant(start, "start") or until - 30 * DAY
    if not MINUTE <= until - since <= LONGEST_PERIOD:
        raise ProblemError(400, f"expected a minute to {LONGEST_PERIOD // DAY} days, received a start of {start!r:.60}")
    async with services.reads.connection() as connection:
        records = await read_alarms(connection, kind, since, until, operators)
    period = period_of(since, until, zone_minutes)
    return reply(report_document(period, assess(records, period), records))


@router.get("/rejects", summary="What could not be used, and why")
async def rejects(
    services: With,
    kind: OptionalKind = None,
    hours: Annotated[float, Query(gt=0, le=24 * 400, description="How far back reasons are counted.")] = 24.0,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """`items` are reject effects, the newest first; the records themselves are on the topic's `.dlq` and `.late`."""
    async with services.reads.connection() as connection:
        page = await reads_alerts.list_rejects(connection, kind, limit, cursor)
        counts = await reads_alerts.count_rejects(connection, now() - round(hours * DAY / 24))
    return reply({**page, "counts": counts})


@router.get("/corrections", summary="What twins advise to put things right")
async def corrections(
    services: With,
    kind: OptionalKind = None,
    key: Annotated[str | None, Query(max_length=128, description="One twin; then `kind` is needed.")] = None,
    action: Annotated[Action | None, Query(description="Only these.")] = None,
    at: Annotated[str | None, Query(description="Only what was said by this event time, RFC 3339.")] = None,
    known_at: Annotated[str | None, Query(description="Only what the log knew at this time, RFC 3339.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Recommendations, decisions on them, and what became of them; the last known first. `twinstream explain` takes
    the `id` of one."""
    if key is not None and kind is None:
        raise ProblemError(400, "expected `kind` beside `key`, received none")
    async with services.reads.connection() as connection:
        found = await list_corrections(connection, kind, key, as_of(at, known_at), action, limit, cursor)
    if found is None:
        raise ProblemError(404, f"expected a twin that was heard of, received {kind!r:.70}, {key!r:.140}")
    return reply(found)
