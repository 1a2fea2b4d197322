"""The database is away, at the start and under load: nothing is dropped, memory stays bounded, and it catches up.

`TWINSTREAM_LONG_FAULTS=1` runs it at its full length: away for more than 90 s at the start, then for 60 s.
"""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Callable
from time import monotonic
from typing import Any

import psutil
import pytest

from tests.faults.conftest import MakeRig
from tests.faults.rig import Rig
from tests.faults.workers import Life, until

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261205
LONG = os.environ.get("TWINSTREAM_LONG_FAULTS", "") not in ("", "0")
AWAY_AT_START_SECONDS = 95.0 if LONG else 10.0
AWAY_SECONDS = 60.0 if LONG else 15.0
CATCH_UP_SECONDS = 60.0
GROWTH_BYTES = 64 << 20
PENDING_RECORDS = 1000


def metric(port: int, name: str) -> float:
    """Read one metric of a worker."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
    raise AssertionError(f"expected a metric {name}, found none")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def be_away(server: Any, life: Life, seconds: float, at_end: Callable[[], None] = lambda: None) -> int:
    """Stop the database for so long; give the greatest resident size of the worker meanwhile."""
    process, largest = psutil.Process(life.pid), 0
    server.stop()
    over = monotonic() + seconds

    def watched() -> bool:
        nonlocal largest
        largest = max(largest, process.memory_info().rss)
        return monotonic() > over or not life.alive

    until(watched, seconds + 5, "the outage to end")
    assert life.alive, life.said()
    at_end()
    server.start()
    return largest


def run(rig: Rig, server: Any, port: int) -> None:
    """Away at the start; back; away again under load; back."""
    feeder = rig.feed(per_second=300, backlog=500)
    server.stop()
    life = rig.launch(TWINSTREAM_METRICS_PORT=str(port))
    be_away(server, life, AWAY_AT_START_SECONDS)
    began = until(lambda: rig.applied() or not life.alive, CATCH_UP_SECONDS, "a first commit after the start")
    settled = psutil.Process(life.pid).memory_info().rss

    def holds_back() -> None:
        # on the embedded log there is nothing to take in either; on Kafka there is, and no more is taken than may wait
        assert rig.broker is None or metric(port, "twinstream_backpressure") == 1.0

    largest = be_away(server, life, AWAY_SECONDS, holds_back)
    sent = len(feeder.acknowledged)
    until(lambda: len(feeder.acknowledged) > sent + 300, CATCH_UP_SECONDS, "load after the outage")
    rig.stop_feeding()
    caught = until(
        lambda: rig.applied() == rig.ends() or not life.alive, CATCH_UP_SECONDS, "the worker to have caught up"
    )
    print(
        f"away {AWAY_AT_START_SECONDS:g} s at the start: first commit {began:.1f} s after;"
        f" away {AWAY_SECONDS:g} s under load: caught up {caught:.1f} s after the load; grew by"
        f" {(largest - settled) >> 20} MiB"
    )
    assert largest - settled < GROWTH_BYTES
    rig.end_well(life)


def test_an_outage_of_the_database_loses_nothing(make_rig: MakeRig, transport: str, own_postgres: Any) -> None:
    rig = make_rig(transport, SEED, uri=own_postgres.database(), pending_records=PENDING_RECORDS, frame_records=500)
    run(rig, own_postgres, free_port())
    assert not rig.verify().problems


def test_planted_a_round_given_up_is_seen(make_rig: MakeRig, own_postgres: Any) -> None:
    rig = make_rig("embedded", SEED, uri=own_postgres.database(), defects=("drop_when_away",), frame_records=50)
    rig.feed(per_second=0, backlog=4000)
    life = rig.launch()
    until(rig.applied, 30, "a first commit")
    be_away(own_postgres, life, 1.0)
    rig.end_well(life)
    assert any("missing" in problem for problem in rig.verify().problems)
