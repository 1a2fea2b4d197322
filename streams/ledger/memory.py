"""What twins asked to be kept, read back for late facts: only what was known before the frame at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from schemas.instants import Instant, format_instant
from twins.block import Memory, Past, TwinPast, Wanted

# timestamptz as whole microseconds since 1970, without a detour over floats
_US = "(extract(epoch from {0}) * 1000000)::bigint"

_MARKS = f"""
select w.i, {_US.format("m.event_time")}, m.rec_offset, m.body
from unnest(%(i)s::int[], %(no)s::int[], %(since)s::timestamptz[], %(marks_from)s::bigint[]) as w(i, no, since, least)
cross join lateral (
    select * from (
        select distinct on (event_time) event_time, rec_offset, body from memory
        where twin_no = w.no and kind = 'mark' and event_time <= w.since and rec_offset < %(before)s
            and rec_offset >= w.least
        order by event_time desc, rec_offset desc
    ) newest where body is not null order by event_time desc limit 1
) m
"""

_INPUTS = f"""
select w.i, {_US.format("m.event_time")}, m.rec_offset, m.body
from unnest(%(i)s::int[], %(no)s::int[], %(start)s::timestamptz[], %(until)s::timestamptz[]) as w(i, no, start, until)
cross join lateral (
    select distinct on (event_time) event_time, rec_offset, body from memory
    where twin_no = w.no and kind = 'input' and event_time >= w.start and rec_offset < %(before)s
        and (w.until is null or event_time < w.until)
    order by event_time, rec_offset desc
) m
order by 1, 2
"""

_SEEN = """
select w.i, h.event_hash
from unnest(%(i)s::int[], %(no)s::int[], %(times)s::timestamptz[]) as w(i, no, at)
cross join lateral (
    select event_hash from reading where twin_no = w.no and event_time = w.at and rec_offset < %(before)s
    union all
    select event_hash from fact where twin_no = w.no and event_time = w.at and rec_offset < %(before)s
) h
"""


def load_past(connection: psycopg.Connection[Any], kind: str, wanted: Sequence[Wanted], before: int) -> Past:
    """Read the past of some twins of one partition, as it was before an offset."""
    if not wanted:
        return {}
    numbers = dict(
        connection.execute(
            "select key, no from twin where kind = %s and key = any(%s)", (kind, [one.key for one in wanted])
        ).fetchall()
    )
    known = [(i, one) for i, one in enumerate(wanted) if one.key in numbers]
    index = [i for i, _ in known]
    twin_nos = [numbers[one.key] for _, one in known]
    cursor = connection.cursor(binary=True)
    since = [_text(one.since) for _, one in known]
    marks_from = [before if one.whole else one.marks_from for _, one in known]
    marks = {
        i: Memory(wanted[i].key, "mark", int(at), int(offset), bytes(body))
        for i, at, offset, body in cursor.execute(
            _MARKS, {"i": index, "no": twin_nos, "since": since, "marks_from": marks_from, "before": before}
        )
    }
    inputs: dict[int, list[Memory]] = {}
    starts = [_text(marks[i].event_time if i in marks else one.since if one.whole else 0) for i, one in known]
    until = [None if one.until is None else _text(one.until) for _, one in known]
    for i, at, offset, body in cursor.execute(
        _INPUTS, {"i": index, "no": twin_nos, "start": starts, "until": until, "before": before}
    ):
        inputs.setdefault(i, []).append(
            Memory(wanted[i].key, "input", int(at), int(offset), None if body is None else bytes(body))
        )
    seen: dict[int, set[int]] = {}
    pairs = [(i, numbers[one.key], at) for i, one in known for at in one.times]
    if pairs:
        for i, digest in cursor.execute(
            _SEEN,
            {
                "i": [i for i, _, _ in pairs],
                "no": [no for _, no, _ in pairs],
                "times": [_text(at) for _, _, at in pairs],
                "before": before,
            },
        ):
            seen.setdefault(i, set()).add(digest)
    return {
        one.key: TwinPast(marks.get(i), inputs.get(i, []), frozenset(seen.get(i, ()))) for i, one in enumerate(wanted)
    }


def _text(at: int) -> str:
    return format_instant(Instant(at))
