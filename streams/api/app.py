"""Build the API: FastAPI over the ledger's reads, a topic log to append to and to follow, and the dashboard's files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from streams.api import (
    ingest,
    pages,
    routes_adopt,
    routes_alerts,
    routes_decide,
    routes_epcis,
    routes_epcis_capture,
    routes_epcis_options,
    routes_epcis_queries,
    routes_health,
    routes_jobs,
    routes_lineage,
    routes_report,
    routes_twins,
    stream,
)
from streams.api.config import ApiConfig
from streams.api.glance import Glance
from streams.api.guard import Guard
from streams.api.hub import Hub
from streams.api.job_watch import JobWatch
from streams.api.keys import read_keys, require_keys
from streams.api.metrics import ApiMetrics, Timing
from streams.api.pace import ASKED_A_MINUTE, Pace
from streams.api.ports import LogReader, LogWriter
from streams.api.problems import add_handlers
from streams.api.services import Cancel, Services
from streams.epcis import build_epcis
from streams.jobs import cancelling
from streams.ledger.reads import LedgerReads


def create_app(
    config: ApiConfig,
    *,
    reader: LogReader,
    writer: LogWriter,
    registry: CollectorRegistry | None = None,
    cancel: Cancel | None = None,
) -> FastAPI:
    """Build the API. The caller owns `reader`, `writer` and `registry`, and closes them after the app.

    `cancel` ends a job as `JobLedger.cancel` does, and is called in a thread; None: on the log in the ledger.

    Raises
    ------
    SettingsError
        If the address is not loopback and there are no keys, or the key file cannot be used.
    """
    keys = read_keys(config.keys_file)
    require_keys(config.host, keys)
    metrics = ApiMetrics(CollectorRegistry() if registry is None else registry)
    reads = LedgerReads(config.database)
    hub = Hub(reader, metrics.dropped.inc)
    watch = JobWatch(reads)
    epcis = build_epcis(config, reader, writer, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await reads.open()
        hub.start()
        await epcis.start()
        try:
            yield
        finally:
            await epcis.stop()
            await watch.stop()
            await hub.stop()
            await reads.close()

    app = FastAPI(
        title="twinstream",
        version="1",
        summary="Living twins: what they believe, what they expect, when a person should act.",
        lifespan=lifespan,
        docs_url=None,  # both fetch their scripts from other hosts
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    stop = cancel or partial(cancelling.cancel, None, config.database)
    app.state.services = Services(
        config, reads, reader, writer, hub, metrics, watch, Glance(reads), stop, Pace(ASKED_A_MINUTE)
    )
    app.state.epcis = epcis
    # the report first: the address of a twin would take it for a part of the key
    for module in (
        routes_report,
        routes_twins,
        routes_adopt,
        routes_decide,
        routes_alerts,
        routes_jobs,
        routes_lineage,
        routes_epcis,
        routes_epcis_capture,
        routes_epcis_queries,
        routes_epcis_options,
        ingest,
        stream,
        routes_health,
        pages,
    ):
        app.include_router(module.router)
    app.mount("/static", pages.static_files(), name="static")
    add_handlers(app)
    app.add_middleware(Timing, metrics=metrics)
    app.add_middleware(Guard, config=config, keys=keys)
    return app
