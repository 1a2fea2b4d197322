"""kill -9 of dispatchers and job workers, at every named step and at random: each job is answered once, to the bit."""

from __future__ import annotations

import random

import pytest

from tests.faults.job_pool import Life, Pool
from tests.faults.job_process import DISPATCHER_STEPS, WORKER_STEPS

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261123
KILLS = 8


def test_killed_at_every_step(pool: Pool) -> None:
    for hit in (1, 2):
        for step in DISPATCHER_STEPS:
            pool.ask(*[20] * 10)
            assert pool.launch("dispatcher", at=step, hit=hit).wait() == -9, step
    pool.ask(*[250] * 4)
    pool.launch("dispatcher")
    for hit in (1, 2):
        lives = {step: pool.launch("worker", at=step, hit=hit, places=1) for step in WORKER_STEPS}
        for step, life in lives.items():
            assert life.wait() == -9, (step, life.said())
    pool.launch("worker")
    pool.all_ended()
    assert len(pool.asked) == 64
    resumed = pool.assert_each_answered_once()
    print(f"{2 * (len(DISPATCHER_STEPS) + len(WORKER_STEPS))} kills; {resumed} jobs went on from a checkpoint")


def test_killed_at_random_moments(pool: Pool) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    running: dict[str, Life] = {}
    roles = ["dispatcher", "worker", "worker "]

    def keep_running() -> None:
        for role in roles:
            if role not in running:
                running[role] = pool.launch(role.strip())

    for _ in range(KILLS):
        keep_running()
        pool.ask(*(rng.choice([10, 40, 250]) for _ in range(8)))
        # a moment of the pool's own time: as soon as so many more are answered, others in their midst
        pool.until("state = 'done'", pool.count("state = 'done'") + rng.randint(0, 4))
        running.pop(rng.choice(roles)).kill()
    keep_running()
    pool.all_ended()
    assert len(pool.asked) >= 60
    resumed = pool.assert_each_answered_once()
    attempts = pool.count("attempt > 1")
    print(f"{KILLS} kills; {attempts} jobs took more than one attempt, {resumed} went on from a checkpoint")
    assert attempts > 0
