"""The audit trail: every way of tampering with it is seen, by somebody who may do anything to its table."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from streams.ledger import audit
from streams.ledger.connect import connect
from tests.support.engines import prepared

pytestmark = pytest.mark.postgres
ROWS = 12
SEED = 20261209

Connection = psycopg.Connection[Any]


@pytest.fixture
def trail(postgres_uri: str) -> Iterator[Connection]:
    """A trail of some rows, without the trigger that refuses changes."""
    with connect(prepared(postgres_uri), autocommit=True) as connection:
        for i in range(ROWS - 1):  # the migration wrote the first
            with connection.transaction():
                audit.append(
                    connection, actor=f"user {i}", role="engineer", action="change", object_=f"limit {i}",
                    old={"high": i, "unit": "g/L"}, new={"high": i + 0.5}, reason="trial 7 é \u2028",
                )  # fmt: skip
        assert audit.check(connection) is None
        connection.execute("alter table audit disable trigger audit_append_only")
        yield connection


def head(connection: Connection) -> bytes:
    row = connection.execute("select hash from audit order by seq desc limit 1").fetchone()
    assert row is not None
    return bytes(row[0])


def test_nobody_changes_a_row_in_passing(postgres_uri: str) -> None:
    with connect(prepared(postgres_uri), autocommit=True) as connection:
        for statement in ("update audit set reason = ''", "delete from audit", "truncate audit"):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                connection.execute(statement.encode())


COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "actor": "'somebody else'",
    "role": "'qa'",
    "action": "'read'",
    "object": "'another limit'",
    "old": "null",
    "new": "'{\"high\": 99}'",
    "reason": "''",
    "program": "'twinstream 9'",
    "prev_hash": "sha256('')",
    "hash": "sha256('')",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_field_is_seen(trail: Connection, column: str) -> None:
    trail.execute(f"update audit set {column} = {COLUMNS[column]} where seq = 5".encode())
    fault = audit.check(trail)
    assert fault is not None
    assert fault.seq == 5


def _delete(connection: Connection, rng: random.Random) -> None:
    connection.execute("delete from audit where seq = %s", (rng.randint(1, ROWS - 1),))


def _delete_and_close_the_gap(connection: Connection, rng: random.Random) -> None:
    gone = rng.randint(1, ROWS - 1)
    connection.execute("delete from audit where seq = %s", (gone,))
    for seq in range(gone + 1, ROWS + 1):
        connection.execute("update audit set seq = %s where seq = %s", (seq - 1, seq))


def _insert(connection: Connection, rng: random.Random) -> None:
    at = rng.randint(1, ROWS)
    for seq in range(ROWS, at - 1, -1):
        connection.execute("update audit set seq = %s where seq = %s", (seq + 1, seq))
    connection.execute(
        "insert into audit"
        " select %s, at, 'a stranger', role, action, object, old, new, reason, program, prev_hash, hash"
        " from audit where seq = %s", (at, at + 1),
    )  # fmt: skip


def _swap(connection: Connection, rng: random.Random) -> None:
    first, second = rng.sample(range(1, ROWS + 1), 2)
    connection.execute("update audit set seq = -1 where seq = %s", (first,))
    connection.execute("update audit set seq = %s where seq = %s", (first, second))
    connection.execute("update audit set seq = %s where seq = -1", (second,))


def _swap_bodies(connection: Connection, rng: random.Random) -> None:
    first, second = rng.sample(range(2, ROWS + 1), 2)
    connection.execute(
        "update audit a set actor = b.actor, object = b.object, old = b.old, new = b.new, at = b.at from audit b"
        " where (a.seq, b.seq) in ((%s, %s), (%s, %s))", (first, second, second, first),
    )  # fmt: skip


@pytest.mark.parametrize("tamper", [_delete, _delete_and_close_the_gap, _insert, _swap, _swap_bodies])
def test_tampering_is_seen(trail: Connection, tamper: Callable[[Connection, random.Random], None]) -> None:
    noted = head(trail)
    for attempt in range(5):
        with trail.transaction(force_rollback=True):
            tamper(trail, random.Random(SEED + attempt))
            assert audit.check(trail, noted) is not None, f"seed {SEED + attempt}"
    assert audit.check(trail, noted) is None


def test_rows_missing_at_the_end_are_seen_by_a_head_noted_elsewhere(trail: Connection) -> None:
    noted = head(trail)
    trail.execute("delete from audit where seq > %s", (ROWS - 3,))
    assert audit.check(trail) is None  # the chain alone cannot know
    fault = audit.check(trail, noted)
    assert fault is not None
    assert "missing" in fault.problem


def test_a_trail_written_anew_is_seen_by_a_head_noted_elsewhere(trail: Connection) -> None:
    noted = head(trail)
    trail.execute("delete from audit where seq >= 4")
    for _ in range(ROWS):
        audit.append(trail, actor="a stranger", role="qa", action="approve", object_="everything")
    assert audit.check(trail) is None
    assert audit.check(trail, noted) is not None


def test_a_noted_head_stays_good_while_the_trail_grows(trail: Connection) -> None:
    noted = head(trail)
    audit.append(trail, actor="user", role="qa", action="approve", object_="limit")
    assert audit.check(trail, noted) is None
