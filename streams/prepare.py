"""Make database and broker ready: ledger tables, declared topics. Waits for what is away."""

from __future__ import annotations

import time

import psycopg
import structlog

from schemas.errors import LogError
from streams.ledger import audit
from streams.ledger.connect import connect
from streams.ledger.migrate import migrate
from streams.transports.access import declare_topics

_RETRY_SECONDS = 0.5
log = structlog.get_logger("twinstream.prepare")


def prepare(uri: str, broker: str | None, *, wait: bool = True) -> None:
    """Bring the database to its newest shape. Any number of processes may do so at once.

    Parameters
    ----------
    broker : str or None
        kafka://host:port; None: the topic log lives in this database too.
    wait : bool
        Try until the database answers; else the first failure is raised.
    """
    told = 0.0
    while True:
        try:
            with connect(uri, name="twinstream-prepare") as connection:
                ran = migrate(connection)
                if ran:
                    audit.append(
                        connection, actor="twinstream", role="program", action="migrate", object_="ledger", new=ran
                    )
            declare_topics(broker, uri)
            return
        except (psycopg.OperationalError, psycopg.InterfaceError, LogError) as error:
            if not wait:
                raise
            if time.monotonic() - told > 10:
                told = time.monotonic()
                log.warning("waiting for database and broker", error=str(error).strip()[:200])
            time.sleep(_RETRY_SECONDS)
