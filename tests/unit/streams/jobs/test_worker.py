"""A job worker with real engine processes and a ledger in memory: what is killed, hangs, swells or is wished away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.jobs import ResimulationResult, SimulationSpec
from streams.jobs.devices import Place
from streams.jobs.engines import EngineEntry
from streams.jobs.slot import Limits
from streams.jobs.work import Pace
from streams.jobs.worker import Worker
from tests.support.counting_engine import CountingEngine, specification
from tests.support.job_ledger import MemoryLedger, Row
from twins.engine import Device, Needs

MODULE = "tests.support.counting_engine"
LIMITS = Limits(lease_seconds=5.0, renew_seconds=0.1, stop_seconds=0.5, start_seconds=30.0, cool_seconds=0.3)
PACE = Pace(0.005, 0.01, 0.04)
SLOW = 10_000  # turns in a step: about a millisecond
WATCHED = "counting.watched"  # held to a progress every second
LONG = 1_000_000  # steps that nobody waits for


def entry(
    kind: str = "counting",
    factory: str = "CountingEngine",
    needs: Needs = "cpu",
    memory_mb: int = 512,
    silent_seconds: float = 30.0,
) -> EngineEntry:
    return EngineEntry(kind, f"{MODULE}:{factory}", "supersede", needs, memory_mb, silent_seconds)


class Bench:
    """A worker in a thread, and its ledger."""

    def __init__(self, ledger: MemoryLedger, worker: Worker) -> None:
        self.ledger, self.worker = ledger, worker
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        until(lambda: worker.ready)

    def _run(self) -> None:
        self.code = self.worker.run()

    def stop(self) -> None:
        self.worker.request_stop()
        self.thread.join(20.0)
        assert not self.thread.is_alive()

    def ask(self, spec: SimulationSpec, job: str = "job-1") -> Row:
        return self.ledger.ask(job, spec)

    def pid(self, place: int = 0) -> int:
        process = self.worker.slots[place].process
        assert process is not None
        return process.pid


@contextmanager
def bench(
    *entries: EngineEntry,
    places: int = 1,
    limits: Limits = LIMITS,
    ledger: MemoryLedger | None = None,
    place: Place | None = None,
    load_past: Callable[..., Any] = lambda _: (),
    idle_seconds: float | None = None,
) -> Iterator[Bench]:
    ledger = ledger or MemoryLedger()
    given = {one.kind: one for one in entries or (entry(),)}
    where = [place or Place(Device())] * places
    worker = Worker("w", where, given, lambda: ledger, load_past, limits=limits, pace=PACE, idle_seconds=idle_seconds)
    made = Bench(ledger, worker)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    """One worker for the tests that leave it as it was; each with a job of its own."""
    watched = entry(WATCHED, "WatchedEngine", silent_seconds=1.0)
    with bench(entry(memory_mb=200), watched) as made:
        yield made


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def ended(row: Row) -> bool:
    return row.state in ("done", "failed", "cancelled")


def straight(spec: SimulationSpec) -> str:
    """What the engine answers without a worker."""
    run = CountingEngine().prepare(spec, (), Device())
    run.run(60.0)
    return str(run.answer().summary["mix"])


def result_of(row: Row) -> ResimulationResult:
    assert row.state == "done", (row.state, row.errors)
    (one,) = row.finished
    return msgspec.json.decode(one.result, type=ResimulationResult)


def test_a_job_is_answered_with_how_it_came_to_be(shared: Bench) -> None:
    row = shared.ask(spec := specification(300), "plain")
    until(lambda: ended(row))
    result = result_of(row)
    assert result.job == "plain"
    assert (result.kind, result.status, result.error) == ("counting", "done", "")
    assert result.summary["mix"] == straight(spec)
    how = result.provenance
    assert (how.seed, how.versions, how.device, how.reproducibility) == (7, {"counting": "1"}, "cpu", "exact")
    assert (how.inputs, how.content_hash, how.bucket) == (("bioreactor.events/3/41",), "a1b2", 64)
    assert (how.attempt, how.resumed) == (1, ())
    assert 0 < how.seconds < 20
    document = msgspec.json.decode(row.finished[0].document)
    assert document["steps"] == 300


def test_progress_is_seen_while_it_runs(shared: Bench) -> None:
    row = shared.ask(specification(150, work=SLOW), "seen")
    until(lambda: ended(row))
    assert row.share[0] == 0.0
    assert row.share == sorted(row.share)
    assert any(0 < share < 1 for share in row.share)
    assert row.seconds == pytest.approx(result_of(row).provenance.seconds, abs=0.2)


@pytest.mark.faults
def test_a_killed_engine_goes_on_from_its_checkpoint_to_the_same_bits(shared: Bench) -> None:
    row = shared.ask(spec := specification(250, work=SLOW), "killed")
    until(lambda: len(row.kept) == 2)
    before = shared.pid()
    os.kill(before, signal.SIGKILL)
    until(lambda: ended(row))
    result = result_of(row)
    assert row.errors == ["the engine's process was ended by SIGKILL"]
    assert result.summary["mix"] == straight(spec)
    assert result.provenance.attempt == 2
    assert result.provenance.resumed[0].startswith("1/")
    assert result.provenance.resumed[0].endswith(" exact")
    assert shared.pid() != before


@pytest.mark.faults
def test_a_torn_checkpoint_falls_back_to_the_one_before(shared: Bench) -> None:
    row = shared.ask(spec := specification(250, work=SLOW), "torn")
    until(lambda: len(row.kept) == 2)
    os.kill(shared.pid(), signal.SIGKILL)
    until(lambda: row.errors or row.state == "queued")
    older, newer = row.kept
    row.kept[:] = [older, replace(newer, body=newer.body[:-3])]
    until(lambda: ended(row))
    result = result_of(row)
    assert result.summary["mix"] == straight(spec)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("crash", "ended by SIGSEGV"),
        ("hang", "no progress for 1 s"),
        ("still", "no progress for 1 s"),
        ("swell", "more memory than it may"),
        ("memory", "ran out of memory"),
        ("raise", "a bad number"),
    ],
)
def test_trouble_costs_the_attempt_and_no_bit(what: str, why: str, shared: Bench, tmp_path: Path) -> None:
    (flag := tmp_path / "once").touch()
    kind = WATCHED if what in ("hang", "still") else "counting"
    trouble = {"what": what, "at": 30, "once": str(flag)}
    row = shared.ask(specification(60, work=SLOW, kind=kind, trouble=trouble), f"trouble-{what}")
    until(lambda: ended(row))
    assert len(row.errors) == 1
    assert why in row.errors[0]
    assert result_of(row).summary["mix"] == straight(specification(60, work=SLOW))
    assert result_of(row).provenance.attempt == 2


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (specification(0), "expected inputs.steps above 0"),
        (specification(13), "expected steps other than 13"),
        (specification(5, trouble={"what": "missing"}), "pip install 'twinstream"),
        (specification(5, trouble={"what": "nan"}), "JSON with finite numbers"),
        (specification(5, trouble={"what": "huge"}), "at most 65536 bytes"),
    ],
    ids=["validate", "prepare", "extra", "nan", "huge"],
)
def test_what_another_attempt_would_not_mend_fails_at_once(shared: Bench, spec: SimulationSpec, why: str) -> None:
    row = shared.ask(spec, f"refused {why}")
    until(lambda: ended(row))
    assert row.state == "failed"
    assert len(row.errors) == 1
    assert why in row.errors[0]


@pytest.mark.faults
def test_what_kills_the_validator_fails_alone(shared: Bench) -> None:
    poison = shared.ask(specification(5, trouble={"what": "kill validator"}), "poison")
    good = [shared.ask(specification(50), f"beside-{n}") for n in range(3)]
    until(lambda: all(map(ended, [poison, *good])))
    assert [row.state for row in [poison, *good]] == ["failed", "done", "done", "done"]
    assert len(poison.errors) == 3


def test_what_an_engine_prints_is_not_taken_for_its_word(shared: Bench) -> None:
    row = shared.ask(specification(20, trouble={"what": "print"}), "prints")
    until(lambda: ended(row))
    assert row.state == "done"


@pytest.mark.parametrize("wish", ["cancel", "supersede"])
def test_a_wish_is_obeyed_between_pieces(shared: Bench, wish: Any) -> None:
    row = shared.ask(specification(LONG, work=SLOW), f"wished {wish}")
    until(lambda: len(row.share) > 2)
    before, began = shared.pid(), time.monotonic()
    row.wish = wish
    until(lambda: row.returned)
    row.state = "cancelled"
    assert time.monotonic() - began < 2.0
    assert shared.pid() == before
    assert row.finished == []


def test_an_answer_that_comes_before_the_wish_is_heard_is_left_to_the_ledger(shared: Bench) -> None:
    rows = [shared.ask(specification(20), f"race-{n}") for n in range(5)]
    for row in rows:
        row.wish = "supersede"
    until(lambda: all(row.finished or row.returned for row in rows))
    for row in rows:
        row.state = "done"
        assert len(row.finished) <= 1


def test_a_lost_lease_commits_nothing(shared: Bench) -> None:
    row = shared.ask(specification(LONG, work=SLOW), "lost")
    until(lambda: len(row.share) > 2)
    row.state, row.attempt = "elsewhere", row.attempt + 1
    kept = list(row.kept)
    after = shared.ask(specification(10), "after the lost")
    until(lambda: ended(after))
    assert (row.state, row.finished, row.errors, row.returned, row.kept) == ("elsewhere", [], [], 0, kept)


@pytest.mark.faults
def test_an_answer_that_comes_after_the_lease_is_refused_and_the_job_answered_once() -> None:
    """What a frozen worker does when it wakes: it has not heard yet that its job is another's."""
    with bench(limits=replace(LIMITS, renew_seconds=60.0)) as made:
        row = made.ask(spec := specification(200, work=SLOW))
        until(lambda: row.share)
        made.ledger.take_away("job-1")
        until(lambda: ended(row))
        assert result_of(row).provenance.attempt == row.attempt == 3
        assert result_of(row).summary["mix"] == straight(spec)
        assert row.errors == []


def test_an_answer_that_the_ledger_cannot_keep_fails_the_job(shared: Bench) -> None:
    shared.ledger.refuse_answers = True
    row = shared.ask(specification(10), "unkept")
    until(lambda: ended(row))
    shared.ledger.refuse_answers = False
    assert row.state == "failed"
    assert "cannot keep the answer" in row.errors[0]


@pytest.mark.faults
def test_a_checkpoint_of_another_version_is_not_used() -> None:
    ledger = MemoryLedger()
    with bench(ledger=ledger) as old:
        row = old.ask(spec := specification(250, work=SLOW))
        until(lambda: row.kept)
    assert (row.state, row.returned) == ("queued", 1)
    assert old.code == 0
    with bench(entry(factory="NewerEngine"), ledger=ledger):
        until(lambda: ended(row))
    assert result_of(row).provenance.resumed == ()
    assert result_of(row).provenance.versions == {"counting": "2"}
    assert result_of(row).summary["mix"] == straight(spec)


@pytest.mark.faults
def test_a_worker_that_goes_gives_its_job_back_with_its_checkpoint() -> None:
    ledger = MemoryLedger()
    with bench(ledger=ledger, limits=LIMITS) as first:
        row = first.ask(spec := specification(600, work=SLOW))
        until(lambda: len(row.share) > 2)
        waiting = ledger.ask("job-2", specification(10))
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    assert (first.code, row.returned, row.failures, waiting.attempt) == (0, 1, 0, 0)
    with bench(ledger=ledger):
        until(lambda: ended(row) and ended(waiting))
    seq = row.kept[-1].seq
    assert result_of(row).provenance.resumed[-1].startswith(f"1/{seq}") or len(row.kept) > 1
    assert result_of(row).summary["mix"] == straight(spec)


@pytest.mark.faults
def test_jobs_go_on_while_the_ledger_is_away_and_stand_still_when_the_lease_is_over() -> None:
    limits = Limits(lease_seconds=1.0, renew_seconds=0.1, stop_seconds=0.5)
    with bench(limits=limits) as made:
        row = made.ask(specification(LONG, work=SLOW))
        until(lambda: row.kept)
        process = made.worker.slots[0].process
        assert process is not None
        made.ledger.away = True
        assert not process.paused
        until(lambda: process.paused)
        row.lease_until = time.monotonic() + 60  # nobody took it meanwhile
        seen = len(row.share)
        made.ledger.away = False
        until(lambda: not process.paused and len(row.share) > seen + 3)
        assert row.share[-1] > row.share[seen - 1]
        assert (row.state, row.attempt, row.errors) == ("running", 1, [])


def test_an_answer_waits_for_a_ledger_that_is_away(shared: Bench) -> None:
    row = shared.ask(specification(250, work=SLOW), "away at the end")
    until(lambda: len(row.share) > 1)
    shared.ledger.away = True
    until(lambda: not shared.worker.slots[0].busy)
    assert row.finished == []
    shared.ledger.away = False
    until(lambda: ended(row))
    assert result_of(row).provenance.attempt == 1


@pytest.mark.faults
def test_a_lost_device_is_left_alone_for_a_while(tmp_path: Path) -> None:
    (flag := tmp_path / "once").touch()
    gpu = Place(Device("cuda", 0, "card"), "cuda:0 card")
    kind = "counting.gpu"
    with bench(entry(kind, "GpuEngine", "gpu"), place=gpu) as made:
        row = made.ask(specification(50, kind=kind, trouble={"what": "device", "at": 20, "once": str(flag)}))
        until(lambda: row.errors)
        assert row.errors == ["the device no longer answers"]
        until(lambda: ended(row))
        assert result_of(row).provenance.device == "cuda:0 card"
        assert row.devices == ["cuda", "cuda"]


@pytest.mark.faults
def test_an_engine_that_cannot_be_loaded_leaves_the_others_at_work() -> None:
    bad = entry("bad", "crash_when_loaded"), entry("absent", "not_installed"), entry("nowhere", "nothing")
    with bench(*bad, entry()) as made:
        good = made.ask(specification(10))
        never = made.ledger.ask("job-2", specification(10, kind="bad"))
        until(lambda: ended(good))
        assert (good.state, never.state) == ("done", "queued")


@pytest.mark.faults
def test_a_process_that_goes_once_while_it_loads_costs_no_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (flag := tmp_path / "crash-once").touch()
    with bench(entry(factory="crash_once_when_loaded")) as made:
        row = made.ask(specification(10))
        until(lambda: ended(row))
        assert row.state == "done"
    assert not flag.exists()


def test_an_engine_process_has_no_address_and_ends_with_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSTREAM_DATABASE", "postgresql://u:secret@h/d")
    with bench() as made:
        environment = Path(f"/proc/{made.pid()}/environ").read_bytes()
        assert b"secret" not in environment
        assert b"PATH=" in environment
        assert os.getsid(made.pid()) == made.pid()
        pid = made.pid()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_job_is_handed_the_past_it_asked_for_and_fails_where_there_is_none_to_give() -> None:
    def refuse(_: object) -> Any:
        raise ValueError("no such twin")

    ledger = MemoryLedger()
    ledger.past_from = datetime(2026, 3, 1, tzinfo=UTC)
    with bench(ledger=ledger, load_past=refuse) as made:
        row = made.ask(specification(10))
        until(lambda: ended(row))
        assert row.errors == ["no such twin"]


def test_a_worker_that_is_to_end_when_idle_ends_well_once_nothing_came_for_so_long() -> None:
    ledger = MemoryLedger()
    ledger.ask("job-1", specification(200, work=SLOW))
    with bench(ledger=ledger, idle_seconds=0.6) as made:
        until(lambda: ended(ledger.rows["job-1"]))
        ended_at = time.monotonic()
        made.thread.join(10.0)
        assert (made.code, ledger.rows["job-1"].state, ledger.rows["job-1"].attempt) == (0, "done", 1)
        assert time.monotonic() - ended_at > 0.5  # its patience began anew when the job had ended


def test_a_worker_is_not_idle_while_its_ledger_is_away() -> None:
    ledger = MemoryLedger()
    ledger.away = True
    with bench(ledger=ledger, idle_seconds=0.3) as made:
        made.thread.join(1.0)
        assert made.thread.is_alive()
        row = ledger.ask("job-1", specification(10))
        ledger.away = False
        made.thread.join(10.0)
        assert (made.code, row.state) == (0, "done")
