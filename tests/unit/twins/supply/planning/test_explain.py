"""What changed is said in words that a planner can act on."""

from __future__ import annotations

import msgspec

from tests.unit.twins.supply.planning.cases import lost
from twins.supply.planning import explain, plan_greedily
from twins.supply.planning.costs import assignments
from twins.supply.planning.problem import Assignment, Closing, Patient, Pool, Problem, Resource, Stage, Weights

STAGES = (Stage("make", 48, "bays"), Stage("infusion", 4))


def bays_lost(seconds_priority: int) -> Problem:
    """Two patients, two bays, one lost; who of them keeps the other depends on priority."""
    people = (
        Patient("A", 1, 0, 60, 400, STAGES, 20),
        Patient("B", seconds_priority, 0, 60, 400, STAGES, 300),
    )
    plan = (
        Assignment("A", "make", 10, "b0"),
        Assignment("A", "infusion", 60),
        Assignment("B", "make", 10, "b1"),
        Assignment("B", "infusion", 60),
    )
    gone = (Resource("b0", closed=(Closing(5, 1000, None, "contaminated"),)), Resource("b1"))
    return Problem("n", 5, 1000, people, gone, (Pool("bays", ("b0", "b1")),), plan=plan, grid_minutes=60)


def test_the_lost_bay_and_the_patient_of_higher_priority_are_named() -> None:
    problem = bays_lost(3)
    found = plan_greedily(problem)
    change = explain(problem, assignments(problem, found.plan, found.frozen.kept))
    words = {one.patient: one.words for one in change.moves}
    assert words["A"] == "A (priority 1): make moved, infusion stays: b0 is gone (contaminated)"
    assert words["B"] == ("B (priority 3): infusion 1 d 22 h later: its make in b1 went to A, of higher priority")
    assert change.nervousness["slots_moved"] == 1
    assert change.nervousness["slots_moved_hours_most"] == 46.0
    assert change.nervousness["stages_moved"] == 3


def test_a_patient_without_a_place_comes_first_and_is_a_risk() -> None:
    problem = bays_lost(1)
    both = tuple(msgspec.structs.replace(one, expires=20) for one in problem.patients)
    problem = msgspec.structs.replace(problem, patients=both)
    found = plan_greedily(problem)
    change = explain(problem, assignments(problem, found.plan, found.frozen.kept))
    assert "has no place any more" in change.moves[0].words
    assert change.nervousness["slots_lost"] == 1
    assert {one.limit for one in change.risks} >= {"place", "starting material"}


def test_nothing_moved_is_nothing_said() -> None:
    problem = bays_lost(3)
    whole = msgspec.structs.replace(problem, resources=(Resource("b0"), Resource("b1")))
    change = explain(whole, whole.plan)
    assert change.moves == ()
    assert change.nervousness["slots_moved_share"] == 0.0


def test_every_stage_that_stands_elsewhere_is_told_once() -> None:
    for seed in range(30):
        problem = lost(seed)
        found = plan_greedily(problem)
        new = assignments(problem, found.plan, found.frozen.kept)
        now = {(one.patient, one.stage): one for one in new}
        moved = {(one.patient, one.stage) for one in problem.plan if now.get((one.patient, one.stage)) != one}
        change = explain(problem, new)
        assert {(one.patient, stage) for one in change.moves for stage in one.stages} == moved
        assert all(one.why for one in change.moves)
        msgspec.json.encode(change.document())


def test_a_higher_weight_on_slots_moves_fewer_of_them() -> None:
    calm = nervous = 0.0
    for seed in range(30):
        for weight, weights in ((0, Weights(rebooked=0, moved=0)), (1, Weights(rebooked=2000, moved=200))):
            problem = msgspec.structs.replace(lost(seed), weights=weights)
            found = plan_greedily(problem)
            change = explain(problem, assignments(problem, found.plan, found.frozen.kept))
            count = change.nervousness["slots_moved"]
            calm, nervous = (calm + count, nervous) if weight else (calm, nervous + count)
    assert calm <= nervous
