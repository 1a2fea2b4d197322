from __future__ import annotations

import random
from dataclasses import replace

import pytest

from schemas.errors import InvalidFieldError
from schemas.topics import PARTITIONS
from streams.api.cursor import STREAMED, read_positions, write_positions
from streams.api.hub import Filter, Mailbox, Message


def message(kind: str, key: str, offset: int, twin: str = "bioreactor") -> Message:
    return Message(f"twin.{kind}s", 0, offset, kind, twin, key, b"{}")


def test_cursors_come_back_as_they_were() -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(50):
        positions = {
            (topic, p): rng.randrange(1 << rng.randrange(1, 61)) for topic in STREAMED for p in range(PARTITIONS)
        }
        assert read_positions(write_positions(positions)) == positions


@pytest.mark.parametrize("text", ["", "x", "MTth", "é", "-" * 5000, write_positions({})[:-4], "MQ", "A" * 4001])
def test_a_cursor_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidFieldError, match="expected a cursor"):
        read_positions(text)


def test_a_filter_lets_through_what_it_names() -> None:
    one = Filter(frozenset({"estimate", "alert"}), "bioreactor", frozenset({"A"}), every_alert=True)
    assert one.passes(message("estimate", "A", 0))
    assert one.passes(message("alert", "B", 0))
    assert not one.passes(message("estimate", "B", 0))
    assert not one.passes(message("forecast", "A", 0))
    assert not one.passes(message("alert", "A", 0, twin="supply"))
    assert Filter().passes(message("forecast", "anything", 0))


def test_what_is_learned_pushes_no_forecast_of_the_twin_s_own_out() -> None:
    box = Mailbox(Filter(), 20, lambda _: None)
    for offset in range(0, 60, 2):
        box.offer(message("forecast", "A", offset))
        box.offer(replace(message("forecast", "A", offset + 1), lane="advisory"))
    assert {(one.lane, one.offset) for one in list(box.waiting)[-2:]} == {("qualified", 58), ("advisory", 59)}
    box._make_room()
    assert sorted(one.lane for one in box.waiting) == ["advisory", "qualified"]


def test_a_slow_listener_keeps_every_alert_and_the_newest_of_each_twin() -> None:
    dropped: list[int] = []
    box = Mailbox(Filter(), 50, dropped.append)
    offset = 0
    for turn in range(100):
        for key in "ABC":
            box.offer(message("estimate", key, offset := offset + 1))
        if turn % 10 == 0:
            box.offer(message("alert", "A", offset := offset + 1))
    assert len(box.waiting) <= 50
    assert not box.overrun
    alerts = [one for one in box.waiting if one.kind == "alert"]
    assert len(alerts) == 10
    newest = {one.key: one.offset for one in box.waiting if one.kind == "estimate"}
    assert newest == {"A": offset - 2, "B": offset - 1, "C": offset}
    assert box.dropped == sum(dropped) == 310 - len(box.waiting)
    offsets = [one.offset for one in box.waiting]
    assert offsets == sorted(offsets)


def test_alerts_without_end_cut_the_listener_off_rather_than_being_dropped() -> None:
    box = Mailbox(Filter(), 20, lambda _: None)
    for offset in range(40):
        box.offer(message("alert", "A", offset))
    assert box.overrun
    assert [one.offset for one in box.waiting] == list(range(21))
    assert box.dropped == 0


def test_many_twins_do_not_break_the_bound() -> None:
    box = Mailbox(Filter(), 20, lambda _: None)
    for offset in range(1000):
        box.offer(message("estimate", f"U{offset}", offset))
    assert len(box.waiting) <= 20
    assert box.waiting[-1].offset == 999
    assert not box.overrun
