"""How a job is carried out: lengths of pieces, distance of checkpoints, which of them is gone on from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from schemas.jobs import MOST_SUMMARY_BYTES
from streams.jobs.ports import Checkpoint
from streams.jobs.work import Pace, Task, Wish, carry_out, write_answer
from tests.support.counting_engine import CountingEngine, NewerEngine, specification
from twins.engine import Answer, Device, Standing

SPEC, LONG = specification(100), specification(5000)
ROUNDING = 1e-9  # of sums of seconds


class Watched:
    """Hears of a job, by a clock of its own that only pieces move."""

    def __init__(self, *wishes: Wish) -> None:
        self.now = 0.0
        self.pieces: list[float] = []
        self.kept_at: list[float] = []
        self.bodies: list[bytes] = []
        self._wishes = list(wishes)

    def told(self, standing: Standing) -> None:
        return

    def kept(self, versions: dict[str, str], body: bytes) -> None:
        self.kept_at.append(self.now)
        self.bodies.append(body)

    def wish(self) -> Wish:
        return self._wishes.pop(0) if self._wishes else "go_on"


class Slow(CountingEngine):
    """Pieces that take as much of the double of their time as a list says, on a clock that is not ours."""

    def __init__(self, listener: Watched, shares: list[float]) -> None:
        self.listener, self.shares = listener, shares

    def prepare(self, *given: object) -> SlowRun:  # type: ignore[override]
        return SlowRun(self)


class SlowRun:
    def __init__(self, engine: Slow) -> None:
        self._engine, self._left = engine, list(engine.shares)

    def run(self, seconds: float) -> Standing:
        self._engine.listener.pieces.append(seconds)
        self._engine.listener.now += 2 * seconds * self._left.pop(0)
        total = float(len(self._engine.shares))
        return Standing(total - len(self._left), total)

    def checkpoint(self) -> bytes:
        return b""

    def restore(self, body: bytes) -> str:
        return "exact"

    def answer(self) -> Answer:
        return Answer({}, {})


@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=60))
def test_checkpoints_are_never_further_apart_than_they_may_be(shares: list[float]) -> None:
    seen, pace = Watched(), Pace()
    assert carry_out(Slow(seen, shares), Task(SPEC, Device()), seen, pace, lambda: seen.now) is not None
    assert seen.pieces[0] == pace.first_seconds
    assert max(seen.pieces) <= pace.piece_seconds
    edges = [0.0, *seen.kept_at, seen.now]
    assert max(late - early for early, late in pairwise(edges)) <= pace.checkpoint_seconds + ROUNDING


def checkpoint_of(engine: CountingEngine, pieces: int, task: Task) -> bytes:
    """Run some pieces of one step, and stop with a checkpoint."""
    wishes: list[Wish] = ["go_on"] * pieces
    listener = Watched(*wishes, "stop_and_keep")
    assert carry_out(engine, task, listener, Pace(0.0, 0.0, 60.0)) is None
    (body,) = listener.bodies
    return body


def checkpoints_of(engine: CountingEngine) -> list[Checkpoint]:
    """Two checkpoints of a job, newest first."""
    bodies = {seq: checkpoint_of(engine, seq, Task(LONG, Device())) for seq in (2, 1)}
    return [Checkpoint(1, seq, engine.versions(), "cpu", body) for seq, body in bodies.items()]


def resumed(engine: CountingEngine, checkpoints: list[Checkpoint]) -> tuple[str, ...]:
    found = carry_out(engine, Task(LONG, Device(), (), checkpoints), Watched(), Pace(60.0, 60.0, 600.0))
    assert found is not None
    return found.resumed


def test_the_newest_checkpoint_that_is_whole_and_of_the_same_versions_is_gone_on_from() -> None:
    engine = CountingEngine()
    newer, older = checkpoints_of(engine)
    torn = Checkpoint(1, 2, newer.versions, "cpu", newer.body[:-1])
    flipped = Checkpoint(1, 2, newer.versions, "cpu", newer.body[:-1] + bytes([newer.body[-1] ^ 1]))
    assert resumed(engine, [newer, older]) == ("1/2 exact",)
    assert resumed(engine, [torn, older]) == ("1/1 exact",)
    assert resumed(engine, [flipped, older]) == ("1/1 exact",)
    assert resumed(engine, [torn]) == ()
    assert resumed(NewerEngine(), [newer, older]) == ()


def test_a_chain_of_attempts_is_told_whole() -> None:
    engine = CountingEngine()
    first, _ = checkpoints_of(engine)
    again = Checkpoint(2, 1, engine.versions(), "cpu", checkpoint_of(engine, 1, Task(LONG, Device(), (), [first])))
    assert resumed(engine, [again]) == ("1/2 exact", "2/1 exact")


@pytest.mark.parametrize("summary", [{"a": float("inf")}, {"a": object()}, {"a": "x" * MOST_SUMMARY_BYTES}])
def test_an_answer_that_breaks_a_bound_is_refused(summary: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="expected a summary"):
        write_answer("counting", Answer(summary, {}))


def test_an_answer_is_canonical() -> None:
    assert write_answer("counting", Answer({"b": 1, "a": 0.1}, {"é": [1.0]})) == (
        b'{"a":0.1,"b":1}',
        '{"é":[1.0]}'.encode(),
    )
