"""One active worker a group: an advisory lock held by a silent session, with a lease on both ends.

The server ends the lock's session when it hears nothing for the lease (a worker that is frozen, or cut off); a
worker whose last renewal is older than the lease exits before it does anything else. So two never work at once
for longer than one statement, and the ledger's epoch refuses that one.
"""

from __future__ import annotations

import logging
import os
import selectors
import sys
import threading
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import Any, NoReturn
from uuid import uuid4
from zlib import crc32

import psycopg
from psycopg import pq

from streams.log.session import AWAY, connect

LEASE_SECONDS = 6.0
EXIT_CODE = 75  # EX_TEMPFAIL: the supervisor starts another

_TRY_SECONDS = 0.25
_SPACE = 7505  # first half of the advisory lock's key

_TRY = "select pg_try_advisory_lock(%s, %s)"
# Ends the session that holds the lock if it has been silent for the lease, or is one of our own that we lost.
_END_STALE = """
select pg_terminate_backend(a.pid)
from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.classid = %s and l.objid = %s and l.objsubid = 2
  and l.database = (select oid from pg_database where datname = current_database())
  and (a.state_change < clock_timestamp() - make_interval(secs => %s) or a.application_name = %s)
"""
_MEMBER = "select worker, term from log_member where grp = %s"
_TAKE = """
insert into log_member (grp, worker) values (%s, %s)
on conflict (grp) do update set worker = excluded.worker, term = log_member.term + 1, since = now()
returning term
"""
# A worker stopped in the middle of a transaction holds rows; its successor ends all its sessions.
_END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity
where application_name = %s and datname = current_database() and pid <> pg_backend_pid()
"""


log = logging.getLogger("twinstream.log")


class Role(Enum):
    """What this worker is at the moment. AWAY: it was active, and its lock's session is gone; it must not work."""

    STANDBY = "standby"
    ACTIVE = "active"
    AWAY = "away"


def leave(reason: str) -> NoReturn:
    """End the process at once: no clean-up may write anything any more."""
    sys.stderr.write(f"twinstream: {reason}; this worker exits\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)


class Membership:
    """Takes part in the choice of the active worker, from a thread of its own.

    A database that restarts costs the lock; whoever gets it back, and finds that nobody had it in between, goes
    on without a new assignment. If somebody had, this worker is `lost`.

    Parameters
    ----------
    group : str
        Workers of one group exclude each other.
    worker : str
        This process's own name, the `application_name` of all its sessions that must end when it is replaced; at
        most 50 characters.
    joined : callable
        Called from the thread once, when this worker has become the active one.
    lost : callable
        Called with the reason when this worker has been, or may have been, replaced. It must not return; it does
        only in tests.
    """

    def __init__(
        self,
        database: str,
        group: str,
        worker: str,
        *,
        joined: Callable[[], None],
        lost: Callable[[str], None] = leave,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.role = Role.STANDBY
        self.term = 0
        self._database = database
        self._group = group
        self._worker = worker[:50]
        self._id = f"{self._worker}#{uuid4().hex[:8]}"  # of the lock's session alone
        self._key = (_SPACE, crc32(group.encode()) & 0x7FFFFFFF)
        self._joined = joined
        self._lost = lost
        self._lease = lease_seconds
        self._renewed = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-membership", daemon=True)

    def start(self) -> Membership:
        self._thread.start()
        return self

    def close(self) -> None:
        """Give up the lock; a standby has it within a quarter of a second."""
        self._closing.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=3.0)

    def holds(self) -> bool:
        """Tell whether this worker may work now. One that may have been replaced is `lost`, and does not come back."""
        if self.role is not Role.ACTIVE:
            return False
        silent = monotonic() - self._renewed
        if silent > self._lease:
            self._lose(f"the lease of {self._lease:g} s ran out {silent - self._lease:.1f} s ago")
            return False
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with connect(self._database, self._id, seconds=2) as conn:
                    conn.execute(
                        "select set_config('idle_session_timeout', %s, false)", (f"{self._lease * 1000:.0f}ms",)
                    )
                    if self._stand_by(conn):
                        self._hold(conn)
            except AWAY as error:
                if self.role is Role.ACTIVE:
                    log.warning("the session of %s's lock is gone: %s", self._group, error)
                    self.holds()  # frozen or only cut off? the lease knows
                    self.role = Role.AWAY
                self._closing.wait(_TRY_SECONDS)

    def _stand_by(self, conn: psycopg.Connection[Any]) -> bool:
        """Wait for the lock. False: closed, or lost, before it came."""
        while not self._closing.is_set():
            asked = monotonic()
            row = conn.execute(_TRY, self._key).fetchone()
            if row is not None and row[0]:
                return self._take(conn, asked)
            if self.term and self._replaced(conn):
                return False
            conn.execute(_END_STALE, (*self._key, self._lease, self._id))
            self._closing.wait(_TRY_SECONDS)
        return False

    def _take(self, conn: psycopg.Connection[Any], asked: float) -> bool:
        """The lock is ours. The first time, begin a term and end the sessions of the one before."""
        if self.term:
            if self._replaced(conn):
                return False
            self._renewed = asked
            self.role = Role.ACTIVE
            log.warning("the lock of %s is back, nobody had it meanwhile", self._group)
            return True
        before = conn.execute(_MEMBER, (self._group,)).fetchone()
        row = conn.execute(_TAKE, (self._group, self._id)).fetchone()
        if before is not None and (name := before[0].rpartition("#")[0]) != self._worker:
            conn.execute(_END_SESSIONS, (name,))
        assert row is not None
        self.term = row[0]
        self._renewed = asked
        self.role = Role.ACTIVE
        self._joined()
        return True

    def _replaced(self, conn: psycopg.Connection[Any]) -> bool:
        row = conn.execute(_MEMBER, (self._group,)).fetchone()
        if row == (self._id, self.term):
            return False
        self._lose(f"{row[0] if row else 'another worker'} has taken over")
        return True

    def _hold(self, conn: psycopg.Connection[Any]) -> None:
        """Renew, four times a lease."""
        while not self._closing.wait(self._lease / 4):
            if not self.holds():
                return
            asked = monotonic()
            _answer(conn, self._lease / 3)
            self._renewed = asked

    def _lose(self, reason: str) -> None:
        self.role = Role.AWAY
        self._closing.set()
        self._lost(reason)


def _answer(conn: psycopg.Connection[Any], timeout: float) -> None:
    """Hear from the server within `timeout` seconds.

    Raises
    ------
    psycopg.OperationalError
        If it does not answer; the session is of no use then.
    """
    pgconn = conn.pgconn
    pgconn.send_query(b"select 1")
    pgconn.flush()
    until = monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            if not selector.select(max(0.0, until - monotonic())):
                raise psycopg.OperationalError(
                    f"expected an answer within {timeout:g} s, received none, on the lock's session"
                )
            pgconn.consume_input()
    while (result := pgconn.get_result()) is not None:
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.get_error_message())
