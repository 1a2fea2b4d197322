"""Whether the API lives, whether it can serve, and how far the corridor behind it has come."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from schemas.errors import LogError
from schemas.instants import DAY, format_instant
from streams.api.services import Services, now, reply, services_of
from streams.ledger import reads_alerts, reads_health

router = APIRouter(tags=["health"])

With = Annotated[Services, Depends(services_of)]


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Response:
    """Answer 200 as long as requests are answered at all."""
    return reply({"ok": True})


@router.get("/readyz", summary="Whether the API can serve")
async def readyz(services: With) -> Response:
    """Answer 503 while the ledger or the topic log does not answer, with which of them and why."""
    checks: dict[str, str] = {"ledger": "", "log": services.hub.trouble}
    try:
        async with services.reads.connection() as connection:
            if not await reads_health.has_shape(connection):
                checks["ledger"] = "the database answers but has no ledger yet; a worker makes it"
    except (psycopg.Error, PoolTimeout) as error:
        checks["ledger"] = f"the database does not answer ({type(error).__name__})"
    ok = not any(checks.values())
    return reply({"ok": ok, "checks": {name: trouble or "ok" for name, trouble in checks.items()}}, 200 if ok else 503)


@router.get("/metrics", summary="Counters for Prometheus")
async def metrics(services: With) -> Response:
    """Give all counters of this process, and what the job ledger holds."""
    await services.metrics.jobs.refresh(services.glance)
    return Response(generate_latest(services.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/api/v1/status", summary="How far each partition is applied, and what was set aside")
async def status(services: With) -> Response:
    """`lag` counts records in the log that are not in the ledger yet; null where the log does not answer."""
    async with services.reads.connection() as connection:
        applied = await reads_health.read_applied(connection)
        trouble = await reads_health.read_trouble(connection)
        rejects = await reads_alerts.count_rejects(connection, now() - DAY)
    ends: dict[str, dict[int, int]] = {}
    log_trouble = services.hub.trouble
    for topic in {row["topic"] for row in applied}:
        try:
            ends[topic] = await services.reader.ends(topic)
        except (LogError, OSError, psycopg.Error) as error:
            log_trouble = log_trouble or f"the topic log does not answer ({type(error).__name__})"
    partitions: list[dict[str, Any]] = []
    for row in applied:
        end = ends.get(row["topic"], {}).get(row["partition"])
        partitions.append({**row, "end": end, "lag": None if end is None else max(0, end - row["next_offset"])})
    lags = [one["lag"] for one in partitions if one["lag"] is not None]
    return reply(
        {
            "now": format_instant(now()),
            "lag": sum(lags) if lags or not partitions else None,
            "partitions": partitions,
            "rejects": rejects,
            "log": log_trouble or "ok",
            **trouble,
        }
    )
