"""An error in any part of a worker ends the process within 5 s, not with 0. Told to stop, it stops, also without a
database.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.launch_worker import PLACES, RAISED
from tests.faults.plan import ENGINE_STEPS, RAISE, Plan
from tests.faults.rig import Rig
from tests.faults.workers import Life, until

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261204
END_SECONDS = 5.0
STOP_SECONDS = 10.0
BROKEN = 70


def seconds_to_end(rig: Rig, life: Life) -> float:
    """Wait for the planted error, then for the end; give the time between."""
    until(lambda: life.step == RAISED or not life.alive, 30, "the planted error")
    return until(lambda: not life.alive, END_SECONDS, "the end after an error")


@pytest.mark.parametrize("place", [place for place in PLACES if place != "publisher"])
def test_an_error_anywhere_ends_the_process(make_rig: MakeRig, place: str) -> None:
    rig = make_rig("embedded", SEED)
    rig.feed(per_second=100, backlog=50)
    life = rig.launch(Plan(raise_in=place))
    took = seconds_to_end(rig, life)
    assert life.code == BROKEN, life.said()
    print(f"an error in the {place}: ended after {took:.1f} s")


@pytest.mark.kafka
@pytest.mark.parametrize("place", ["publisher", "consumer"])
def test_an_error_anywhere_ends_the_process_on_kafka(make_rig: MakeRig, place: str) -> None:
    rig = make_rig("kafka", SEED)
    rig.feed(per_second=100, backlog=50)
    life = rig.launch(Plan(raise_in=place))
    seconds_to_end(rig, life)
    assert life.code == BROKEN, life.said()


def test_errors_at_every_step_lose_nothing(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED)
    rig.feed(per_second=150, backlog=300)
    for life in rig.live(Plan(step, hit=3, act=RAISE) for step in ENGINE_STEPS):
        assert life.code == BROKEN, life.said()
    rig.finish()
    assert not rig.verify().problems


def test_a_failure_ends_the_process_even_where_it_cannot_be_noted(
    make_rig: MakeRig, own_postgres: Any, tmp_path: Path
) -> None:
    now = tmp_path / "now"
    rig = make_rig("embedded", SEED, uri=own_postgres.database())
    rig.feed(per_second=0, backlog=200)
    life = rig.launch(Plan(raise_in="timer", raise_when=str(now)))
    until(rig.applied, 30, "a first commit")
    own_postgres.stop()
    now.touch()
    seconds_to_end(rig, life)
    assert life.code == BROKEN
    own_postgres.start()
    rig.finish()
    assert not rig.verify().problems


def test_told_to_stop_it_stops_though_the_database_is_away(make_rig: MakeRig, own_postgres: Any) -> None:
    rig = make_rig("embedded", SEED, uri=own_postgres.database(), pending_records=100, frame_records=50)
    rig.feed(per_second=200, backlog=2000)
    life = rig.launch()
    until(rig.applied, 30, "a first commit")
    own_postgres.stop()
    life.signal(signal.SIGTERM)
    took = until(lambda: not life.alive, STOP_SECONDS, "a stop while the database is away")
    print(f"stopped after {took:.1f} s without a database")
    assert life.code == 0, life.said()
    own_postgres.start()
    rig.finish()
    assert not rig.verify().problems


def test_planted_an_error_that_is_swallowed_is_seen(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("swallow_errors",))
    rig.feed(per_second=100, backlog=50)
    life = rig.launch(Plan(raise_in="agent"))
    with pytest.raises(AssertionError, match="the end after an error"):
        seconds_to_end(rig, life)
