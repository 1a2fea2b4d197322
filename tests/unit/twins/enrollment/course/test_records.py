"""A recommendation is a record that comes out again bit for bit, and is held to what it promised."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.unit.twins.enrollment.course.worlds import specification
from twins.enrollment.course import Recommendation, audit, record_bytes, reproduce, simulate
from twins.enrollment.course.document import read_scenario
from twins.enrollment.course.records import LEVELS, promised_of, question_of
from twins.enrollment.study import OPEN, Country, Sites, Spans, Study, Subjects, Target


@pytest.fixture(scope="module")
def record() -> Recommendation:
    known = {"at": "2026-03-01T00:00:00Z", "facts_hash": "aa", "posterior_hash": "bb"}
    return reproduce(specification(draws=1100, known=known))


def study(days: np.ndarray, as_of: float) -> Study:
    n = len(days)
    nan, none = np.full(n, np.nan), np.full(n, -1)
    subjects = Subjects(np.zeros(n, np.int64), none, nan, nan, nan, nan, none, days, nan, nan, nan, nan, nan, nan)
    sites = Sites(("S",), np.array([0]), np.array([OPEN]), np.zeros(1), np.zeros(1), np.full(1, np.inf))
    spans = Spans(np.array([0]), np.zeros(1), np.array([as_of]))
    return Study("ST-1", as_of, "enrolled", (Country("DE"),), sites, spans, subjects, (Target("last", 60, 420.0),))


def test_it_is_reproduced_bit_for_bit_from_its_specification(record: Recommendation) -> None:
    known = {"at": "2026-03-01T00:00:00Z", "facts_hash": "aa", "posterior_hash": "bb"}
    again = reproduce(specification(draws=1100, known=known), threads=2)
    assert record_bytes(again) == record_bytes(record)
    assert again.hash == record.hash
    assert (record.known_at, record.facts_hash, record.posterior_hash) == ("2026-03-01T00:00:00Z", "aa", "bb")


def test_another_seed_or_fact_is_another_record(record: Recommendation) -> None:
    assert reproduce(specification(draws=1100)).hash != record.hash
    assert reproduce(specification(draws=1100, seed=4)).hash != record.hash


def test_it_reads_back_from_its_bytes(record: Recommendation) -> None:
    assert msgspec.json.decode(record_bytes(record), type=Recommendation) == record


def test_options_carry_what_a_decision_needs(record: Recommendation) -> None:
    assert record.options[0].words == "do nothing"
    assert record.best == record.options[record.chosen]
    for one in record.options:
        assert one.lead_days >= 0.0
        assert one.p_on_time_change == pytest.approx(one.p_on_time - record.options[0].p_on_time)
    opened = next(one for one in record.options if one.words == "open 3 sites in DE")
    assert opened.flags == ("ethics approval and contract of each site",)
    assert opened.committed == 90_000.0
    assert opened.lead_days == pytest.approx(90.0, rel=0.05)
    assert record.versions["course"].startswith("enrollment.course@")


def test_a_study_that_went_as_promised_is_within(record: Recommendation) -> None:
    middle = LEVELS.index(0.5)
    median = np.array(record.promised.subjects)[:, middle]
    until = int((median < 60.0).sum()) + 1  # edges up to the first at which half the draws have all
    days = np.interp(np.arange(3.0, 61.0), median[:until], record.edges[:until])
    days = np.append([0.5, 1.0], days)  # the two that were there
    found = audit(promised_of(record), study(days, float(days[-1]) + 1.0))
    assert found.subjects == 60
    assert found.finished == pytest.approx(float(days[-1]))
    assert found.finish_within
    assert found.finish_pit == pytest.approx(0.5, abs=0.15)
    assert found.record == record.hash
    early = audit(promised_of(record), study(days[:20], float(days[19]) + 0.5))
    assert early.finished is None
    assert early.finish_within is None
    assert early.subjects_within
    assert 0.3 < early.subjects_pit < 0.7


def test_a_study_that_stalled_refutes_the_promise(record: Recommendation) -> None:
    late = record.promised.finish[LEVELS.index(0.95)] + 20.0
    found = audit(promised_of(record), study(np.arange(1.0, 9.0), min(late, record.edges[-1] - 1.0)))
    assert not found.subjects_within
    assert found.subjects_pit < 0.05
    assert found.finish_refuted == (late < record.edges[-1] - 1.0 and late - 20.0 < record.edges[-1])


def test_what_was_not_followed_is_held_against_doing_nothing(record: Recommendation) -> None:
    found = audit(promised_of(record), study(np.arange(1.0, 20.0), 200.0), followed=False)
    assert (found.plan, found.days_gained_promised) == ("do nothing", 0.0)


def test_worlds_that_are_as_believed_keep_the_promise_nine_times_in_ten() -> None:
    target = {"subjects": 30, "day": 420.0}
    record = reproduce(specification(draws=4000, actions=[], target=target))
    other = specification(draws=1000, actions=[], seed=99, target=target)
    asked = question_of(other, read_scenario(other))
    finishes = simulate(asked.scene, asked.draws, seed=99).outcomes[0].finish
    found = [
        audit(promised_of(record), study(np.append(np.linspace(1.0, day - 0.5, 29), day), day + 1.0))
        for day in finishes[finishes < record.edges[-1]]
    ]
    assert len(found) > 950
    assert np.mean([one.finish_within for one in found]) == pytest.approx(0.90, abs=0.03)
    pits = np.array([one.finish_pit for one in found], dtype=np.float64)
    assert np.histogram(pits, bins=[0.0, 0.2, 0.4, 0.6, 0.8, 1.0])[0] / len(pits) == pytest.approx([0.2] * 5, abs=0.05)
