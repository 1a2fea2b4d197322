"""The follower on the embedded log: exactly once over restarts, and past what cannot be used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from schemas.errors import MalformedError
from streams.ledger.migrate import migrate
from streams.lineage.facts import Fact, Link, Source, Thing
from streams.lineage.follower import Follower
from streams.log import Producer, declare, install
from streams.transports.access import PostgresReader
from tests.support.waiting import wait_until
from twins.frame import RawRecord

pytestmark = pytest.mark.postgres

TOPIC = "events"


def read(record: RawRecord, source: Source) -> Fact | None:
    """`a>b` says that b came from a; `!` cannot be read; `?` holds a kind that there is not; `-` is another's."""
    text = (record.value or b"").decode()
    if text == "-":
        return None
    if text == "!":
        raise MalformedError(expected="a>b", received=text, where="record")
    a, b = text.split(">")
    kind = "unheard_of" if b == "?" else "derived_from"
    return Fact(f"ni:{text}", source.offset, 5, source, links=(Link(kind, Thing("thing", a), Thing("thing", b)),))


class Stage:
    """A log with one topic, the graph, and followers that are closed in the end."""

    def __init__(self, uri: str, connection: psycopg.Connection[Any]) -> None:
        self.uri, self.connection = uri, connection
        self._producer = Producer(uri)
        self._open: list[Follower | PostgresReader | Producer] = [self._producer]

    def say(self, *texts: str) -> None:
        self._producer.append(TOPIC, [(text.encode(), text.encode(), []) for text in texts])

    def follower(self) -> Follower:
        reader = PostgresReader(self.uri, {TOPIC})
        follower = Follower(reader, self.uri, TOPIC, read)
        self._open += [follower, reader]
        return follower

    def edges(self) -> list[str]:
        rows = self.connection.execute(
            "select s.key || '>' || d.key from lineage_edge e join lineage_node s on s.no = e.src"
            " join lineage_node d on d.no = e.dst order by 1"
        ).fetchall()
        return [text for (text,) in rows]

    def close(self) -> None:
        for one in self._open:
            one.close()


@pytest.fixture
def stage(postgres_uri: str) -> Iterator[Stage]:
    with psycopg.connect(postgres_uri, autocommit=True) as connection:
        migrate(connection)
        install(connection)
        declare(connection, TOPIC, 8)
        made = Stage(postgres_uri, connection)
        yield made
        made.close()


def test_goes_on_after_a_restart_and_past_what_it_cannot_use(stage: Stage) -> None:
    stage.say("a>b", "!", "-", "b>?", "b>c", "a>b")
    first = stage.follower()
    assert first.round() == 6
    assert (first.behind, first.refused, stage.edges()) == (6, 2, ["a>b", "b>c"])
    assert first.round() == 0
    assert first.behind == 0
    stage.say("c>d")
    assert stage.follower().round() == 1, "it begins where the graph is"
    assert first.round() == 1, "the other has written it, and nothing is doubled"
    assert stage.edges() == ["a>b", "b>c", "c>d"]


def test_a_round_that_fails_leaves_nothing_and_is_read_again(stage: Stage) -> None:
    stage.say("a>b")
    follower = stage.follower()
    stage.connection.execute("alter table lineage_edge rename to moved_away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        follower.round()
    stage.connection.execute("alter table moved_away rename to lineage_edge")
    assert stage.connection.execute("select count(*) from lineage_event").fetchone() == (0,)
    assert follower.round() == 1
    assert stage.edges() == ["a>b"]


def test_follows_while_it_runs(stage: Stage) -> None:
    stopped = threading.Event()
    follower = stage.follower()
    thread = threading.Thread(target=follower.run, args=(stopped,))
    thread.start()
    try:
        stage.say("x>y")
        wait_until(lambda: stage.edges() == ["x>y"], 10)
    finally:
        stopped.set()
        thread.join(10)
    assert not thread.is_alive()
