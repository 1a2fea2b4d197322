"""What a learner makes of forecast errors, and that storing it changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
import river
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SnapshotError
from twins.learning import store
from twins.learning.page_hinkley import TIMES
from twins.learning.residual import ResidualLearner
from twins.learning.settings import LearningSection
from twins.learning.store import read_learner, write_learner

NAMES = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
SECTION = LearningSection()
LEADS = len(SECTION.leads_hours)


def cases(seed: int, count: int, bias: float = 0.0, slope: float = 0.0) -> Iterator[tuple[list[float], list[float]]]:
    """Inputs, and by how much each lead's outcome is off: noise, and what can be learned."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x = (5.0 + 2.0 * rng.standard_normal(len(NAMES))).tolist()
        off = bias + slope * (x[0] - 5.0) / 2.0 + rng.standard_normal(LEADS)
        yield x, off.tolist()


def teach(learner: ResidualLearner, some: Iterator[tuple[list[float], list[float]]], first: int = 0) -> list[bytes]:
    """Have a learner say and learn each case; give what it said, and the bytes it came to, as one line a case."""
    lines = []
    for place, (x, off) in enumerate(some, first):
        said = learner.say(x)
        learner.meet(x, said.score)
        for lead, one in enumerate(off):
            learner.learn(x, lead, one, said.expected[lead], said.shift[lead], place, place)
        lines.append(msgspec.json.encode(said))
    return lines


def test_a_systematic_error_is_learned_and_applied() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    teach(learner, cases(1, 600, bias=1.5, slope=1.0))
    off, left = [], []
    for x, outcome in cases(2, 300, bias=1.5, slope=1.0):
        off.append(abs(outcome[0]))
        left.append(abs(outcome[0] - learner.say(x).shift[0]))
    assert learner.applies(0)
    assert np.mean(left) < 0.55 * np.mean(off), "0.80 sd of noise are left of 1.77"


def test_nothing_is_applied_where_there_is_nothing_to_learn() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    applied = 0
    for place, (x, off) in enumerate(cases(3, 1500)):
        said = learner.say(x)
        applied += any(said.shift)
        learner.meet(x, said.score)
        for lead, one in enumerate(off):
            learner.learn(x, lead, one, said.expected[lead], said.shift[lead], place, place)
    assert applied == 0
    assert learner.restarts == 0


def test_the_interval_follows_errors_that_double() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    held = []
    for scale in (1.0, 2.0):
        teach(learner, ((x, [scale * one for one in off]) for x, off in cases(4, 900)))
        x = [5.0] * len(NAMES)
        fresh = [scale * off[0] for _, off in cases(5, 2000)]
        held.append(float(np.mean(np.abs(fresh) <= learner.say(x).half[0])))
    assert held == pytest.approx([0.9, 0.9], abs=0.04)


def test_a_fleet_whose_errors_move_begins_its_regressions_anew() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    teach(learner, cases(6, 1000, bias=2.0))
    assert learner.restarts == 0
    teach(learner, cases(7, 400, bias=-2.0))
    assert learner.restarts >= 1
    assert learner.fleet[0, TIMES] == learner.restarts
    assert learner.say([5.0] * len(NAMES)).expected[0] < 0.0, "what was learned before still counts"


def test_what_is_odd_scores_above_the_limit() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    teach(learner, cases(8, 1500))
    usual = [learner.say(x).score for x, _ in cases(9, 300)]
    odd = learner.say([5.0 + 2.0 * 3.9] * len(NAMES))
    assert odd.score > max(usual)
    assert odd.score > odd.limit
    assert np.mean([score > odd.limit for score in usual]) < 0.05


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), at=st.integers(0, 250), more=st.integers(1, 40))
def test_stored_anywhere_and_read_back_it_goes_on_to_the_bit(seed: int, at: int, more: int) -> None:
    straight, first = ResidualLearner(NAMES, SECTION), ResidualLearner(NAMES, SECTION)
    some = list(cases(seed, at + more, bias=1.0, slope=0.5))
    lines = teach(straight, iter(some))
    teach(first, iter(some[:at]))
    body = write_learner(first, NAMES, SECTION)
    again = read_learner(body, NAMES, SECTION)
    assert write_learner(again, NAMES, SECTION) == body
    assert teach(again, iter(some[at:]), at) == lines[at:]
    assert write_learner(again, NAMES, SECTION) == write_learner(straight, NAMES, SECTION)


def test_saying_changes_nothing() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    teach(learner, cases(10, 600, bias=1.0))
    before = write_learner(learner, NAMES, SECTION)
    said = [learner.say(x) for x, _ in cases(11, 200)]
    assert write_learner(learner, NAMES, SECTION) == before
    assert said == [learner.say(x) for x, _ in cases(11, 200)]


def test_its_size_is_bounded() -> None:
    learner = ResidualLearner(NAMES, SECTION)
    sizes = []
    for part in range(4):
        for x, off in cases(20 + part, 834, bias=1.0):
            learner.meet(x, 0.5)
            for lead, one in enumerate(off):
                learner.learn(x, lead, one, 0.0, 0.0, part, part)
        sizes.append(len(write_learner(learner, NAMES, SECTION)))
    print(f"bytes of a learner of {len(NAMES)} inputs after 2,502, 5,004, 7,506 and 10,008 examples: {sizes}")
    assert sum(one.examples for one in learner.regressions) >= 10_000
    assert max(sizes) < 40_000
    assert max(sizes) - min(sizes) < 2_000, "it grows with what it has seen"


def told(change: dict[str, object]) -> bytes:
    """A stored learner of which something was changed, under a hash that is right."""
    document = msgspec.json.decode(write_learner(ResidualLearner(NAMES, SECTION), NAMES, SECTION)[32:])
    body = msgspec.json.encode(document | change)
    return hashlib.sha256(body).digest() + body


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"river": "0.21.0"}, f"river {river.__version__}, received schema 1 and river 0.21.0"),
        ({"schema": 2}, "received schema 2"),
        ({"name": "residual@0+abc"}, "received residual@0"),
        ({"inputs": ["a"]}, "received residual"),
        ({"learner": {"class": "builtins.eval"}}, "readable learner"),
    ],
)
def test_what_another_wrote_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(SnapshotError, match=said):
        read_learner(told(change), NAMES, SECTION)


def test_a_model_with_too_few_numbers_or_other_cuts_is_refused() -> None:
    state = ResidualLearner(NAMES, SECTION).state()
    short = msgspec.structs.replace(state.regressions[0], natural=[0.0])
    cut = msgspec.structs.replace(state.forest, cuts="0" * 16)
    for wrong in (
        msgspec.structs.replace(state, regressions=[short] * LEADS),
        msgspec.structs.replace(state, forest=cut),
        msgspec.structs.replace(state, error=[0.0]),
    ):
        with pytest.raises(SnapshotError, match="begin anew"):
            read_learner(told({"learner": msgspec.to_builtins(wrong)}), NAMES, SECTION)


def test_changed_or_cut_bytes_are_refused() -> None:
    body = write_learner(ResidualLearner(NAMES, SECTION), NAMES, SECTION)
    changed = bytearray(body)
    changed[len(body) // 2] ^= 1
    for wrong in (bytes(changed), body[:-1], b"", body + b" " * store.MOST_BYTES):
        with pytest.raises(SnapshotError, match="SHA-256"):
            read_learner(wrong, NAMES, SECTION)
