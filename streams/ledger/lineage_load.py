"""Load a whole lineage graph by COPY, into tables that hold none of its things yet: a first fill, or a test's graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from schemas.errors import LedgerError, UsageError
from streams.ledger import binary

Ints = NDArray[np.int64]

EDGE_COLUMNS = ("src", "dst", "event", "valid_from", "valid_until", "known_from", "known_until", "kind")
_SIZES = {"src": 4, "dst": 4, "event": 4, "kind": 2}  # bytes; the others 8


@dataclass(frozen=True, slots=True)
class Columns:
    """Edges as columns, arrays (m,); `src`, `dst` and `event` count from 0 in the graph that they come with."""

    src: Ints
    dst: Ints
    event: Ints
    valid_from: Ints
    valid_until: Ints
    known_from: Ints
    known_until: Ints
    kind: Ints


@dataclass(frozen=True, slots=True)
class LoadedEvent:
    """One event that edges come from."""

    id: str
    event_time: int
    known_at: int
    topic: str
    partition: int
    offset: int


def copy_graph(
    connection: psycopg.Connection[Any],
    nodes: Sequence[tuple[int, str]],
    events: Sequence[LoadedEvent],
    edges: Columns,
) -> tuple[int, int]:
    """Load nodes, given as (number of type, key), events and edges in one transaction; give both first numbers.

    Raises
    ------
    UsageError
        If an edge names a node or an event that is not given.
    psycopg.errors.UniqueViolation
        If a node or an event is there already; then nothing is loaded.
    """
    for column, size in ((edges.src, len(nodes)), (edges.dst, len(nodes)), (edges.event, len(events))):
        if len(column) and not (int(column.min()) >= 0 and int(column.max()) < size):
            raise UsageError(f"expected edges among {len(nodes)} nodes and {len(events)} events, received others")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("lock table lineage_node, lineage_event in share row exclusive mode")
        first_node = _reserve(cursor, "lineage_node", len(nodes))
        first_event = _reserve(cursor, "lineage_event", len(events))
        with cursor.copy("copy lineage_node (no, type, key) from stdin (format binary)") as copy:
            copy.set_types(["int4", "int2", "text"])
            for no, (kind, key) in enumerate(nodes, first_node):
                copy.write_row((no, kind, key))
        with cursor.copy(
            "copy lineage_event (no, id, event_time, known_at, topic, partition, rec_offset) from stdin (format binary)"
        ) as copy:
            copy.set_types(["int4", "text", "int8", "int8", "text", "int4", "int8"])
            for no, one in enumerate(events, first_event):
                copy.write_row((no, one.id, one.event_time, one.known_at, one.topic, one.partition, one.offset))
        with cursor.copy(f"copy lineage_edge ({', '.join(EDGE_COLUMNS)}) from stdin (format binary)") as copy:
            copy.write(binary.SIGNATURE + _edge_rows(edges, first_node, first_event) + binary.TRAILER)
    return first_node, first_event


def settle(connection: psycopg.Connection[Any]) -> None:
    """Make a fresh load fast to read: statistics, and pages marked visible. On a connection in autocommit."""
    for table in ("lineage_node", "lineage_event", "lineage_edge"):
        connection.execute(f"vacuum (analyze) {table}")


def _reserve(cursor: psycopg.Cursor[Any], table: str, count: int) -> int:
    """Take so many numbers of a table's identity; give the first."""
    cursor.execute(f"select coalesce(max(no), 0) from {table}")
    row = cursor.fetchone()
    if row is None:
        raise LedgerError(f"expected a number of rows of {table}, received none")
    first = int(row[0]) + 1
    if count:
        cursor.execute("select setval(pg_get_serial_sequence(%s, 'no'), %s)", (table, first + count - 1))
    return first


def _edge_rows(edges: Columns, first_node: int, first_event: int) -> bytes:
    """Build rows of COPY BINARY, all of one length."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name in EDGE_COLUMNS:
        fields += [(f"{name}_length", ">i4"), (name, f">i{_SIZES.get(name, 8)}")]
    rows = np.zeros(len(edges.src), dtype=np.dtype(fields))
    rows["fields"] = len(EDGE_COLUMNS)
    base = {"src": first_node, "dst": first_node, "event": first_event}
    for name in EDGE_COLUMNS:
        rows[f"{name}_length"] = _SIZES.get(name, 8)
        rows[name] = getattr(edges, name) + base.get(name, 0)
    return rows.tobytes()
