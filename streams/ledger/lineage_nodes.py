"""The numbers of things in the lineage graph, and what stands behind a number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import psycopg

from streams.lineage.facts import Thing
from streams.lineage.kinds import TYPE_NO, TYPES


class Node(NamedTuple):
    """One thing, by number."""

    no: int
    type: str
    key: str


_NAMES = (
    "select no, type, key from unnest(%s::int[]) with ordinality as u (no, place) join lineage_node using (no)"
    " order by place"
)
_NUMBERS = "select key, no, type from lineage_node where key = any(%s)"


def learn_nodes(connection: psycopg.Connection[Any], things: Collection[Thing]) -> dict[str, int]:
    """Find or make the numbers of things, by key, in the caller's transaction.

    Of several types that events gave one key, the first of TYPES counts, whatever came first.
    """
    types: dict[str, int] = {}
    for thing in things:
        types[thing.key] = min(types.get(thing.key, len(TYPES)), TYPE_NO[thing.type])
    keys = sorted(types)
    rows = connection.execute(_NUMBERS, (keys,)).fetchall()
    known = {key: no for key, no, _ in rows}
    better = [(no, types[key]) for key, no, type_no in rows if types[key] < type_no]
    if better:
        numbers, ranks = (list(column) for column in zip(*better, strict=True))
        connection.execute(
            "update lineage_node n set type = u.type from unnest(%s::int[], %s::smallint[]) as u (no, type)"
            " where n.no = u.no",
            (numbers, ranks),
        )
    new = [key for key in keys if key not in known]
    if new:
        known.update(
            connection.execute(
                "insert into lineage_node (type, key) select * from unnest(%s::smallint[], %s::text[])"
                " returning key, no",
                ([types[key] for key in new], new),
            ).fetchall()
        )
    return known


def find_nodes(connection: psycopg.Connection[Any], keys: Sequence[str]) -> dict[str, Node]:
    """Find things by key; what is not known is left out."""
    return {key: Node(no, TYPES[kind], key) for key, no, kind in connection.execute(_NUMBERS, (list(keys),)).fetchall()}


def name_nodes(connection: psycopg.Connection[Any], numbers: Sequence[int]) -> list[Node]:
    """Give what stands behind numbers, in their order."""
    rows = connection.execute(_NAMES, (list(numbers),)).fetchall()
    return [Node(no, TYPES[kind], key) for no, kind, key in rows]
