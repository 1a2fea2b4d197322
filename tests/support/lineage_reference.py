"""Lineage by brute force: every path in time order, none ever left out for another."""

from __future__ import annotations

import random

from streams.lineage.kinds import BEGINNING, FOREVER
from streams.lineage.trace import Direction, Question

Row = tuple[int, int, int, int, int, int, int]  # src, dst, kind, valid_from, valid_until, known_from, known_until


def usable(rows: list[Row], question: Question) -> list[Row]:
    return [
        row for row in rows if row[5] <= question.known_at < row[6] and (not question.kinds or row[2] in question.kinds)
    ]


def brute(rows: list[Row], question: Question, starts: list[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Every (node, instant) that a path in time order comes to, level by level, none ever left out for another."""
    rows = usable(rows, question)
    forward = question.direction == "forward"
    states = {(node, question.since if forward else question.at) for node in starts}
    fewest = dict.fromkeys(starts, 0)
    best = dict.fromkeys(starts, question.since if forward else question.at)
    seen = set(states)
    for depth in range(1, question.depth + 1):
        following = set()
        for node, time in states:
            for src, dst, _, begin, end, *_ in rows:
                if forward and src == node and time < end and begin <= question.at:
                    following.add((dst, max(time, begin)))
                if not forward and dst == node and begin <= time and end > question.since:
                    following.add((src, min(time, end - 1)))
        states = following - seen
        seen |= following
        for node, time in following:
            fewest.setdefault(node, depth)
            best[node] = (min if forward else max)(best.get(node, time), time)
    return best, fewest


def dense(seed: int) -> tuple[list[Row], Question, list[int]]:
    """A graph so small and a time so short that ends meet: cycles, diamonds, instants, intervals, corrections."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for _ in range(rng.randint(1, 16)):
        begin = BEGINNING if rng.random() < 0.05 else rng.randint(0, 6)
        first = max(begin, 0) + 1
        end = FOREVER if rng.random() < 0.1 else first if rng.random() < 0.5 else rng.randint(first, 8)
        known = rng.randint(0, 3)
        until = FOREVER if rng.random() < 0.8 else rng.randint(known, 4)
        rows.append((rng.randint(0, 5), rng.randint(0, 5), rng.randint(0, 2), begin, end, known, until))
    since = BEGINNING if rng.random() < 0.3 else rng.randint(0, 5)
    at = FOREVER - 1 if rng.random() < 0.3 else rng.randint(max(since, 0), 8)
    known_at = FOREVER - 1 if rng.random() < 0.5 else rng.randint(1, 4)
    kinds = () if rng.random() < 0.8 else (0, 2)
    direction: Direction = "forward" if rng.random() < 0.5 else "back"
    depth = rng.choice([1, 2, 3, 10])
    return rows, Question(direction, since, at, known_at, depth, kinds), rng.sample(range(6), rng.randint(1, 2))
