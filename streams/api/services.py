"""What the routes work with, built once in `app.py` and handed down through the app's state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from fastapi import Request
from starlette.responses import Response

from schemas.errors import InvalidFieldError
from schemas.instants import SECOND, Instant, parse_instant
from streams.api.config import ApiConfig
from streams.api.glance import Glance
from streams.api.hub import Hub
from streams.api.job_watch import JobWatch
from streams.api.metrics import ApiMetrics
from streams.api.pace import Pace
from streams.api.ports import LogReader, LogWriter
from streams.ledger.reads import AsOf, LedgerReads

Cancel = Callable[[str, str, str], bool]  # a job, by whom, why: as `JobLedger.cancel`, in a thread of its own


@dataclass(frozen=True, slots=True)
class Services:
    """The API's parts."""

    config: ApiConfig
    reads: LedgerReads
    reader: LogReader
    writer: LogWriter
    hub: Hub
    metrics: ApiMetrics
    watch: JobWatch
    glance: Glance
    cancel: Cancel
    pace: Pace  # of what people ask of the pool

    def stale_before(self) -> int:
        """Give the instant before which a running twin's last word is stale [us]."""
        return now() - round(self.config.stale_after_seconds * SECOND)


def services_of(request: Request) -> Services:
    """Find the services of the app that a request came to."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def owner_of(request: Request) -> str:
    """Name whose API key came with a request; empty where none is needed."""
    return str(getattr(request.state, "owner", ""))


def now() -> Instant:
    """Read the clock [us]."""
    return Instant(time.time_ns() // 1000)


def reply(body: object, status: int = 200) -> Response:
    """Write a body as JSON. msgspec, because a page of history is large."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def as_of(at: str | None, known_at: str | None) -> AsOf:
    """Read the two times of a request.

    Raises
    ------
    InvalidFieldError
        If one is no RFC 3339 time with its zone.
    """
    return AsOf(optional_instant(at, "at"), optional_instant(known_at, "known_at"))


def optional_instant(text: str | None, where: str) -> Instant | None:
    """Read a time that may be absent. A `+` that came unescaped arrives as a space, and is meant as `+`."""
    if text is None or not text:
        return None
    if len(text) > 40:
        raise InvalidFieldError(expected="an RFC 3339 time", received=f"{len(text)} characters", where=where)
    return parse_instant(text.strip().replace(" ", "+") if "T" in text else text, where)
