"""Claims: one owner at a time, a state that can be trusted, and what went wrong before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from schemas.errors import SnapshotError
from streams.ledger import claims
from streams.ledger.connect import away, blames_record, connect
from tests.support.engines import TOPIC, prepared, rows_of

pytestmark = pytest.mark.postgres
SEED = 20261208


@pytest.fixture
def uri(postgres_uri: str) -> str:
    return prepared(postgres_uri)


@pytest.fixture
def connection(uri: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(uri, name="worker-a", autocommit=True) as one:
        yield one


def claim(connection: psycopg.Connection[Any], owner: str = "a", near: int = 1) -> claims.Claim:
    (one,) = claims.claim(connection, [(TOPIC, 3)], owner, near=near)
    return one


def move(connection: psycopg.Connection[Any], applied: int) -> None:
    connection.execute("update applied set next_offset = %s", (applied,))


def save(connection: psycopg.Connection[Any], at: int, body: bytes) -> None:
    claims.save_checkpoint(connection, TOPIC, 3, claims.Checkpoint(at, "counting@1", body), anchor=False)
    connection.execute("update applied set checkpoint_offset = %s", (at,))


def test_each_claim_raises_the_epoch(connection: psycopg.Connection[Any]) -> None:
    assert [claim(connection, owner).epoch for owner in "aab"] == [1, 2, 3]
    assert rows_of(connection.info.dsn, "select owner from applied") == [("b",)]


def test_a_claim_brings_the_checkpoint(connection: psycopg.Connection[Any]) -> None:
    assert claim(connection).checkpoint is None
    save(connection, 40, b"state")
    move(connection, 55)
    taken = claim(connection)
    assert taken.applied == 55
    assert taken.checkpoint == claims.Checkpoint(40, "counting@1", b"state")


def test_any_changed_bit_of_a_checkpoint_is_noticed(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(SEED)
    body = rng.randbytes(5000)
    claim(connection)
    save(connection, 40, body)
    for _ in range(200):
        broken = bytearray(body)
        broken[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        connection.execute("update checkpoint set body = %s", (bytes(broken),))
        with pytest.raises(SnapshotError, match="its bytes were changed"):
            claim(connection)
    connection.execute("update checkpoint set body = %s", (body[:-1],))
    with pytest.raises(SnapshotError):
        claim(connection)
    connection.execute("update checkpoint set body = %s", (body,))
    assert claim(connection).epoch == 2  # a claim that failed took nothing


def test_a_missing_checkpoint_is_noticed(connection: psycopg.Connection[Any]) -> None:
    claim(connection)
    save(connection, 40, b"state")
    connection.execute("delete from checkpoint")
    with pytest.raises(SnapshotError, match="found none"):
        claim(connection)


def test_troubles_count_where_they_are_near(connection: psycopg.Connection[Any]) -> None:
    claim(connection)
    for applied in (100, 100, 140, 900):
        move(connection, applied)
        claims.note_trouble(connection, TOPIC, 3, "ZeroDivisionError: \x00\ud800")
    move(connection, 150)
    assert claim(connection, near=1).troubles == 0
    assert claim(connection, near=20).troubles == 1
    assert claim(connection, near=100).troubles == 3  # not the one at 900, which is not reached yet


def test_only_the_owner_skips_and_only_what_is_not_applied(connection: psycopg.Connection[Any]) -> None:
    epoch = claim(connection).epoch
    move(connection, 10)
    assert not claims.skip(connection, TOPIC, 3, epoch - 1, 12, "stale")
    assert not claims.skip(connection, TOPIC, 3, epoch, 9, "too late")
    assert claims.skip(connection, TOPIC, 3, epoch, 12, "broken \x00")
    assert claim(connection).skipped == {12}
    save(connection, 13, b"state after it")
    assert claim(connection).skipped == frozenset()


def test_an_owner_that_stands_still_inside_a_transaction_is_ended(
    uri: str, connection: psycopg.Connection[Any]
) -> None:
    claim(connection, "worker-a")
    with connect(uri, name="worker-b", autocommit=True) as heir:
        connection.execute("begin; select * from applied for update")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            claim(heir, "worker-b")
        connection.execute("rollback")
        assert claims.end_silent(heir, [(TOPIC, 3)]) == 0  # it is outside a transaction now: nobody to end
        connection.execute("begin; select * from applied for update")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            claim(heir, "worker-b")
        assert claims.end_silent(heir, [(TOPIC, 3)]) == 1
        assert claim(heir, "worker-b").epoch == 2
    with pytest.raises(psycopg.OperationalError):
        connection.execute("commit")


@pytest.mark.parametrize(
    ("state", "is_away", "blames"),
    [
        ("08006", True, False),  # connection failure
        ("25P03", True, False),  # idle in transaction: ended by the server
        ("40001", True, False),
        ("53100", True, False),  # disk full
        ("57014", True, False),  # statement timeout
        ("57P01", True, False),  # ended by an administrator
        ("22021", False, True),  # a character the encoding has not
        ("23514", False, True),
        ("54000", False, True),  # a row too big: psycopg files it under operational errors
        ("42501", False, False),  # no privilege: nobody's record
        ("XX000", False, False),
    ],
)
def test_errors_are_told_apart(state: str, is_away: bool, blames: bool) -> None:
    error = psycopg.errors.lookup(state)()
    assert away(error) is is_away
    assert blames_record(error) is blames
