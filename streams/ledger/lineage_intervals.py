"""Derive the interval edges of some things anew from all their marks, and write what differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import psycopg

from streams.lineage.intervals import Point, intervals_of
from streams.lineage.kinds import FOREVER, KIND_NO

Group = tuple[int, int]  # number of kind, number of the thing that is inside or there

_ONE_PLACE = KIND_NO["located_in"]  # a thing is in one place at a time: all its places are one sequence
_COLUMNS = "src, dst, event, ended_by, valid_from, valid_until, known_from, known_until, kind"
_WANTED = "unnest(%(kinds)s::smallint[], %(things)s::int[]) as w (kind, dst)"
_MARKS = f"""
with own as (
    select m.* from {_WANTED} join lineage_mark m using (kind, dst)
), found as (
    select kind, dst, src, action, at, event from own
    union all
    select m.kind, o.dst, m.src, m.action, m.at, m.event from (select distinct kind, dst, src from own) o
    join lineage_mark m on m.kind = o.kind and m.src = o.src and m.dst is null
)
select f.kind, f.dst, coalesce(f.src, 0), f.action, f.at, f.event, e.id, coalesce(n.key, ''), e.known_at,
    coalesce(v.known_at, {FOREVER})
from found f join lineage_event e on e.no = f.event left join lineage_void v on v.id = e.id
    left join lineage_node n on n.no = f.src
"""
_PRESENT = f"""
select e.* from {_WANTED} cross join lateral (
    select ctid::text as place, {_COLUMNS} from lineage_edge e where e.dst = w.dst and e.kind = w.kind
        and exists (select from lineage_mark m where m.event = e.event and m.kind = e.kind) offset 0
) e
"""


class _Row(NamedTuple):
    src: int
    dst: int
    event: int
    ended_by: int | None
    valid_from: int
    valid_until: int
    known_from: int
    known_until: int
    kind: int


def derive_intervals(connection: psycopg.Connection[Any], groups: Collection[Group]) -> int:
    """Bring the interval edges of groups in line with their marks, in the caller's transaction; give rows written."""
    if not groups:
        return 0
    kinds, things = (list(column) for column in zip(*sorted(groups), strict=True))
    wanted = {"kinds": kinds, "things": things}
    marks = defaultdict(set)
    for kind, dst, src, action, at, event, event_id, key, known_from, known_until in connection.execute(_MARKS, wanted):
        marks[kind, dst].add(Point(at, bool(action), event_id, key, event, src, known_from, known_until))
    should = {row for group, points in marks.items() for row in _rows(group, points)}
    present = {_Row(*row): place for place, *row in connection.execute(_PRESENT, wanted)}
    gone, new = sorted(present.keys() - should, key=repr), sorted(should - present.keys(), key=repr)
    if gone:  # nobody else writes meanwhile: the places hold
        connection.execute("delete from lineage_edge where ctid = any(%s::tid[])", ([present[row] for row in gone],))
    if new:
        with connection.cursor().copy(f"copy lineage_edge ({_COLUMNS}) from stdin") as copy:
            for row in new:
                copy.write_row(row)
    return len(new)


def _rows(group: Group, points: Collection[Point]) -> Iterator[_Row]:
    """Give the rows of one thing: one sequence over all places, or one for each container."""
    kind, dst = group
    if kind == _ONE_PLACE:
        sequences = [list(points)]
    else:
        anywhere = [point for point in points if not point.src]
        containers = {point.src for point in points if point.src}
        sequences = [[*anywhere, *(point for point in points if point.src == one)] for one in containers]
    for sequence in sequences:
        for one in intervals_of(sequence):
            yield _Row(one.src, dst, *one[1:], kind)
