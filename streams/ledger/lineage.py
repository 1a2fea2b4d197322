"""Walk the lineage graph in PostgreSQL, each walk in one snapshot.

A small neighbourhood, as most back traces are, comes whole in one statement, a recursive query that is broken off
where it grows; a large one level by level, one statement that reads one index for each. Both feed the same walk, which
is exact (`streams/lineage/trace.py`). docs/supply_lineage.md has what was measured of each way alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row

from streams.ledger.lineage_arrays import Int4s, Int8s, speak_arrays
from streams.lineage.trace import Edges, Frontier, Question, Reached, Trace

Ints = NDArray[np.int64]
Row = dict[str, Any] | None  # columns as arrays
Asked = tuple[str, dict[str, Any]]

_SNAPSHOT = "set transaction isolation level repeatable read, read only"
WHOLE = 1000  # edges of a neighbourhood that is fetched whole; assumed: a patient's whole story is some dozens

_COLUMNS = "array_agg(kind) as kind, array_agg(valid_from) as start, array_agg(valid_until) as until"


def _edges(near: str, far: str, node: str, reached: str) -> str:
    """Edges of a node that was reached, that are open to it and were known; in the order of the index."""
    window = {
        "src": f"valid_until > {reached} and valid_from <= %(bound)s",
        "dst": f"valid_from <= {reached} and valid_until > %(bound)s",
    }
    return (
        f"select {near} as near, {far} as far, kind, valid_from, valid_until from lineage_edge where {near} = {node}"
        f" and known_from <= %(known_at)s and known_until > %(known_at)s and {window[near]}"
        " and (%(kinds)s::int[] is null or kind = any(%(kinds)s::int[])) order by valid_from limit %(limit)s"
    )


def _level(near: str, far: str) -> str:
    return (
        f"select array_agg(slot) as slot, array_agg(far) as far, {_COLUMNS} from (select f.slot::int4 as slot, e.*"
        " from unnest(%(nodes)s, %(times)s) with ordinality as f (node, reached, slot)"
        f" cross join lateral ({_edges(near, far, 'f.node', 'f.reached')}) e) level"
    )


def _whole(near: str, far: str, label: str) -> str:
    return (
        "with recursive w (near, far, kind, valid_from, valid_until, reached) as ("
        " select 0, node, 0::smallint, 0::bigint, 0::bigint, reached"
        " from unnest(%(nodes)s, %(times)s) as f (node, reached)"
        f" union select e.*, {label} from w cross join lateral ({_edges(near, far, 'w.far', 'w.reached')}) e)"
        f" select array_agg(near) as near, array_agg(far) as far, {_COLUMNS}"
        " from (select * from w where near <> 0 limit %(whole)s) found"
    )


_LEVEL = {"forward": _level("src", "dst"), "back": _level("dst", "src")}
_WHOLE = {
    "forward": _whole("src", "dst", "greatest(w.reached, e.valid_from)"),
    "back": _whole("dst", "src", "least(w.reached, e.valid_until - 1)"),
}


def trace(
    connection: psycopg.Connection[Any], question: Question, starts: Sequence[int], whole: int = WHOLE
) -> Reached:
    """Walk from nodes, given by number, on a connection outside of a transaction.

    `whole`: up to how many edges to fetch at once; 0: always level by level.
    """
    walk = Trace(question, np.array(starts, dtype=np.int64))
    with connection.cursor(binary=True, row_factory=dict_row) as cursor:
        speak_arrays(cursor)
        asked = _ask_whole(walk, question, whole)
        if asked and _walk_in_memory(walk, cursor.execute(*asked, prepare=False).fetchone(), whole):
            return walk.reached()
        with connection.transaction():
            cursor.execute(_SNAPSHOT)
            while asked := _ask_level(walk, question):
                walk.take(*_read(cursor.execute(*asked, prepare=False).fetchone(), question))
    return walk.reached()


async def trace_async(
    connection: psycopg.AsyncConnection[Any], question: Question, starts: Sequence[int], whole: int = WHOLE
) -> Reached:
    """Walk from nodes, given by number, as `trace` does."""
    walk = Trace(question, np.array(starts, dtype=np.int64))
    async with connection.cursor(binary=True, row_factory=dict_row) as cursor:
        speak_arrays(cursor)
        asked = _ask_whole(walk, question, whole)
        if asked:
            await cursor.execute(*asked, prepare=False)
            if _walk_in_memory(walk, await cursor.fetchone(), whole):
                return walk.reached()
        async with connection.transaction():
            await cursor.execute(_SNAPSHOT)
            while asked := _ask_level(walk, question):
                await cursor.execute(*asked, prepare=False)
                walk.take(*_read(await cursor.fetchone(), question))
    return walk.reached()


def _ask_whole(walk: Trace, question: Question, whole: int) -> Asked | None:
    frontier = walk.frontier()
    if frontier is None or not 0 < whole < question.fan_out or len(frontier.nodes) > whole:
        return None
    return _WHOLE[question.direction], {**_parameters(question, frontier), "whole": whole + 1}


def _ask_level(walk: Trace, question: Question) -> Asked | None:
    frontier = walk.frontier()
    return None if frontier is None else (_LEVEL[question.direction], _parameters(question, frontier))


def _walk_in_memory(walk: Trace, row: Row, whole: int) -> bool:
    """Walk over a neighbourhood if it is here as a whole; say whether it is."""
    if row is not None and row["near"] is not None and len(row["near"]) > whole:
        return False
    none = np.zeros(0, dtype=np.int64)
    near, *columns = (none,) * 5 if row is None or row["near"] is None else _once_each(row)
    while (frontier := walk.frontier()) is not None:
        first = np.searchsorted(near, frontier.nodes, "left")
        count = np.searchsorted(near, frontier.nodes, "right") - first
        slot = np.repeat(np.arange(len(count)), count)
        rows = np.arange(int(count.sum())) + np.repeat(first - np.cumsum(count) + count, count)
        walk.take(Edges(slot, *(column[rows] for column in columns)))
    return True


def _once_each(row: dict[str, Any]) -> list[Ints]:
    """Sort edges by their near end; one that was open to two arrivals came twice."""
    columns = [row[name] for name in ("near", "far", "kind", "start", "until")]
    return list(np.unique(np.stack(columns), axis=1))


def _parameters(question: Question, frontier: Frontier) -> dict[str, Any]:
    return {
        "nodes": Int4s(frontier.nodes),
        "times": Int8s(frontier.times),
        "known_at": question.known_at,
        "bound": question.at if question.direction == "forward" else question.since,
        "kinds": list(question.kinds) or None,
        "limit": question.fan_out + 1,
    }


def _read(row: Row, question: Question) -> tuple[Edges, bool]:
    """Read a level's answer; leave out what passes the limit of one node, and say whether something did."""
    if row is None or row["slot"] is None:
        none = np.zeros(0, dtype=np.int64)
        return Edges(none, none, none, none, none), False
    edges = Edges(row["slot"] - 1, row["far"], row["kind"], row["start"], row["until"])
    if len(edges.slot) <= question.fan_out:
        return edges, False
    # rows of one slot stand together, in their order: the place of each within its slot
    first = np.flatnonzero(np.r_[True, edges.slot[1:] != edges.slot[:-1]])
    within = np.arange(len(edges.slot)) - np.repeat(first, np.diff(np.r_[first, len(edges.slot)]))
    keep = within < question.fan_out
    return Edges(*(column[keep] for column in edges)), not bool(keep.all())
