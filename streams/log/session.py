"""How the log talks to its database: sessions with a bound on every wait, and what counts as its being away."""

from __future__ import annotations

from typing import Any

import psycopg

CONNECT_SECONDS = 5
STATEMENT_MS = 30_000
IDLE_IN_TRANSACTION_MS = 5_000

CHANNEL = "twinstream_log"  # of NOTIFY; the payload is the topic's name

# What psycopg raises when the server, or the way to it, is gone; the same statement may work a second later.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


def connect(
    database: str, name: str, *, statement_ms: int = STATEMENT_MS, seconds: int = CONNECT_SECONDS
) -> psycopg.Connection[Any]:
    """Open an autocommitting session.

    Parameters
    ----------
    database : str
        postgresql:// address.
    name : str
        `application_name`; a worker gives all its sessions one name, so that its successor can end them.
    """
    return psycopg.connect(
        database,
        autocommit=True,
        prepare_threshold=1,
        connect_timeout=seconds,
        application_name=name,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,
        options=(
            f"-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
            " -c lock_timeout=10000 -c TimeZone=UTC -c client_min_messages=warning -c synchronous_commit=on"
        ),
    )
