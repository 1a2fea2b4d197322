"""How every writer connects, with a bound on each wait, and what an error of the database means."""

from __future__ import annotations

from typing import Any

import psycopg

from schemas.errors import LogError, SnapshotError, StaleEpochError, UsageError

# A transaction that waits for its client, or a statement that runs, longer than this is ended by the server [ms].
IDLE_IN_TRANSACTION_MS = 5_000
STATEMENT_MS = 30_000
CONNECT_SECONDS = 5


def connect(uri: str, *, autocommit: bool = False, name: str = "twinstream") -> psycopg.Connection[Any]:
    """Open a connection with bounds on every wait, in UTC."""
    return psycopg.connect(uri, autocommit=autocommit, **options(name))


def options(name: str) -> dict[str, Any]:
    """Give the keyword arguments that `connect` uses, for asynchronous connections."""
    return {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": name,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": (
            f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS} -c statement_timeout={STATEMENT_MS}"
            " -c lock_timeout=10000 -c TimeZone=UTC -c client_min_messages=warning"
        ),
    }


# Classes and codes of SQLSTATE that say: not now. Connection, transaction rollback, no resources, object in use,
# operator intervention, system error; a transaction ended for its silence; a server that is read-only for the moment.
_AWAY_CLASSES = ("08", "40", "53", "55", "57", "58")
_AWAY_STATES = ("25P03", "25P04", "25006")
_DATA_CLASSES = ("22", "23", "54")  # data exception, integrity, a limit of the program exceeded


def away(error: BaseException) -> bool:
    """Tell whether the database, or the way to it, is away or busy, so that the same again may work.

    Examples
    --------
    >>> away(psycopg.OperationalError("server closed the connection")), away(psycopg.errors.ProgramLimitExceeded())
    (True, False)
    """
    if isinstance(error, psycopg.InterfaceError):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate[:2] in _AWAY_CLASSES or error.sqlstate in _AWAY_STATES


def blames_record(error: BaseException) -> bool:
    """Tell whether an error, raised while one record alone was folded or committed, can be that record's doing.

    What says that the ledger, the machine or this process is unwell is nobody's: the record would be lost for it.

    Examples
    --------
    >>> blames_record(ZeroDivisionError()), blames_record(OSError()), blames_record(psycopg.errors.UndefinedTable())
    (True, False, False)
    """
    if isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.DataError) or (error.sqlstate or "")[:2] in _DATA_CLASSES
    nobodys = StaleEpochError, SnapshotError, LogError, UsageError, OSError
    return isinstance(error, Exception) and not isinstance(error, nobodys)
