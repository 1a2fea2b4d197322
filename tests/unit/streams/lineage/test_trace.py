"""The walk against a brute force that tries every path in time order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schemas.errors import UsageError
from streams.lineage.kinds import FOREVER
from streams.lineage.trace import Edges, Question, Reached, Trace
from tests.support.lineage_reference import Row, brute, dense, usable


def walk(rows: list[Row], question: Question, starts: list[int]) -> Reached:
    """Drive a Trace as the database does, from a list."""
    rows = usable(rows, question)
    near, far = (0, 1) if question.direction == "forward" else (1, 0)
    trace = Trace(question, np.array(starts, dtype=np.int64))
    while (frontier := trace.frontier()) is not None:
        found, cut = [], False
        for slot, node in enumerate(frontier.nodes):
            own = sorted((row for row in rows if row[near] == node), key=lambda row: row[3])
            cut |= len(own) > question.fan_out
            found += [(slot, row[far], row[2], row[3], row[4]) for row in own[: question.fan_out]]
        trace.take(Edges(*np.array(found, dtype=np.int64).reshape(-1, 5).T), cut)
    return trace.reached()


def test_equals_brute_force_with_cycles_diamonds_intervals_and_corrections() -> None:
    for seed in range(3000):
        rows, question, starts = dense(seed)
        found = walk(rows, question, starts)
        best, fewest = brute(rows, question, starts)
        assert dict(zip(found.nodes.tolist(), found.times.tolist(), strict=True)) == best, seed
        assert dict(zip(found.nodes.tolist(), found.depths.tolist(), strict=True)) == fewest, seed
        assert len(found.nodes) == len(set(found.nodes.tolist()))
        deeper, _ = brute(rows, replace(question, depth=question.depth + 1), starts)
        assert found.truncated == (deeper != best), seed


def test_every_path_shown_is_one_in_time_order() -> None:
    for seed in range(2000):
        check_paths(*dense(seed))


def check_paths(rows: list[Row], question: Question, starts: list[int]) -> None:
    start = starts[0]
    found = walk(rows, question, [start])
    allowed = {(row[0], row[1], row[2], row[3]): row[4] for row in sorted(usable(rows, question), key=lambda r: r[4])}
    forward = question.direction == "forward"
    for node, reached in zip(found.nodes.tolist(), found.times.tolist(), strict=True):
        path = found.path(node)
        assert len(path) <= question.depth
        at, time = start, question.since if forward else question.at
        for hop in path:
            src, dst = (hop.near, hop.far) if forward else (hop.far, hop.near)
            end = allowed[src, dst, hop.kind, hop.valid_from]
            assert hop.near == at
            assert time < end if forward else hop.valid_from <= time
            time = max(time, hop.valid_from) if forward else min(time, end - 1)
            at = hop.far
            if forward:
                assert time == hop.reached
        assert at == node
        if forward:
            assert time == reached


def test_what_left_before_the_trouble_entered_is_not_reached() -> None:
    lot, early, late, trouble = 1, 2, 3, 0
    rows: list[Row] = [
        (lot, early, 0, 10, 11, 0, FOREVER),
        (trouble, lot, 0, 20, 21, 0, FOREVER),
        (lot, late, 0, 30, 31, 0, FOREVER),
    ]
    assert walk(rows, Question("forward"), [trouble]).nodes.tolist() == [trouble, lot, late]
    assert walk(rows, Question("back"), [early]).nodes.tolist() == [lot, early]


def test_bounds_are_met_with_a_mark() -> None:
    rows: list[Row] = [(0, n, 0, n, n + 1, 0, FOREVER) for n in range(1, 9)]
    few = walk(rows, Question("forward", fan_out=3), [0])
    assert (few.nodes.tolist(), few.limits) == ([0, 1, 2, 3], ["fan_out"])
    small = walk(rows, Question("forward", most_nodes=5), [0])
    assert (len(small.nodes), small.limits, small.truncated) == (5, ["most_nodes"], True)
    whole = walk(rows, Question("forward", most_nodes=9, fan_out=8), [0])
    assert (len(whole.nodes), whole.truncated) == (9, False)
    with pytest.raises(UsageError, match="bounds of 1 or more"):
        Question("forward", depth=0)
