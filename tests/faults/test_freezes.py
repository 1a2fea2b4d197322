"""A worker is frozen (SIGSTOP) where it hurts: another takes over within 10 s; the zombie writes nothing, and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import psutil
import pytest

from streams.log import connect
from tests.faults.conftest import MakeRig
from tests.faults.load import TOPIC
from tests.faults.plan import COPY_STEP, STOP, Plan
from tests.faults.rig import STALE, Rig
from tests.faults.workers import Life, until
from tests.faults.writers import watch_writers, written_by

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261203
TAKEOVER_SECONDS = 10.0
END_SECONDS = 5.0
HOLD_UP_SECONDS = 2.0  # far below the 5 s after which the server would end a transaction that stands still
# Inside a COPY of the ledger's transaction; inside an append to the log; right before COMMIT; right after it.
MOMENTS = (COPY_STEP, "outputs", "commit", "committed")


def replace_frozen(rig: Rig, plan: Plan) -> tuple[Life, Life, float]:
    """Freeze one worker by plan while another stands by; give both, and how long the take-over took."""
    watch_writers(rig.uri)
    rig.feed(per_second=100, backlog=300)
    first = rig.launch(plan)
    if rig.broker is None:
        until(lambda: rig.claimed_by(first), 30, "the first claim")
        second = rig.launch()
        until(lambda: first.stopped, 30, f"a freeze at {plan.at}")
        frozen = monotonic()
    else:  # a static member's place is taken by its namesake, once that is started
        until(lambda: first.stopped, 30, f"a freeze at {plan.at}")
        frozen = monotonic()
        second = rig.launch()
    until(lambda: rig.claimed_by(second), TAKEOVER_SECONDS, f"a take-over from one frozen at {plan.at}")
    return first, second, monotonic() - frozen


def wake(rig: Rig, zombie: Life, heir: Life) -> None:
    """Wake the frozen one once its lease is over: it must end by itself, and write nothing."""
    until(lambda: monotonic() > zombie.stopped_at + rig.lease_seconds + 0.5, 30, "the lease to run out")
    before = written_by(rig.uri, zombie.pid)
    zombie.signal(signal.SIGCONT)
    code = zombie.wait(END_SECONDS, "the zombie to end")
    assert code == STALE, zombie.said()
    assert written_by(rig.uri, zombie.pid) == before
    rig.stop_feeding()
    rig.end_well(heir)


def freeze_and_wake(rig: Rig, plan: Plan) -> float:
    zombie, heir, took = replace_frozen(rig, plan)
    wake(rig, zombie, heir)
    found = rig.verify()
    assert not found.problems, plan.at
    print(f"frozen at {plan.at}: take-over after {took:.1f} s")
    return took


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "only the epoch refuses it"])
def test_a_worker_frozen_inside_its_work_is_replaced(make_rig: MakeRig, watched: bool) -> None:
    moments = MOMENTS if watched else MOMENTS[:2]
    rigs = [make_rig("embedded", SEED + i) for i in range(len(moments))]
    plans = [Plan(at, hit=5, act=STOP, watched=watched) for at in moments]
    with ThreadPoolExecutor(len(rigs)) as pool:  # they mostly wait
        took = list(pool.map(freeze_and_wake, rigs, plans))
    assert max(took) < TAKEOVER_SECONDS


@pytest.mark.kafka
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "only the epoch refuses it"])
def test_a_static_member_that_returns_writes_nothing(make_rig: MakeRig, watched: bool) -> None:
    freeze_and_wake(make_rig("kafka", SEED, lease_seconds=3.0), Plan(COPY_STEP, hit=5, act=STOP, watched=watched))


def test_the_holder_of_the_lock_is_frozen_while_notifications_flow(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED)
    watch_writers(rig.uri)
    rig.feed(per_second=100)
    first = rig.launch()
    until(lambda: rig.claimed_by(first), 30, "the first claim")
    second = rig.launch()
    until(lambda: rig.applied(), 30, "a first commit")
    with notifications(rig.uri):
        first.signal(signal.SIGSTOP)
        until(lambda: first.stopped, 10, "a freeze")
        took = until(lambda: rig.claimed_by(second), TAKEOVER_SECONDS, "a take-over under notifications")
        wake(rig, first, second)
    print(f"take-over under notifications: {took:.1f} s")
    assert not rig.verify().problems


@contextmanager
def notifications(uri: str) -> Iterator[None]:
    """Send more notifications than a socket's buffers hold, as a busy plant does."""
    stop = threading.Event()

    def send() -> None:
        with connect(uri, "traffic") as connection:
            while not stop.wait(0.005):
                connection.execute("select pg_notify('twinstream_log', repeat('x', 7000)) from generate_series(1, 20)")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_producer_frozen_inside_its_append_holds_up_nobody(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED)
    feeder = rig.feed(per_second=200)
    life = rig.launch()
    until(lambda: rig.applied(), 30, "a first commit")
    command = [sys.executable, "-m", "tests.faults.frozen_producer", rig.uri, TOPIC, "400", "40000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as producer:
        try:
            until(lambda: psutil.Process(producer.pid).status() == psutil.STATUS_STOPPED, 30, "a frozen producer")
            sent, folded = len(feeder.acknowledged), sum(rig.applied().values())
            until(lambda: len(feeder.acknowledged) > sent + 400, 10, "appends of others")
            until(lambda: sum(rig.applied().values()) > folded + 400, 10, "commits")
            assert feeder.longest_seconds < HOLD_UP_SECONDS
            producer.send_signal(signal.SIGCONT)
            assert producer.wait(30) == 0
        finally:
            producer.kill()
    rig.stop_feeding()
    rig.end_well(life)
    found = rig.verify()
    assert not found.problems
    assert found.records == len(feeder.acknowledged) + 400


def test_planted_a_zombie_that_no_epoch_refuses_is_seen(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("no_epoch_check",))
    zombie, _, _ = replace_frozen(rig, Plan("begin", hit=5, act=STOP, watched=False))
    before = written_by(rig.uri, zombie.pid)
    zombie.signal(signal.SIGCONT)
    until(lambda: written_by(rig.uri, zombie.pid) != before, 20, "the zombie to write")
    assert zombie.alive


def test_planted_a_lock_without_lease_is_never_taken_over(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("no_lease",), lease_seconds=2.0)
    with pytest.raises(AssertionError, match="take-over"):
        replace_frozen(rig, Plan("committed", hit=5, act=STOP))
