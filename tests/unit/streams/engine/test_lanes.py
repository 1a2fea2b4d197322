"""Folds in turns: what they share is done at once, in the order of nobody's luck, and an error stays with its fold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.lanes import Lanes

LIMIT_SECONDS = 10.0


class Batches:
    """A work that adds 1 to each item, and keeps how many came at once."""

    def __init__(self, poison: int | None = None) -> None:
        self.sizes: list[int] = []
        self.poison = poison

    def __call__(self, items: Sequence[list[int]]) -> None:
        self.sizes.append(len(items))
        if any(item[0] == self.poison for item in items):
            raise ValueError("poisoned")
        for item in items:
            item[0] += 1


def counting(lanes: Lanes, work: Batches, start: int, times: int, key: str = "k") -> Callable[[], int]:
    def job() -> int:
        item = [start]
        for _ in range(times):
            lanes.share(key, item, work)
        return item[0]

    return job


def test_what_all_wait_for_is_done_at_once() -> None:
    lanes, work = Lanes(), Batches()
    found = lanes.run([counting(lanes, work, 100 * n, 3) for n in range(8)])
    assert [one.value for one in found] == [100 * n + 3 for n in range(8)]
    assert work.sizes == [8, 8, 8]
    lanes.close()


def test_other_keys_are_done_apart_and_alone_in_the_caller() -> None:
    lanes, one, other = Lanes(), Batches(), Batches()
    jobs = [counting(lanes, one, 0, 2), counting(lanes, one, 10, 2), counting(lanes, other, 20, 1, "else")]
    assert [found.value for found in lanes.run(jobs)] == [2, 12, 21]
    assert (one.sizes, other.sizes) == ([2, 2], [1])
    item = [5]
    lanes.share("k", item, one)  # in no lane at all
    assert item == [6]
    lanes.close()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_each_job_ends_whatever_the_others_do(times: list[int]) -> None:
    lanes, work = Lanes(), Batches()
    found = lanes.run([counting(lanes, work, 0, n) for n in times])
    assert [one.value for one in found] == times
    assert sum(work.sizes) == sum(times)
    lanes.close()


def test_an_error_stays_with_the_fold_whose_item_it_was() -> None:
    lanes, work = Lanes(), Batches(poison=50)
    found = lanes.run([counting(lanes, work, n, 2) for n in (10, 50, 30)])
    assert [one.value for one in found] == [12, None, 32]
    assert isinstance(found[1].error, ValueError)
    again = lanes.run([counting(lanes, Batches(), n, 1) for n in range(3)])
    assert [one.value for one in again] == [1, 2, 3]
    lanes.close()


def test_one_thread_goes_on_at_any_moment() -> None:
    lanes, work = Lanes(), Batches()
    running, most = 0, 0

    def job() -> None:
        nonlocal running, most
        for _ in range(20):
            running += 1
            most = max(most, running)
            for _ in range(1000):  # a switch between threads may come here
                pass
            running -= 1
            lanes.share("k", [0], work)

    assert all(one.error is None for one in lanes.run([job] * 6))
    assert most == 1
    lanes.close()


def test_its_threads_end() -> None:
    before = set(threading.enumerate())
    lanes = Lanes()
    lanes.run([counting(lanes, Batches(), 0, 1)] * 4)
    made = [thread for thread in threading.enumerate() if thread not in before]
    assert len(made) == 4
    lanes.close()
    for thread in made:
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_job_that_raises_at_once_hinders_nobody(jobs: int) -> None:
    def bad() -> int:
        raise KeyError("at once")

    lanes = Lanes()
    found = lanes.run([bad, *[counting(lanes, Batches(), 0, 1)] * (jobs - 1)])
    assert isinstance(found[0].error, KeyError)
    assert [one.value for one in found[1:]] == [1] * (jobs - 1)
    lanes.close()
