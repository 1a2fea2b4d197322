"""Alerts, rejects and corrections over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from schemas.instants import DAY
from streams.api.problems import ProblemError
from streams.api.services import Services, as_of, now, reply, services_of
from streams.ledger import reads_alerts

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


@router.get("/corrections", summary="Corrections of facts that the twins advise")
async def corrections() -> Response:
    """Empty, for the reason given."""
    return reply(
        {"items": [], "next": None, "reason": "no twin of this version advises corrections: bioreactors do not"}
    )
