"""The lineage graph in PostgreSQL: any order gives the same rows, corrections close, walks equal the brute force."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from streams.ledger.lineage import trace
from streams.ledger.lineage_load import Columns, LoadedEvent, copy_graph
from streams.ledger.lineage_nodes import find_nodes, name_nodes
from streams.ledger.lineage_write import next_offsets, write_facts
from streams.ledger.migrate import migrate
from streams.lineage.facts import Action, Fact, Link, Source, Thing
from streams.lineage.kinds import FOREVER
from streams.lineage.trace import Question
from tests.support.lineage_reference import brute, dense

pytestmark = pytest.mark.postgres

TABLES = "lineage_node, lineage_event, lineage_void, lineage_mark, lineage_edge, lineage_applied"
GRAPH = """
select s.key, d.key, s.type, d.type, e.kind, b.id, n.id, e.valid_from, e.valid_until, e.known_from, e.known_until,
    b.topic, b.partition, b.rec_offset
from lineage_edge e join lineage_node s on s.no = e.src join lineage_node d on d.no = e.dst
    join lineage_event b on b.no = e.event left join lineage_event n on n.no = e.ended_by
where e.known_from < e.known_until
"""


@pytest.fixture
def connection(postgres_uri: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_uri, autocommit=True) as opened:
        migrate(opened)
        yield opened


def graph(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(GRAPH).fetchall(), key=repr)


def thing(name: str, kind: str = "thing") -> Thing:
    return Thing(kind, f"urn:{name}")


def fact(n: int, at: int, known: int, **said: Any) -> Fact:
    return Fact(said.pop("id", f"ni:{n}"), at, known, Source("supply.events", n % 3, n), **said)


def some_facts(rng: random.Random) -> list[Fact]:
    """Every kind of event, some declared errors, some twice; few things, so that all meet."""
    facts: list[Fact] = []
    for n in range(rng.randint(3, 14)):
        at, known = rng.randint(0, 9), rng.randint(0, 20)
        some = [thing(f"t{i}", rng.choice(["thing", "unit"])) for i in rng.sample(range(4), 2)]
        action: Action = rng.choice(["ADD", "OBSERVE", "DELETE"])
        shape = rng.randint(0, 6)
        if shape == 0:
            facts.append(fact(n, at, known, inputs=(some[0],), outputs=(some[1],)))
        elif shape == 1:
            facts.append(fact(n, at, known, links=(Link("derived_from", some[0], some[1]),)))
        elif shape == 2:
            emptied = action == "DELETE" and rng.random() < 0.4
            facts.append(
                fact(n, at, known, action=action, parent=thing(f"box{n % 2}"), children=() if emptied else tuple(some))
            )
        elif shape == 3:
            facts.append(fact(n, at, known, action=action, things=tuple(some), place=thing(f"room{n % 2}", "room")))
        elif shape == 4:
            facts.append(
                fact(
                    n, at, known, action="ADD", parent=thing("box0"), children=(some[0],), place=thing("room1", "room")
                )
            )
        elif facts:
            one = rng.choice(facts)
            if shape == 5:
                facts.append(fact(n, at, known, voids=one.id))
            else:  # the same event again, by another way, known at another time
                said = {
                    name: getattr(one, name)
                    for name in (
                        "id",
                        "action",
                        "inputs",
                        "outputs",
                        "parent",
                        "children",
                        "things",
                        "place",
                        "links",
                        "voids",
                    )
                }
                facts.append(fact(n, one.event_time, known, **said))
    return facts


def test_any_order_and_batches_give_the_same_graph(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(20)
    for _ in range(25):
        facts = some_facts(rng)
        graphs = []
        for _ in range(3):
            connection.execute(f"truncate {TABLES} restart identity".encode())
            rest = list(facts)
            while rest:
                size = rng.randint(1, len(rest))
                write_facts(connection, rest[:size])
                rest = rest[size:]
            before = graph(connection)
            write_facts(connection, facts)
            assert graph(connection) == before, facts
            graphs.append(before)
            rng.shuffle(facts)
        assert graphs[0] == graphs[1] == graphs[2], facts


def test_a_correction_closes_its_own_paths_and_keeps_what_was_believed(connection: psycopg.Connection[Any]) -> None:
    lot, other, unit, patient = thing("lot"), thing("other"), thing("unit", "unit"), thing("patient", "patient")
    write_facts(
        connection,
        [
            fact(1, 10, 100, inputs=(lot,), outputs=(unit,)),
            fact(2, 10, 101, inputs=(other,), outputs=(unit,)),
            fact(3, 20, 110, links=(Link("meant_for", unit, patient),)),
        ],
    )
    nodes = find_nodes(connection, [lot.key, other.key, patient.key])

    def came_from(known_at: int) -> set[str]:
        found = trace(connection, Question("back", known_at=known_at), [nodes[patient.key].no])
        return {node.key for node in name_nodes(connection, found.nodes.tolist())} & {lot.key, other.key}

    assert came_from(FOREVER - 1) == {lot.key, other.key}
    write_facts(connection, [fact(4, 30, 200, id="ni:1#error", voids="ni:1")])
    assert came_from(FOREVER - 1) == {other.key}
    assert came_from(200) == {other.key}
    assert came_from(199) == {lot.key, other.key}
    assert came_from(100) == set()
    assert connection.execute("select count(*) from lineage_edge").fetchone() == (5,)


def test_what_was_in_a_box_follows_the_box_only_while_it_was_in(connection: psycopg.Connection[Any]) -> None:
    box, early, late, room = thing("box", "shipper"), thing("a", "unit"), thing("b", "unit"), thing("room", "room")
    write_facts(
        connection,
        [
            fact(1, 10, 10, action="ADD", parent=box, children=(early, late)),
            fact(2, 20, 20, action="DELETE", parent=box, children=(early,)),
            fact(3, 50, 50, action="DELETE", parent=box),
            fact(4, 30, 30, things=(box,), place=room),
        ],
    )
    numbers = {node.key: node.no for node in find_nodes(connection, [t.key for t in (box, early, late, room)]).values()}

    def reached(start: Thing, **asked: Any) -> set[str]:
        found = trace(connection, Question("forward", **asked), [numbers[start.key]])
        return {node.key for node in name_nodes(connection, found.nodes.tolist())} - {start.key}

    assert reached(box) == {early.key, late.key}
    assert reached(box, since=19) == {early.key, late.key}
    assert reached(box, since=20) == {late.key}
    assert reached(box, since=50) == set()
    assert reached(room) == {box.key, late.key}
    assert reached(box, since=15, at=15) == {early.key, late.key}
    assert reached(box, since=60, known_at=20) == {late.key}, "before the box was known to be emptied"


def test_offsets_fence_what_was_read_before(connection: psycopg.Connection[Any]) -> None:
    place = ("supply.events", 1)
    first = fact(1, 1, 1, inputs=(thing("a"),), outputs=(thing("b"),))
    assert write_facts(connection, [first], {place: 2}).events == 1
    assert write_facts(connection, [first, fact(4, 1, 1, inputs=(thing("a"),))], {place: 5}).events == 1
    write_facts(connection, [], {place: 3})
    assert next_offsets(connection) == {place: 5}


def test_walks_equal_the_brute_force_in_the_database(connection: psycopg.Connection[Any]) -> None:
    for seed in range(150):
        rows, question, starts = dense(seed)
        src, dst, kind, begin, end, known, until = np.array(rows, dtype=np.int64).T
        events = [LoadedEvent(f"ni:{seed}:{i}", 0, 0, "t", 0, i) for i in range(len(rows))]
        columns = Columns(src, dst, np.arange(len(rows)), begin, end, known, until, kind)
        first, _ = copy_graph(connection, [(20, f"urn:{seed}:{i}") for i in range(6)], events, columns)
        best, fewest = brute(rows, question, starts)
        for whole in (0, 3, 1000):
            found = trace(connection, question, [start + first for start in starts], whole)
            nodes = (found.nodes - first).tolist()
            assert dict(zip(nodes, found.times.tolist(), strict=True)) == best, (seed, whole)
            assert dict(zip(nodes, found.depths.tolist(), strict=True)) == fewest, (seed, whole)


def test_a_fan_out_is_cut_at_the_earliest(connection: psycopg.Connection[Any]) -> None:
    lot = thing("lot")
    write_facts(connection, [fact(n, 10 + n, n, links=(Link("derived_from", lot, thing(f"u{n}")),)) for n in range(9)])
    start = find_nodes(connection, [lot.key])[lot.key].no
    found = trace(connection, Question("forward", fan_out=4), [start])
    assert {node.key for node in name_nodes(connection, found.nodes.tolist())} == {
        lot.key,
        *(f"urn:u{n}" for n in range(4)),
    }
    assert found.limits == ["fan_out"]
