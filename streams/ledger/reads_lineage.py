"""Read the lineage graph for people: names, evidence, holds, common causes. Every edge names its event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from schemas.instants import EARLIEST, LATEST, format_instant
from streams.ledger.lineage_arrays import Int4s, Int8s, speak_arrays
from streams.ledger.lineage_nodes import Node
from streams.ledger.reads import Connection
from streams.lineage.kinds import FOREVER, KIND_NO, KINDS, TYPE_NO, TYPES
from streams.lineage.trace import Hop, Question, Reached

_PLACES = [KIND_NO["located_in"], KIND_NO["aggregated_in"]]
_HIGHEST = 8  # containers and places around a thing; assumed: bag, cassette, shipper, vehicle, room, site
_WHERE_TYPES = [TYPE_NO[name] for name in ("site", "place", "room")]  # the first that is found counts

_PAGE = """
select n.no, n.type, n.key, r.depth, r.reached from unnest(%(nodes)s, %(depths)s, %(times)s) as r (no, depth, reached)
join lineage_node n using (no) where %(types)s::int[] is null or n.type = any(%(types)s)
order by r.depth, n.key limit %(limit)s
"""
_COUNTS = "select type, count(*) as count from lineage_node where no = any(%(nodes)s) group by type order by type"
_NAMES = "select no, type, key from lineage_node where no = any(%(nodes)s)"
_EVIDENCE = """
select e.src, e.dst, e.kind, e.valid_from, e.valid_until, e.known_from, e.known_until, b.id, b.topic, b.partition,
    b.rec_offset as "offset", n.id as ended_by
from unnest(%(src)s, %(dst)s) as w (src, dst) join lineage_edge e using (src, dst)
    join lineage_event b on b.no = e.event left join lineage_event n on n.no = e.ended_by
where e.known_from <= %(known_at)s and e.known_until > %(known_at)s
order by e.valid_from, b.id
"""
_AMONG = """
select e.src, e.dst, e.kind, e.valid_from, e.valid_until, e.known_from, e.known_until, b.id, b.topic, b.partition,
    b.rec_offset as "offset", n.id as ended_by
from unnest(%(nodes)s) as w (src) join lineage_edge e using (src)
    join lineage_event b on b.no = e.event left join lineage_event n on n.no = e.ended_by
where e.dst = any(%(nodes)s) and e.known_from <= %(known_at)s and e.known_until > %(known_at)s
    and e.valid_from <= %(at)s and e.valid_until > %(since)s
    and (%(kinds)s::int[] is null or e.kind = any(%(kinds)s::int[]))
order by e.valid_from, b.id, e.src, e.dst limit %(limit)s
"""
_MEANT = """
select e.src as unit, e.dst as patient from unnest(%(nodes)s) as w (src) join lineage_edge e using (src)
where e.kind = %(kind)s and e.known_from <= %(known_at)s and e.known_until > %(known_at)s
    and e.valid_from <= %(at)s and e.dst = any(%(nodes)s)
group by e.src, e.dst
"""
_WHERE = """
with recursive up (thing, node, depth) as (
    select no, no, 0 from unnest(%(nodes)s) as t (no)
    union
    select up.thing, e.src, up.depth + 1 from up cross join lateral (
        select src from lineage_edge where dst = up.node and kind = any(%(kinds)s) and valid_from <= %(at)s
            and valid_until > %(at)s and known_from <= %(known_at)s and known_until > %(known_at)s offset 0
    ) e where up.depth < %(highest)s
)
select distinct on (up.thing) up.thing, n.no as place from up join lineage_node n on n.no = up.node
where up.depth > 0 and n.type = any(%(types)s::int[])
order by up.thing, array_position(%(types)s::int[], n.type::int), up.depth desc, n.key
"""


async def find(connection: Connection, keys: Collection[str]) -> dict[str, Node]:
    """Find things by key; what is not known is left out."""
    rows = await _all(connection, "select no, type, key from lineage_node where key = any(%(keys)s)", keys=list(keys))
    return {row["key"]: Node(row["no"], TYPES[row["type"]], row["key"]) for row in rows}


async def names(connection: Connection, numbers: Collection[int]) -> dict[int, Node]:
    """Give what stands behind numbers."""
    rows = await _all(connection, _NAMES, nodes=Int4s(np.array(sorted(numbers), dtype=np.int64)))
    return {row["no"]: Node(row["no"], TYPES[row["type"]], row["key"]) for row in rows}


async def counts(connection: Connection, reached: Reached) -> dict[str, int]:
    """Count what was reached by type."""
    rows = await _all(connection, _COUNTS, nodes=Int4s(reached.nodes))
    return {TYPES[row["type"]]: row["count"] for row in rows}


async def page(
    connection: Connection, reached: Reached, types: Sequence[int], limit: int
) -> list[tuple[Node, int, int]]:
    """Give (node, fewest edges, instant) of the nearest things of some types (none: all), by depth and key."""
    columns = {"nodes": Int4s(reached.nodes), "depths": Int4s(reached.depths), "times": Int8s(reached.times)}
    rows = await _all(connection, _PAGE, **columns, types=list(types) or None, limit=limit)
    return [(Node(row["no"], TYPES[row["type"]], row["key"]), row["depth"], row["reached"]) for row in rows]


# Any: edges as JSON.
async def evidence(
    connection: Connection, question: Question, paths: dict[int, list[Hop]]
) -> dict[int, list[dict[str, Any]]]:
    """Give each path's edges with the events they come from, in the order in which they were walked."""
    forward = question.direction == "forward"
    hops = {hop for path in paths.values() for hop in path}
    pairs = sorted({(hop.near, hop.far) if forward else (hop.far, hop.near) for hop in hops})
    if not pairs:
        return {node: [] for node in paths}
    ends = np.array(pairs, dtype=np.int64).T
    rows = await _all(connection, _EVIDENCE, src=Int4s(ends[0]), dst=Int4s(ends[1]), known_at=question.known_at)
    found = {(row["src"], row["dst"], row["kind"], row["valid_from"]): row for row in reversed(rows)}
    known = await names(connection, {node for pair in pairs for node in pair})
    told: dict[int, list[dict[str, Any]]] = {}
    for node, path in paths.items():
        told[node] = []
        for hop in path:
            src, dst = (hop.near, hop.far) if forward else (hop.far, hop.near)
            row = found.get((src, dst, hop.kind, hop.valid_from))
            if row is not None:  # else it was rewritten since the walk
                told[node].append(edge_of(row, known))
    return told


# Any: edges as JSON.
async def edges_among(
    connection: Connection, reached: Reached, limit: int
) -> tuple[list[dict[str, Any]], dict[int, Node], bool]:
    """Give the edges between what was reached, the things at their ends, and whether there are more than `limit`."""
    question = reached.question
    rows = await _all(
        connection,
        _AMONG,
        nodes=Int4s(reached.nodes),
        known_at=question.known_at,
        at=question.at,
        since=question.since,
        kinds=list(question.kinds) or None,
        limit=limit + 1,
    )
    known = await names(connection, reached.nodes.tolist())
    return [edge_of(row, known) for row in rows[:limit]], known, len(rows) > limit


async def meant_for(connection: Connection, reached: Reached) -> list[tuple[int, int]]:
    """Give (unit, patient) of what was reached."""
    question = reached.question
    rows = await _all(
        connection,
        _MEANT,
        nodes=Int4s(reached.nodes),
        kind=KIND_NO["meant_for"],
        at=question.at,
        known_at=question.known_at,
    )
    return [(row["unit"], row["patient"]) for row in rows]


async def places(connection: Connection, things: Collection[int], at: int, known_at: int) -> dict[int, int]:
    """Give where things are at an instant: the site around them, else the outermost place or room; by number."""
    rows = await _all(
        connection,
        _WHERE,
        nodes=Int4s(np.array(sorted(things), dtype=np.int64)),
        kinds=_PLACES,
        types=_WHERE_TYPES,
        at=at,
        known_at=known_at,
        highest=_HIGHEST,
    )
    return {row["thing"]: row["place"] for row in rows}


# Any: a row as JSON.
async def applied(connection: Connection) -> list[dict[str, Any]]:
    """Give the next offset to read of each partition that the graph follows."""
    return await _all(connection, "select topic, partition, next_offset from lineage_applied order by 1, 2")


# Any: a row, and an edge as JSON.
def edge_of(row: dict[str, Any], known: dict[int, Node]) -> dict[str, Any]:
    """Write an edge as people read it."""
    return {
        "kind": KINDS[row["kind"]],
        "from": known[row["src"]].key,
        "to": known[row["dst"]].key,
        "valid_from": text_of(row["valid_from"]),
        "valid_until": text_of(row["valid_until"]),
        "known_from": text_of(row["known_from"]),
        "known_until": text_of(row["known_until"]),
        "event": row["id"],
        "ended_by": row["ended_by"],
        "topic": row["topic"],
        "partition": row["partition"],
        "offset": row["offset"],
    }


def text_of(instant: int) -> str | None:
    """Write an instant as RFC 3339; none is for ever, or since nobody knows when."""
    return format_instant(instant) if EARLIEST <= instant < min(LATEST, FOREVER) else None


# Any: parameters and rows of a statement.
async def _all(connection: Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    async with connection.cursor(binary=True, row_factory=dict_row) as cursor:
        speak_arrays(cursor)
        await cursor.execute(statement.encode(), parameters)
        return await cursor.fetchall()
