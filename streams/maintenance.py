"""Housekeeping that a worker does now and then: room for the coming hours and days, and what may go."""

from __future__ import annotations

from datetime import timedelta

import structlog

from streams.jobs.retention import drop_jobs
from streams.ledger.claims import drop_anchors, needed_offsets
from streams.ledger.connect import connect
from streams.log.retention import keep
from streams.log.session import connect as connect_log
from streams.settings import Settings

EVERY_SECONDS = 300.0
log = structlog.get_logger("twinstream.maintenance")


def maintain(settings: Settings, uri: str) -> None:
    """Drop log segments past their retention that no checkpoint needs, and anchors and ended jobs past theirs.

    History tables are never dropped here: how long records are kept is a decision of the site, and
    `streams/ledger/partitions.py` has the call for it.
    """
    with connect(uri, autocommit=True, name="twinstream-maintenance") as connection:
        needed = needed_offsets(connection)
        anchors = drop_anchors(connection, settings.anchor_days)
        jobs = drop_jobs(connection, settings.anchor_days)
    if anchors:
        log.info("anchors dropped", count=anchors)
    if jobs:
        log.info("ended jobs dropped", count=jobs)
    if settings.broker is not None:
        return
    with connect_log(uri, "twinstream-maintenance") as session:
        dropped = keep(
            session, timedelta(days=settings.retention_days), lambda topic, partition: needed.get((topic, partition))
        )
    if dropped:
        log.info("log segments dropped", segments=dropped)
