"""Folds of several partitions, taken in turns, so that what they compute alike is computed at once.

A step of a process model costs a millisecond for one unit and hardly more for thirty. The eight partitions of a worker
each have a few units to move at a time: folded one after the other they pay eight times. Here each goes on until it
comes to such a step, and waits; once all wait or have ended, their steps are made together, to the same bits.

One thread goes on at any moment: the folds need no locks that they did not need before.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END_SECONDS = 1.0
Work = Callable[[Sequence[Any]], None]  # Any: what the items are is between who shares and the work


@dataclass(slots=True)
class _Ask:
    """What a lane waits for."""

    key: Hashable
    item: Any
    work: Work


@dataclass(slots=True)
class _Outcome(Generic[T]):
    value: T | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Lane:
    """One thread that goes on when it is woken."""

    wake: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    job: Callable[[], None] | None = None
    ask: _Ask | None = None
    alone: bool = False


class Lanes:
    """Runs jobs in turns. `run` is for one thread at a time; `share` is what the jobs call."""

    def __init__(self) -> None:
        self._lanes: list[_Lane] = []
        self._threads: list[threading.Thread] = []
        self._back = threading.Semaphore(0)
        self._local = threading.local()

    def run(self, jobs: Sequence[Callable[[], T]]) -> list[_Outcome[T]]:
        """Run all jobs to their ends; give what each returned or raised."""
        outcomes: list[_Outcome[T]] = [_Outcome() for _ in jobs]
        if len(jobs) == 1:
            _do(jobs[0], outcomes[0])
            return outcomes
        ready = deque(self._lane(place) for place in range(len(jobs)))
        for lane, job, outcome in zip(ready, jobs, outcomes, strict=True):
            lane.job = _bind(job, outcome)
        waiting: list[_Lane] = []
        while ready:
            while ready:
                lane = ready.popleft()
                lane.wake.release()
                self._back.acquire()
                if lane.ask is not None:
                    waiting.append(lane)
            ready.extend(self._together(waiting))
            waiting = []
        return outcomes

    def share(self, key: Hashable, item: Any, work: Work) -> None:
        """Do `work` on this item, and on those that others share under the same key; return when it is done."""
        lane: _Lane | None = getattr(self._local, "lane", None)
        if lane is None:
            work([item])
            return
        lane.ask, lane.alone = _Ask(key, item, work), False
        self._back.release()
        lane.wake.acquire()
        if lane.alone:
            work([item])

    def close(self) -> None:
        """End the threads."""
        for lane in self._lanes:
            lane.job = None
            lane.wake.release()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        self._lanes.clear()
        self._threads.clear()

    def _together(self, waiting: list[_Lane]) -> list[_Lane]:
        """Do what is waited for, group by group; give the lanes that go on, in the order of their work."""
        groups: dict[Hashable, list[tuple[_Lane, _Ask]]] = {}
        for lane in waiting:
            if lane.ask is not None:
                groups.setdefault(lane.ask.key, []).append((lane, lane.ask))
        for group in groups.values():
            alone = len(group) == 1
            if not alone:
                try:
                    group[0][1].work([ask.item for _, ask in group])
                except Exception:  # whose it was is told by who raises it again
                    alone = True
            for lane, _ in group:
                lane.ask, lane.alone = None, alone
        return waiting

    def _lane(self, place: int) -> _Lane:
        while len(self._lanes) <= place:
            lane = _Lane()
            thread = threading.Thread(target=self._go, args=(lane,), name=f"fold-{place}", daemon=True)
            thread.start()
            self._lanes.append(lane)
            self._threads.append(thread)
        return self._lanes[place]

    def _go(self, lane: _Lane) -> None:
        self._local.lane = lane
        while True:
            lane.wake.acquire()
            if lane.job is None:
                return
            lane.job()
            lane.job = None
            self._back.release()


def _bind(job: Callable[[], T], outcome: _Outcome[T]) -> Callable[[], None]:
    return lambda: _do(job, outcome)


def _do(job: Callable[[], T], outcome: _Outcome[T]) -> None:
    try:
        outcome.value = job()
    except BaseException as error:  # whoever ran the jobs raises it
        outcome.error = error
