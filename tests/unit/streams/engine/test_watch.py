"""The watches end a process that stood still, or that does not find its way out, and only those."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from streams.engine import watch
from streams.engine.watch import LeaseWatch, StopWatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The watch's clock; its last number is now."""
    now = [0.0]
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now[-1]))
    monkeypatch.setattr(watch, "_TICK_SECONDS", 0.001)
    return now


def test_a_gap_longer_than_the_lease_ends_the_process(clock: list[float]) -> None:
    ended = threading.Event()
    one = LeaseWatch(6.0, ended.set)
    one.start()
    clock.append(5.9)
    assert not ended.wait(0.05)
    clock.append(12.1)
    assert ended.wait(5)
    one.stop()


def test_it_may_be_stopped_before_it_began() -> None:
    def never(*_: Any) -> None:
        raise AssertionError("expected no end")

    LeaseWatch(6.0, never).stop()


def test_a_way_out_that_takes_too_long_is_cut_short() -> None:
    ended, leaving = threading.Event(), threading.Event()
    one = StopWatch(0.01, leaving.is_set, ended.set)
    one.start()
    assert not ended.wait(0.05)
    leaving.set()
    assert ended.wait(5)


def test_a_way_out_in_time_is_left_alone() -> None:
    ended = threading.Event()
    one = StopWatch(0.2, lambda: True, ended.set)
    one.start()
    one.stop()
    assert not ended.wait(0.4)


def test_garbage_is_looked_for_once_a_day_and_what_lives_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in ("freeze", "unfreeze", "collect"):
        monkeypatch.setattr(gc, name, lambda name=name: done.append(name))
    one = watch.GarbageWatch(100.0)
    one.look(101.0)
    assert done == ["freeze"]
    one.look(100.0 + 86_400)
    assert done[1:] == ["unfreeze", "collect", "freeze"]
    one.look(102.0 + 86_400)
    assert done[4:] == ["freeze"]
