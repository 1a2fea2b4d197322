"""The clock of a study: what facts prove, and not what is said about advice."""

from __future__ import annotations

import pytest

from schemas import enrollment as e
from schemas.events import Event
from schemas.ids import event_hash
from schemas.instants import DAY, Instant
from schemas.jobs import Provenance, ResimulationResult
from tests.unit.twins.enrollment.trial import START, STUDY, Trial
from twins.enrollment.register import Register
from twins.frame import Fact

YEARS_LATER = Instant(START + 900 * DAY)
ANSWER = ResimulationResult("job", "enrollment", "done", Provenance(1, {}, "cpu", "exact"))
DECISION = e.CorrectionDecided("job", "declined", "A. Keller", "no")


def fact(event: Event) -> Fact:
    return Fact(0, 0, event, event_hash(event.source, event.id))


@pytest.mark.parametrize(
    ("kind", "data"), [("enrollment.resimulated", ANSWER), ("enrollment.correction_decided", DECISION)]
)
def test_an_answer_or_a_decision_that_comes_years_later_moves_no_clock(kind: str, data: object) -> None:
    register = Register()
    register.take(fact(Trial().plan(3.0)))
    assert register.clock == START + 3 * DAY
    register.take(fact(Event("late", "pool", kind, STUDY, Instant(START + 3 * DAY), YEARS_LATER, data)))
    assert register.clock == START + 3 * DAY
    assert len(register) == 2  # it is known all the same
    again = Register.read(register.write())
    assert (again.clock, len(again)) == (register.clock, 2)
