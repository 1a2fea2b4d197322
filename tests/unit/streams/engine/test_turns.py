"""Parts of what waits: all of it, in order, and small where twins take long."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streams.engine.turns import ALONE_SECONDS, FIRST_RECORDS, TURN_SECONDS, Frames, Turns
from tests.support.records import reading, record


def waiting(sizes: dict[int, int]) -> Frames:
    return {
        partition: ([record(reading("U", n), n) for n in range(100, 100 + size)], 100)
        for partition, size in sizes.items()
    }


def test_quick_families_are_folded_as_they_come() -> None:
    frames = waiting({0: 900, 3: 5})
    assert list(Turns(cut=False).of(frames)) == [frames]


def test_parts_are_the_whole_in_order() -> None:
    frames = waiting({0: 3 * FIRST_RECORDS + 1, 3: 5})
    parts = list(Turns(cut=True).of(frames))
    assert [{number: len(part[0]) for number, part in one.items()} for one in parts] == [
        *[{0: FIRST_RECORDS}] * 3,
        {0: 1, 3: 5},
    ]
    for partition, (records, follows) in frames.items():
        mine = [part for one in parts for number, part in one.items() if number == partition]
        assert [one for part, _ in mine for one in part] == list(records)
        assert mine[0][1] == follows
        assert all(after[1] == before[0][-1].offset + 1 for before, after in pairwise(mine))


def test_a_family_alone_has_longer_turns() -> None:
    sizes = [[len(next(iter(one.values()))[0]) for one in Turns(True, alone).of(waiting({0: 500}))]
             for alone in (True, False)]  # fmt: skip
    assert sizes[0][0] == round(ALONE_SECONDS / TURN_SECONDS) * sizes[1][0]
    assert sum(sizes[0]) == sum(sizes[1]) == 500


@pytest.mark.parametrize(("seconds", "records"), [(0.01, 5), (0.001, 50), (1.0, 1)])
def test_the_pace_of_one_part_cuts_the_next(monkeypatch: pytest.MonkeyPatch, seconds: float, records: int) -> None:
    clock = iter([0.0, 8 * seconds])
    monkeypatch.setattr("streams.engine.turns.monotonic", lambda: next(clock))
    one = Turns(cut=True)
    assert one.timed(lambda frames: "folded", waiting({0: 8})) == "folded"
    (part, _) = next(iter(next(one.of(waiting({0: 200}))).values()))
    assert len(part) == records
    assert seconds * records <= TURN_SECONDS or records == 1
