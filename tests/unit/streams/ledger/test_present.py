"""What each twin said last: one row a twin, in which an older word never takes the place of a newer one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from schemas.effects import Effect, Kind, write_effect
from schemas.instants import SECOND, parse_instant
from streams.ledger.folded import Fresh, Said
from streams.ledger.numbers import Numbers
from streams.ledger.present import Present
from tests.support.engines import prepared

pytestmark = pytest.mark.postgres
BEGAN = "2026-03-01T07:00"


@pytest.fixture
def connection(postgres_uri: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(prepared(postgres_uri), autocommit=True) as connection:
        connection.execute("insert into twin (kind, key, partition) values ('supply', 'a', 0), ('supply', 'b', 0)")
        yield connection


def said(key: str, kind: Kind, second: int, data: dict[str, Any]) -> tuple[Said, Fresh]:
    at = f"{BEGAN}:{second:02}Z"
    effect = Effect(f"supply.events/0/{second}/0", kind, "qualified", "supply", key, at, at, "m", data)
    one = Said(parse_instant(at) + SECOND, second, 0, effect, write_effect(effect))
    return one, cast(Fresh, SimpleNamespace(kind="supply"))


def write(connection: psycopg.Connection[Any], *what: tuple[Said, Fresh]) -> dict[str, tuple[Any, ...]]:
    known = dict(connection.execute("select key, no from twin").fetchall())
    numbers = cast(Mapping[str, Numbers], {"supply": SimpleNamespace(twin=known.__getitem__)})
    with connection.transaction():
        Present().write(connection, numbers, what)
    rows = connection.execute(
        "select key, estimate->'v', forecast, extract(second from event_time)::int,"
        " extract(second from known_at)::int from twin"
    ).fetchall()
    return {key: tuple(rest) for key, *rest in rows}


def test_both_words_of_a_round_are_kept_with_their_times(connection: psycopg.Connection[Any]) -> None:
    now = write(
        connection, said("a", "estimate", 5, {"v": 1}), said("a", "forecast", 5, {"w": None}),
        said("b", "forecast", 7, {"values": {"x": [[1.0], [2.0]]}, "at": ["s", "t"]}),
    )  # fmt: skip
    assert now["a"][0] == 1
    assert now["a"][2:] == (5, 6)
    assert now["a"][1]["id"] == "supply.events/0/5/0"
    assert now["a"][1]["event_time"] == f"{BEGAN}:05Z"
    assert now["b"][0] is None
    assert now["b"][2] is None
    assert now["b"][1]["values"] == {"x": [[2.0]]}
    assert now["b"][1]["at"] == ["t"]


def test_an_older_estimate_changes_nothing_and_the_forecast_beside_it_counts(
    connection: psycopg.Connection[Any],
) -> None:
    write(connection, said("a", "estimate", 5, {"v": 1}), said("a", "forecast", 5, {"w": 1}))
    now = write(connection, said("a", "estimate", 4, {"v": 2}), said("a", "forecast", 4, {"w": 2}))
    assert now["a"][0] == 1
    assert now["a"][1]["w"] == 2
    assert now["a"][2:] == (5, 6)
    now = write(connection, said("a", "estimate", 4, {"v": 3}))
    assert now["a"][0] == 1
    now = write(connection, said("a", "estimate", 9, {"v": 4}))
    assert now["a"][0] == 4
    assert now["a"][1]["w"] == 2
    assert now["a"][2:] == (9, 10)


def test_of_one_round_the_newest_is_kept(connection: psycopg.Connection[Any]) -> None:
    now = write(connection, *(said("a", "estimate", second, {"v": second}) for second in (3, 8, 6)))
    assert now["a"][0] == 8
