"""Intervals against a plain reading of the marks at every instant of record time."""

from __future__ import annotations

import random

import pytest

from streams.lineage.intervals import Point, intervals_of
from streams.lineage.kinds import BEGINNING, FOREVER


def plain(points: list[Point], known_at: int) -> set[tuple[int, int, int]]:
    """What held, read from the marks believed at one instant."""
    believed = sorted(point for point in points if point.known_from <= known_at < point.known_until)
    found = set()
    for place, point in enumerate(believed):
        following = believed[place + 1].at if place + 1 < len(believed) else None
        if point.opens:
            found.add((point.src, point.at, FOREVER if following is None else max(point.at + 1, following)))
        elif place == 0 and point.src:
            found.add((point.src, BEGINNING, point.at))
    return found


def marks(rng: random.Random) -> list[Point]:
    points = []
    for event in range(1, rng.randint(1, 8) + 1):
        known, until = rng.randint(0, 5), FOREVER if rng.random() < 0.6 else rng.randint(0, 7)
        src, opens, at = rng.randint(0, 2), rng.random() < 0.6, rng.randint(0, 4)
        points.append(Point(at, opens and src > 0, str(event), str(src), event, src, known, until))
    return points


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_plain_reading_at_every_record_time_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(400):
        check(marks(rng), rng)


def check(points: list[Point], order: random.Random) -> None:
    rows = intervals_of(points)
    shuffled = list(points)
    order.shuffle(shuffled)
    assert intervals_of(shuffled) == rows
    for known_at in range(-1, 11):
        standing = [row for row in rows if row.known_from <= known_at < row.known_until]
        found = {(row.src, row.valid_from, row.valid_until) for row in standing}
        assert found == plain(points, known_at)
    assert all(row.known_from < row.known_until and row.valid_from < row.valid_until for row in rows)
