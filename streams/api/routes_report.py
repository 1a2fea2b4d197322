"""The run report over HTTP: the same bytes that `twinstream report run` writes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from streams.api import routes_twins
from streams.api.problems import ProblemError
from streams.api.services import Services, optional_instant, services_of
from streams.ledger.program import PROGRAM
from streams.ledger.reads_twins import find_twin

# The page needs no script, no other file and its own style only.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

router = APIRouter(prefix="/api/v1", tags=["twins"])

With = Annotated[Services, Depends(services_of)]


@router.get("/twins/{kind}/{key:path}/report", summary="The report of one run for quality assurance")
async def report(
    services: With,
    kind: str,
    key: str,
    batch: Annotated[str | None, Query(max_length=128, description="The newest batch if absent.")] = None,
    start: Annotated[str | None, Query(description="Of a period, without `batch`: its first event time.")] = None,
    end: Annotated[str | None, Query(description="Event time at which that period ends.")] = None,
    known_at: routes_twins.KnownAt = None,
    at: routes_twins.At = None,
    zone_minutes: Annotated[int, Query(ge=-840, le=840, description="A zone written beside UTC.")] = 0,
    form: Annotated[Literal["html", "json"], Query(alias="format")] = "html",
) -> Response:
    """HTML in one file that prints, or JSON. The same ledger and `known_at` give the same bytes; without `known_at` it
    is the moment at which the newest of the run was known."""
    # what models are made of (scipy) loads only where a report is asked for
    from streams.run_report import Choice, NoSuchRunError, make_report, write_html, write_json
    from streams.run_report.configuration import configuration

    config = services.config.bioreactor or configuration(None)
    choice = Choice(
        key, kind, batch or None, optional_instant(start, "start"), optional_instant(end, "end"),
        optional_instant(known_at, "known_at"),
    )  # fmt: skip
    async with services.reads.connection() as connection:
        whole = f"{key}/report"
        if await find_twin(connection, kind, key) is None and await find_twin(connection, kind, whole) is not None:
            return await routes_twins.twin(services, kind, whole, at, known_at)  # a unit with such a name
        try:
            made = await make_report(connection, choice, config, PROGRAM)
        except NoSuchRunError as error:
            raise ProblemError(404, str(error)) from None
    if form == "json":
        return Response(write_json(made), media_type="application/json")
    page = await asyncio.to_thread(write_html, made, zone_minutes)
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": POLICY})
