"""One block's learning: forecasts that wait for their outcome, what is stored of it, and that it may fail."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from river.linear_model import BayesianLinearRegression

from schemas.instants import HOUR, MINUTE
from twins.learning.advisor import Advisor, Look
from twins.learning.page_hinkley import TIMES
from twins.learning.settings import LearningSection
from twins.learning.waiting import Waiting

NAMES = ("a", "b")
SECTION = LearningSection(leads_hours=(1.0, 2.0), every_minutes=30.0)
BEGIN = 1_000_000 * HOUR


def looks(seed: int, hours: float, units: int = 3, wrong: float = 0.0, each: int = 10) -> Iterator[Look]:
    """Forecasts of units that grow 0.05 /h, each `each` minutes; the model says `wrong` less [1/h]."""
    rng = np.random.default_rng(seed)
    for offset in range(round(hours * 60 / each) * units):
        unit, minute = offset % units, offset // units * each
        now = 0.05 * minute / 60 + 0.002 * float(rng.standard_normal())
        ahead = [now + (0.05 - wrong) * lead for lead in SECTION.leads_hours]
        x = [minute / 60, now]
        yield Look(unit, BEGIN, BEGIN + minute * MINUTE, offset, x, ahead, [0.01, 0.02], now, 0.05)


def test_an_outcome_counts_once_its_instant_has_come_and_once_only() -> None:
    advisor = Advisor(NAMES, SECTION)
    told = [advisor.take(look) for look in looks(1, 4.0, units=1)]
    assert [one.examples for one in told if one is not None][5::6] == [[0, 0], [2, 0], [4, 2], [6, 4]]


def test_a_unit_gives_an_example_in_half_an_hour_however_often_it_forecasts() -> None:
    often, seldom = Advisor(NAMES, SECTION), Advisor(NAMES, SECTION)
    for one in looks(2, 6.0, units=1, each=5):
        often.take(one)
    for one in looks(2, 6.0, units=1, each=30):
        seldom.take(one)
    assert often.learner.regressions[0].examples == seldom.learner.regressions[0].examples == 10


def test_the_window_says_what_was_learned_from() -> None:
    advisor = Advisor(NAMES, SECTION)
    told = [advisor.take(look) for look in looks(3, 3.0)]
    window = told[-1].window if told[-1] is not None else None
    assert window is not None
    assert (window.first_time, window.last_time) == (BEGIN + 1 * HOUR, BEGIN + 150 * MINUTE)
    assert (window.first_offset, window.last_offset) == (18, 47)


def test_a_new_run_forgets_what_waits_and_the_drift_of_the_last() -> None:
    advisor = Advisor(NAMES, SECTION)
    some = list(looks(4, 3.0, units=1))
    for look in some:
        advisor.take(look)
    last = some[-1]
    again = Look(0, last.time, last.time + MINUTE, 99, last.x, last.centre, last.spread, last.now, last.rate)
    before = advisor.learner.regressions[0].examples
    said = advisor.take(again)
    assert said is not None
    assert said.unit.points == 0
    later = Look(0, last.time, last.time + 50 * MINUTE, 100, last.x, last.centre, last.spread, last.now, last.rate)
    advisor.take(later)
    assert advisor.learner.regressions[0].examples == before


def test_an_outcome_that_comes_too_late_is_left_out() -> None:
    waiting = Waiting(2, SECTION)
    waiting.make_room(1)
    waiting.begin(0, BEGIN)
    waiting.put(0, BEGIN, [1.0, 2.0], ([0.5, 0.6], [0.1, 0.2], [0.0, 0.0], [0.0, 0.0]))
    assert waiting.take(0, BEGIN + HOUR - 1) == []
    late = waiting.take(0, BEGIN + round(2.5 * HOUR))
    assert [one.lead for one in late] == [1], "of the first lead it is 90 minutes late"
    assert late[0].x == [1.0, 2.0]
    assert late[0].centre == pytest.approx(0.6, rel=1e-7)
    assert waiting.take(0, BEGIN + round(2.5 * HOUR)) == []


def test_a_unit_whose_errors_move_is_seen_to_drift_and_the_others_are_not() -> None:
    advisor = Advisor(NAMES, SECTION)
    right, wrong = list(looks(5, 30.0)), list(looks(5, 30.0, wrong=0.05))
    for a, b in zip(right, wrong, strict=True):
        moved = a.unit == 1 and a.time > BEGIN + 15 * HOUR
        advisor.take(b if moved else a)
    assert advisor._drift[:3, TIMES].tolist() == [0.0, 1.0, 0.0]


def test_stored_in_the_middle_it_goes_on_to_the_bit_and_does_not_grow() -> None:
    some = list(looks(6, 30.0, wrong=0.02))
    straight, first, again = Advisor(NAMES, SECTION), Advisor(NAMES, SECTION), Advisor(NAMES, SECTION)
    said = [straight.take(look) for look in some]
    for look in some[:200]:
        first.take(look)
    body = first.write(3)
    again.read(body, 3)
    assert again.write(3) == body
    assert [again.take(look) for look in some[200:]] == said[200:]
    assert again.write(3) == straight.write(3)
    assert abs(len(again.write(3)) - len(body)) < 2_000
    assert again.anew.count == 0


def test_what_cannot_be_trusted_is_left_out_and_counted() -> None:
    advisor, other = Advisor(NAMES, SECTION), Advisor(NAMES, LearningSection(leads_hours=(1.0, 2.0)))
    for look in looks(7, 3.0):
        advisor.take(look)
    body = bytearray(advisor.write(3))
    other.read(bytes(body), 3)
    assert (other.anew.count, other.learner.regressions[0].examples) == (1, 0)
    assert "received that of residual@1" in other.anew.reason
    body[-1] ^= 1
    advisor.read(bytes(body), 3)
    assert (advisor.anew.count, advisor.learner.regressions[0].examples) == (1, 0)
    kept = Advisor(NAMES, SECTION)
    kept.read(advisor.write(3), 3)
    assert kept.anew == advisor.anew


def test_an_exception_in_river_ends_the_learning_for_good_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    advisor = Advisor(NAMES, SECTION)
    some = list(looks(8, 3.0))
    for look in some[:30]:
        assert advisor.take(look) is not None

    def planted(*_: object) -> float:
        raise IndexError("index 0 is out of bounds")

    with monkeypatch.context() as patched:
        patched.setattr(BayesianLinearRegression, "learn_one", planted)
        said = [advisor.take(look) for look in some[30:40]]
    assert said[-1] is None
    assert advisor.off is not None
    assert advisor.off.reason == "IndexError: index 0 is out of bounds"
    assert (advisor.off.offset, advisor.off.left_out) == (36, 4)
    again = Advisor(NAMES, SECTION)
    again.read(advisor.write(3), 3)
    assert again.take(some[40]) is None
    assert again.off is not None
    assert again.off.left_out == 5


def test_a_number_that_is_none_ends_it_too() -> None:
    advisor = Advisor(NAMES, SECTION)
    good = next(looks(9, 1.0))
    bad = Look(0, BEGIN, BEGIN, 7, good.x, [float("nan")] * 2, good.spread, good.now, good.rate)
    assert advisor.take(bad) is None
    assert advisor.off is not None
    assert advisor.off.reason.startswith("ArithmeticError: expected finite numbers of a forecast")
