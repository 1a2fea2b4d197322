"""Write facts into the lineage graph: a batch, its derived edges and the next offsets to read, in one transaction.

The graph is a function of the set of events and when each was known first: the same event again adds nothing, and
any order of arrival gives the same rows. Nothing that was believed is lost: a correction ends `known_until`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from streams.ledger.lineage_intervals import Group, derive_intervals
from streams.ledger.lineage_nodes import learn_nodes
from streams.lineage.facts import Fact, Mark, Said, Thing, edges_of
from streams.lineage.kinds import FOREVER

Connection = psycopg.Connection[Any]
Place = tuple[str, int]  # topic, partition

_LOCK = 7_205_008  # advisory: one writer of the graph at a time


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch came to: events that were new, declared errors, edges added; facts that were read before."""

    events: int
    voided: int
    edges: int
    known: int


def write_facts(
    connection: Connection, facts: Sequence[Fact], read_until: Mapping[Place, int] | None = None
) -> Written:
    """Add facts, in any order; move the next offset of each partition on to `read_until`.

    Facts below a partition's next offset were written by an earlier life, and fall away.

    Raises
    ------
    InvalidFieldError
        If a fact says what the graph cannot hold; nothing of the batch is written.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        fresh = _fence(connection, facts, read_until or {})
        first = _first_of_each(fresh)
        said = {fact.id: edges_of(fact) for fact in first}
        new, moved = _write_events(connection, first)
        groups: set[Group] = set()
        groups |= _hide_voided(connection, [fact for fact in first if fact.voids is not None])
        added, touched = _write_said(connection, [fact for fact in first if fact.id in new], new, said)
        groups |= touched | _move(connection, moved)
        added += derive_intervals(connection, groups)
    return Written(len(new), sum(fact.voids is not None for fact in first), added, len(facts) - len(new))


def next_offsets(connection: Connection) -> dict[Place, int]:
    """Give the next offset to read of each partition that was read from."""
    rows = connection.execute("select topic, partition, next_offset from lineage_applied").fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}


def _fence(connection: Connection, facts: Sequence[Fact], read_until: Mapping[Place, int]) -> list[Fact]:
    """Leave out what was read before, and move the offsets on."""
    if not read_until:
        return list(facts)
    topics, partitions, offsets = zip(*((*place, read_until[place]) for place in sorted(read_until)), strict=True)
    rows = connection.execute(
        "select topic, partition, next_offset from lineage_applied"
        " where (topic, partition) in (select * from unnest(%s::text[], %s::int[])) for update",
        (list(topics), list(partitions)),
    ).fetchall()
    before = {(topic, partition): offset for topic, partition, offset in rows}
    connection.execute(
        "insert into lineage_applied (topic, partition, next_offset)"
        " select * from unnest(%s::text[], %s::int[], %s::bigint[]) on conflict (topic, partition)"
        " do update set next_offset = greatest(lineage_applied.next_offset, excluded.next_offset)",
        (list(topics), list(partitions), list(offsets)),
    )
    return [fact for fact in facts if fact.source.offset >= before.get((fact.source.topic, fact.source.partition), 0)]


def _first_of_each(facts: Sequence[Fact]) -> list[Fact]:
    """Of facts with one id, the one known first; in an order of their own."""
    first: dict[str, Fact] = {}
    for fact in facts:
        if fact.id not in first or _known(fact) < _known(first[fact.id]):
            first[fact.id] = fact
    return sorted(first.values(), key=lambda fact: fact.id)


def _known(fact: Fact) -> tuple[int, str, int, int]:
    return fact.known_at, fact.source.topic, fact.source.partition, fact.source.offset


def _write_events(connection: Connection, facts: Sequence[Fact]) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """Add events; give numbers by id of those that are new, and (number, instant) of those now known earlier."""
    if not facts:
        return {}, []
    columns = [
        [fact.id for fact in facts],
        [fact.event_time for fact in facts],
        [fact.known_at for fact in facts],
        [fact.source.topic for fact in facts],
        [fact.source.partition for fact in facts],
        [fact.source.offset for fact in facts],
    ]
    unnest = "unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::int[], %s::bigint[])"
    new = dict(
        connection.execute(
            "insert into lineage_event (id, event_time, known_at, topic, partition, rec_offset)"
            f" select * from {unnest} on conflict (id) do nothing returning id, no",
            columns,
        ).fetchall()
    )
    if len(new) == len(facts):
        return new, []
    moved = connection.execute(
        "update lineage_event e set known_at = f.known_at, topic = f.topic, partition = f.partition,"
        f" rec_offset = f.rec_offset from {unnest} as f (id, event_time, known_at, topic, partition, rec_offset)"
        " where e.id = f.id and (f.known_at, f.topic, f.partition, f.rec_offset)"
        " < (e.known_at, e.topic, e.partition, e.rec_offset) returning e.no, e.known_at",
        columns,
    ).fetchall()
    return new, moved


def _hide_voided(connection: Connection, facts: Sequence[Fact]) -> set[Group]:
    """Note which events were declared errors, and since when; give the groups whose intervals that changes."""
    earliest: dict[str, Fact] = {}
    for fact in facts:
        voids = str(fact.voids)
        if voids not in earliest or _known(fact) < _known(earliest[voids]):
            earliest[voids] = fact
    if not earliest:
        return set()
    rows = connection.execute(
        "with noted as (insert into lineage_void (id, known_at, topic, partition, rec_offset)"
        " select * from unnest(%s::text[], %s::bigint[], %s::text[], %s::int[], %s::bigint[])"
        " on conflict (id) do update set known_at = excluded.known_at, topic = excluded.topic,"
        "   partition = excluded.partition, rec_offset = excluded.rec_offset"
        "   where (excluded.known_at, excluded.topic, excluded.partition, excluded.rec_offset)"
        "   < (lineage_void.known_at, lineage_void.topic, lineage_void.partition, lineage_void.rec_offset)"
        " returning id, known_at) select e.no, noted.known_at from noted join lineage_event e using (id)",
        [
            list(earliest),
            [fact.known_at for fact in earliest.values()],
            [fact.source.topic for fact in earliest.values()],
            [fact.source.partition for fact in earliest.values()],
            [fact.source.offset for fact in earliest.values()],
        ],
    ).fetchall()
    return _rebelieve(connection, rows, "known_until")


def _move(connection: Connection, moved: Sequence[tuple[int, int]]) -> set[Group]:
    """Events that came earlier by another way: what they say was known earlier too."""
    return _rebelieve(connection, moved, "known_from")


def _rebelieve(connection: Connection, events: Sequence[tuple[int, int]], column: str) -> set[Group]:
    """Set one end of record time of events' own edges; give the groups that their marks belong to."""
    if not events:
        return set()
    numbers, instants = (list(values) for values in zip(*events, strict=True))
    connection.execute(
        f"update lineage_edge e set {column} = u.known_at from unnest(%s::int[], %s::bigint[]) as u (event, known_at)"
        " where e.event = u.event and not exists (select from lineage_mark m where m.event = u.event"
        "   and m.kind = e.kind)",
        (numbers, instants),
    )
    rows = connection.execute("select kind, src, dst from lineage_mark where event = any(%s)", (numbers,)).fetchall()
    return _groups(connection, rows)


def _groups(connection: Connection, marks: Sequence[tuple[int, int | None, int | None]]) -> set[Group]:
    """Give (kind, thing) of marks; those that empty a container are about all that was ever in it."""
    groups = {(kind, dst) for kind, _, dst in marks if dst is not None}
    emptied = [(kind, src) for kind, src, dst in marks if dst is None]
    if emptied:
        kinds, containers = (list(values) for values in zip(*emptied, strict=True))
        groups |= set(
            connection.execute(
                "select distinct m.kind, m.dst from unnest(%s::smallint[], %s::int[]) as u (kind, src)"
                " join lineage_mark m using (kind, src) where m.dst is not null",
                (kinds, containers),
            ).fetchall()
        )
    return groups


def _write_said(
    connection: Connection, facts: Sequence[Fact], new: Mapping[str, int], said: Mapping[str, Said]
) -> tuple[int, set[Group]]:
    """Add the edges and marks of new events; give the number of edges, and the groups of the marks."""
    if not facts:
        return 0, set()
    things: set[Thing | None] = set()
    for fact in facts:
        for edge in said[fact.id].edges:
            things.update((edge.src, edge.dst))
        for mark in said[fact.id].marks:
            things.update((mark.src, mark.dst))
    nodes = learn_nodes(connection, {thing for thing in things if thing is not None})
    voided = dict(
        connection.execute(
            "select id, known_at from lineage_void where id = any(%s)", ([fact.id for fact in facts],)
        ).fetchall()
    )
    rows = [
        (
            nodes[edge.src.key],
            nodes[edge.dst.key],
            new[fact.id],
            edge.at,
            edge.until,
            fact.known_at,
            voided.get(fact.id, FOREVER),
            edge.kind,
        )
        for fact in facts
        for edge in said[fact.id].edges
    ]
    with connection.cursor().copy(
        "copy lineage_edge (src, dst, event, valid_from, valid_until, known_from, known_until, kind) from stdin"
    ) as copy:
        for row in rows:
            copy.write_row(row)
    marks = [_mark_row(mark, new[fact.id], nodes) for fact in facts for mark in said[fact.id].marks]
    with connection.cursor().copy("copy lineage_mark (event, kind, action, src, dst, at) from stdin") as copy:
        for one in marks:
            copy.write_row(one)
    return len(rows), _groups(connection, [(kind, src, dst) for _, kind, _, src, dst, _ in marks])


def _mark_row(mark: Mark, event: int, nodes: Mapping[str, int]) -> tuple[int, int, int, int | None, int | None, int]:
    src = nodes[mark.src.key] if mark.src is not None else None
    dst = nodes[mark.dst.key] if mark.dst is not None else None
    return event, mark.kind, int(mark.opens), src, dst, mark.at
