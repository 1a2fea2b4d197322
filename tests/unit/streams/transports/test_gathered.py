"""Frames that wait are put together where they follow each other, and never else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from streams.transports.coalescing import Gathered, RawFrame


@dataclass(frozen=True)
class Row:
    offset: int


def frame(first: int, after: int, follows: int | None) -> RawFrame:
    made = RawFrame([Row(offset) for offset in range(first, after)])
    made.follows = follows
    return made


def test_frames_of_a_partition_that_follow_are_one() -> None:
    waiting = Gathered(10)
    assert waiting.take(3, frame(5, 8, None))
    assert waiting.take(1, frame(0, 2, 0))
    assert waiting.take(3, frame(8, 10, 8))
    given = waiting.give()
    assert list(given) == [3, 1]
    assert [row.offset for row in given[3][0]] == [5, 6, 7, 8, 9]
    assert (given[3][1], given[1][1]) == (None, 0)
    assert waiting.give() == {}


@pytest.mark.parametrize("second", [frame(9, 11, 9), frame(9, 11, None), frame(8, 17, 8)])
def test_one_that_does_not_follow_or_makes_it_too_long_has_to_wait(second: RawFrame) -> None:
    waiting = Gathered(10)
    assert waiting.take(0, frame(5, 8, 5))
    assert not waiting.take(0, second)
    assert [row.offset for row in waiting.give()[0][0]] == [5, 6, 7]
    assert waiting.take(0, second)


def test_holes_of_the_log_are_no_gaps() -> None:
    """On Kafka offsets have holes: what follows says how it was handed on, not how it is numbered."""
    waiting = Gathered(10)
    assert waiting.take(0, frame(5, 8, 2))
    assert waiting.take(0, frame(20, 22, 8))
    given = waiting.give()[0]
    assert ([row.offset for row in given[0]], given[1]) == ([5, 6, 7, 20, 21], 2)
