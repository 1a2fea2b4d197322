"""The in-memory past gives what was known before an offset: the newest version of each row, and known hashes."""

from __future__ import annotations

import numpy as np

from schemas.events import Event
from schemas.instants import Instant
from twins.block import Effects, Memory, Wanted
from twins.frame import Fact, Frame
from twins.past import MemoryPast


def kept(past: MemoryPast, offset: int, rows: list[Memory], accepted: bool = True) -> None:
    event = Event(str(offset), "s", "t", "B", Instant(7), Instant(7), None)
    frame = Frame("t", 0, offset, offset, [Fact(offset, 0, event, 1000 + offset)], [])
    effects = Effects(np.array([accepted]))
    effects.memory = rows
    past.keep(frame, effects)


def test_gives_the_newest_mark_before_and_all_inputs_since_it() -> None:
    past = MemoryPast()
    kept(past, 1, [Memory("B", "mark", 100, 1, b"m1"), Memory("B", "input", 50, 1, b"i0")])
    kept(past, 2, [Memory("B", "input", 120, 2, b"i1"), Memory("B", "mark", 200, 2, b"m2")])
    kept(past, 3, [Memory("B", "input", 120, 3, b"i1 again"), Memory("B", "input", 90, 3, b"i2")])
    one = past.load([Wanted("B", 150, ())], 4)["B"]
    assert one.mark is not None
    assert one.mark.body == b"m1"
    assert [row.body for row in one.inputs] == [b"i1 again"]
    before = past.load([Wanted("B", 250, ())], 3)["B"]
    assert before.mark is not None
    assert before.mark.body == b"m2"
    first = past.load([Wanted("B", 10, ())], 4)["B"]
    assert first.mark is None
    assert [row.event_time for row in first.inputs] == [50, 90, 120]


def test_a_withdrawn_mark_is_passed_over() -> None:
    past = MemoryPast()
    kept(past, 1, [Memory("B", "mark", 100, 1, b"m1"), Memory("B", "mark", 200, 1, b"m2")])
    kept(past, 2, [Memory("B", "mark", 200, 2, None)])
    mark = past.load([Wanted("B", 300, ())], 3)["B"].mark
    assert mark is not None
    assert mark.body == b"m1"


def test_knows_the_hashes_of_accepted_facts_of_the_times_asked_for() -> None:
    past = MemoryPast()
    kept(past, 1, [])
    kept(past, 2, [], accepted=False)
    assert past.load([Wanted("B", 0, (7,))], 5)["B"].seen == {1001}
    assert past.load([Wanted("B", 0, (8,))], 5)["B"].seen == frozenset()
    assert past.load([Wanted("B", 0, (7,))], 1)["B"].seen == frozenset()


def test_rows_kept_before_the_first_frame_stand_behind_newer_ones() -> None:
    past = MemoryPast()
    kept(past, 5, [Memory("B", "input", 120, 5, b"newer")])
    older = [Memory("B", "input", 120, 2, b"older"), Memory("B", "mark", 100, 1, b"m1")]
    past.seed(older)
    past.seed(older)
    assert [row.body for row in past.load([Wanted("B", 150, ())], 6)["B"].inputs] == [b"newer"]
    before = past.load([Wanted("B", 150, ())], 5)["B"]
    assert [row.body for row in before.inputs] == [b"older"]
    assert before.mark is not None
