"""kill -9 at every named step and at random moments: nothing is lost, nothing is doubled, the state is the log's."""

from __future__ import annotations

import signal

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.plan import CLAIM_STEPS, COPY_STEP, ENGINE_STEPS, PUBLISH_STEPS, Plan
from tests.faults.rig import STOP_SECONDS
from tests.faults.workers import until

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261201
KILLS = 30
LONGEST_SECONDS = 1.6


def test_killed_at_random_moments(make_rig: MakeRig, transport: str) -> None:
    rig = make_rig(transport, SEED)
    print(f"seed {SEED}")
    rig.feed(per_second=200)
    lasted = rig.live_killed(KILLS, LONGEST_SECONDS)
    rig.finish()
    reached: dict[str, int] = {}
    for life in rig.lives[:KILLS]:
        reached[life.step or "before the first step"] = reached.get(life.step or "before the first step", 0) + 1
    print(f"{KILLS} kills, at {min(lasted):.2f} to {max(lasted):.2f} s; last steps reached {reached}")
    found = rig.verify()
    assert not found.problems
    assert found.records > 1000
    assert sum(number for step, number in reached.items() if step != "before the first step") >= KILLS // 3


def test_killed_at_every_step(make_rig: MakeRig, transport: str) -> None:
    rig = make_rig(transport, SEED)
    rig.feed(per_second=200, backlog=500)
    steps = [*ENGINE_STEPS, COPY_STEP, *CLAIM_STEPS, *(PUBLISH_STEPS if transport == "kafka" else ())]
    for hit in (1, 3):
        for life in rig.live(Plan(step, hit if step not in CLAIM_STEPS else 1) for step in steps):
            assert (life.code, life.step) == (-9, life.plan.at)
    rig.finish()
    found = rig.verify()
    assert not found.problems


def test_killed_at_every_step_of_the_very_first_commit(make_rig: MakeRig) -> None:
    for step in [*CLAIM_STEPS, *ENGINE_STEPS, COPY_STEP]:
        rig = make_rig("embedded", SEED, model="counting")
        rig.feed(per_second=0, backlog=60)
        (life,) = rig.live([Plan(step)])
        assert (life.code, life.step) == (-9, step)
        rig.stop_feeding()
        second = rig.launch()
        rig.catch_up(second)
        second.kill()
        second.wait(10)
        found = rig.verify()
        assert not found.problems, step
        assert found.records == 60


@pytest.mark.parametrize(
    ("defect", "step", "told"),
    [
        ("forget_applied", "committed", "twice"),
        ("advance_first", "readings", "lost"),
        ("resume_at_applied", "committed", "the state"),
        ("checkpoint_apart", "commit", "lost"),
        ("frame_dependent", "committed", "missing"),
    ],
)
def test_planted_a_defect_of_the_commit_is_seen(make_rig: MakeRig, defect: str, step: str, told: str) -> None:
    # a checkpoint with nearly every round: a kill in the midst of a commit must meet one, on a machine of any speed
    seconds = 0.01 if defect == "checkpoint_apart" else 0.2
    rig = make_rig("embedded", SEED, defects=(defect,), checkpoint_seconds=seconds)
    rig.feed(per_second=200, backlog=300)
    for life in rig.live([Plan(step, hit=20)] * 3):
        assert life.code == -9
    rig.finish(more=200)
    problems = rig.verify().problems
    assert any(told in problem for problem in problems), problems


@pytest.mark.kafka
def test_planted_an_outbox_emptied_too_early_is_seen(make_rig: MakeRig) -> None:
    rig = make_rig("kafka", SEED, defects=("delete_before_publishing",))
    rig.feed(per_second=200, backlog=300)
    for life in rig.live([Plan("publish", hit=2)]):
        assert life.code == -9
    rig.finish()
    assert any("lacks messages" in problem for problem in rig.verify().problems)


def test_told_to_stop_it_ends_in_time_whatever_a_part_of_it_waits_for(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("never_out",))
    rig.feed(per_second=200, backlog=300)
    rig.finish()
    assert "stopped before all parts had ended" in rig.lives[-1].said()
    assert not rig.verify().problems


def test_told_to_stop_while_it_starts_it_ends_in_time_too(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("never_up",))
    rig.feed(backlog=300)
    life = rig.launch()
    until(lambda: rig.claimed_by(life), 30.0, "the worker to begin")
    life.signal(signal.SIGTERM)
    assert life.wait(STOP_SECONDS) == 0
    assert "MainThread" in life.said()  # where it was
