"""Membership: one at a time, back after a cut, out when replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from uuid import uuid4
from zlib import crc32

import psycopg
import pytest

from streams.log import Membership, Role, connect, install

pytestmark = pytest.mark.postgres
LEASE = 1.2
Log = psycopg.Connection[Any]


def until(condition: Callable[[], Any], seconds: float = 8.0, what: str = "condition") -> float:
    began = monotonic()
    while not condition():
        assert monotonic() - began < seconds, f"{what}: not within {seconds:g} s"
        threading.Event().wait(0.01)
    return monotonic() - began


class Member:
    """A member and what it was told."""

    def __init__(self, uri: str, group: str = "g", worker: str = "") -> None:
        self.joined = 0
        self.reasons: list[str] = []
        self.worker = worker or f"w-{uuid4().hex[:6]}"
        self.membership = Membership(
            uri, group, self.worker, joined=self._join, lost=self.reasons.append, lease_seconds=LEASE
        )

    def _join(self) -> None:
        self.joined += 1

    @property
    def active(self) -> bool:
        return self.membership.role is Role.ACTIVE and self.membership.holds()


@contextmanager
def member(uri: str, **how: Any) -> Iterator[Member]:
    one = Member(uri, **how)
    one.membership.start()
    try:
        yield one
    finally:
        one.membership.close()


@pytest.fixture
def uri(postgres_uri: str) -> str:
    with connect(postgres_uri, "test") as conn:
        install(conn)
    return postgres_uri


def end_session(uri: str, worker: str) -> None:
    with connect(uri, "test") as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like %s", (f"{worker}#%",)
        )


def test_one_works_the_other_follows(uri: str) -> None:
    with member(uri) as first:
        until(lambda: first.active)
        with member(uri) as second, member(uri, group="another") as elsewhere:
            until(lambda: elsewhere.active)
            until(lambda: first.membership._renewed > monotonic() - LEASE / 3)
            assert second.joined == 0
            assert not second.active
            first.membership.close()
            assert until(lambda: second.active) < LEASE
            assert (second.joined, first.joined, first.reasons) == (1, 1, [])
            assert second.membership.term == first.membership.term + 1


def test_a_cut_session_costs_nothing_if_nobody_stepped_in(uri: str) -> None:
    with member(uri) as only:
        until(lambda: only.active)
        term = only.membership.term
        end_session(uri, only.worker)
        until(lambda: only.membership.role is Role.AWAY, what="noticed")
        assert not only.active
        until(lambda: only.active, what="back")
        assert (only.joined, only.reasons, only.membership.term) == (1, [], term)


def test_who_was_replaced_while_cut_off_is_lost(uri: str) -> None:
    with member(uri) as first:
        until(lambda: first.active)
        with member(uri) as second:
            until(lambda: _sessions(uri, second.worker) == 1)
            # Cut the first one's session again and again until the other was quicker.
            end = monotonic() + 20
            while not second.joined:
                assert monotonic() < end
                end_session(uri, first.worker)
                threading.Event().wait(0.05)
            until(lambda: first.reasons, what="lost")
            assert second.worker in first.reasons[0]
            assert not first.active
            until(lambda: second.active)


def test_a_silent_holder_is_ended_after_the_lease(uri: str) -> None:
    holder = psycopg.connect(uri, autocommit=True, application_name="frozen")
    holder.execute("select pg_advisory_lock(7505, %s)", (crc32(b"g") & 0x7FFFFFFF,))
    began = monotonic()
    with member(uri) as one:
        until(lambda: one.active)
        assert LEASE * 0.8 < monotonic() - began < 3 * LEASE
    with pytest.raises(psycopg.OperationalError):
        holder.execute("select 1")
    holder.close()


def test_the_sessions_of_the_one_before_are_ended(uri: str) -> None:
    with member(uri, worker="before") as first:
        until(lambda: first.active)
        stuck = psycopg.connect(uri, application_name="before")
        stuck.execute("select 1")  # in a transaction, and silent
        first.membership.close()
        with member(uri, worker="after") as second:
            until(lambda: second.active)
            with pytest.raises(psycopg.OperationalError):
                stuck.execute("select 1")
        stuck.close()


def test_a_lease_that_ran_out_unseen_is_lost(uri: str) -> None:
    with member(uri) as one:
        until(lambda: one.active)
        one.membership._renewed -= 2 * LEASE
        assert not one.membership.holds()
        assert "ran out" in one.reasons[0]


def test_workers_of_one_name_do_not_end_each_other(uri: str) -> None:
    with member(uri, worker="same") as first:
        until(lambda: first.active)
        with member(uri, worker="same") as second:
            until(lambda: _sessions(uri, "same") == 2)
            renewed = first.membership._renewed
            until(lambda: first.membership._renewed > renewed)
            assert (first.active, second.active, first.reasons) == (True, False, [])


def _sessions(uri: str, worker: str) -> int:
    with connect(uri, "test") as conn:
        row = conn.execute(
            "select count(*) from pg_stat_activity where application_name like %s", (f"{worker}#%",)
        ).fetchone()
    return row[0] if row else 0
