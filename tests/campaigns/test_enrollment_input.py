"""Bad input of a trial, drawn: every line is counted once, shown as waiting, or refused with its reason."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from schemas.enrollment import (
    FactName,
    SubjectEnrolled,
    SubjectRandomised,
    SubjectScreened,
    SubjectStep,
    SubjectWithdrawn,
    VisitDone,
)
from schemas.events import Event, write_structured
from schemas.instants import DAY, Instant
from schemas.partitions import TimePassed
from streams.fold import fold_lines
from tests.unit.twins.enrollment.trial import START, Trial, trial
from twins.enrollment import EnrollmentModel
from twins.enrollment.reading import REASONS

END = 320.0  # day at which the twin is asked
SEEDS = (1, 2, 3)

Line = dict[str, Any]  # Any: an effect, as JSON


def bad_trial(seed: int) -> Trial:
    """Add to a trial what happens: impossible totals, facts ahead of time, unknown sites, before activation."""
    told, rng = trial(seed), random.Random(1000 + seed)
    for number in range(5):  # more randomised than screened
        told.tell(100 + number, SubjectRandomised(site="DE-1", subject=f"R{number}"), END - 20)
    for number in range(3):  # enrolled at two sites
        told.subject(f"T{number}", "DE-1", 90 + number)
        told.tell(98 + number, SubjectEnrolled(site="FR-2", subject=f"T{number}"))
    for number in range(4):
        told.tell(rng.uniform(20, 200), SubjectScreened(site=f"NO-{number}", subject=f"U{number}"), END - 15)
        told.tell(1.0 + number, SubjectScreened(site="FR-2", subject=f"E{number}"), END - 15)
    told.tell(150, SubjectWithdrawn(site="DE-1", subject="nobody"), END - 12)
    return told


def told_ahead(number: int) -> bytes:
    """Give a fact of a time far beyond that at which it is said to be known."""
    when, known = int(START + (400 + number) * DAY), int(START + 100 * DAY)
    data = SubjectScreened(site="DE-1", subject=f"F{number}")
    event = Event(f"ahead-{number}", "edc", "enrollment.subject_screened", "ST-1", Instant(when), Instant(known), data)
    return write_structured(event)


def unusable() -> list[bytes]:
    """Give lines that count in no order."""
    ahead = [told_ahead(number) for number in range(3)]
    eaten = b'{"specversion":"1.0","id":"x","source":"edc","type":"enrollment.subject_eaten","subject":"ST-1",'
    return [*ahead, eaten + b'"time":"2026-03-01T00:00:00Z","data":{}}', b"{cut off"]


def asked_at_last() -> bytes:
    """Say that time passed, so that all that is known is said."""
    end = Instant(START + int(END * DAY))
    return write_structured(Event("end", "clock", "time.passed", "", end, end, TimePassed()))


def folded(lines: list[bytes]) -> list[Line]:
    return [json.loads(line) for line in fold_lines(EnrollmentModel(), lines, frame_records=61)]


def last_estimate(effects: list[Line]) -> Line:
    found: Line = [one["data"] for one in effects if one["kind"] == "estimate"][-1]
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_is_accounted_for_and_counted_once(seed: int) -> None:
    told, rng = bad_trial(seed), random.Random(seed)
    facts = [write_structured(event) for event in told.events if not isinstance(event.data, TimePassed)]
    doubled = rng.sample(facts, 20)
    lines = [*facts, *doubled, *unusable()]
    rng.shuffle(lines)
    effects = folded([*lines, asked_at_last()])
    refused = Counter(one["data"]["reason"] for one in effects if one["kind"] == "reject")
    estimate = last_estimate(effects)
    assert refused.pop("duplicate") == len(doubled), f"seed {seed}"
    assert sum(refused.values()) == len(unusable()), f"seed {seed}: {refused}"
    assert estimate["facts"] == len(facts), f"seed {seed}"
    assert estimate["facts"] + len(doubled) + len(unusable()) == len(lines)

    # each fact of a subject's step is counted, waits, or is dead: named by one that replaces or withdraws it
    dead = {
        (name.source, name.id)
        for name in (getattr(one.data, "supersedes", None) or getattr(one.data, "fact", None) for one in told.events)
        if isinstance(name, FactName)
    }
    steps = [one for one in told.events if isinstance(one.data, SubjectStep) and (one.source, one.id) not in dead]
    waiting = sum(estimate["quality"]["by_reason"].values())
    visits = sum(isinstance(one.data, VisitDone) for one in steps)
    counted = sum(estimate["steps"].values())
    waiting_visits = sum(one["type"] == "visit" for one in estimate["quality"]["newest"])
    assert waiting == len(estimate["quality"]["newest"]) < 50  # all are named
    assert counted + waiting + visits - waiting_visits == len(steps), f"seed {seed}"
    assert estimate["quality"]["by_reason"].keys() == REASONS.keys(), f"seed {seed}"


def test_any_order_of_arrival_ends_in_the_same_estimate() -> None:
    seed = SEEDS[0]
    told, rng = bad_trial(seed), random.Random(seed)
    facts = [write_structured(event) for event in told.events if not isinstance(event.data, TimePassed)]
    ends = []
    for _ in range(2):
        rng.shuffle(facts)
        ends.append(last_estimate(folded([*facts, *rng.sample(facts, 10), asked_at_last()])))
    assert ends[0] == ends[1], f"seed {seed}"
    in_order = last_estimate(folded([write_structured(one) for one in told.events] + [asked_at_last()]))
    assert ends[0] == in_order, f"seed {seed}"


def test_impossible_totals_are_said_as_they_are() -> None:
    told = bad_trial(SEEDS[0])
    estimate = last_estimate(folded([*(write_structured(one) for one in told.events), asked_at_last()]))
    once = [one for one in estimate["quality"]["newest"] if one["subject"].startswith("T")]
    assert {one["reason"] for one in once} == {"said_twice"}  # enrolled at a second site
    assert len(once) == 3
    assert {one["subject"] for one in estimate["quality"]["newest"] if one["reason"] == "unknown_site"} >= {"U0", "U3"}
    early = {one["subject"] for one in estimate["quality"]["newest"] if one["reason"] == "before_activation"}
    assert early >= {"E0", "E1", "E2", "E3"}
    assert all(one["advice"] for one in estimate["quality"]["newest"])
