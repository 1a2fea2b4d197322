"""A configuration changes between two records: asked for, approved, made once, killed anywhere, and verified across."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from schemas.errors import SnapshotError, UsageError
from schemas.partitions import ConfigurationChanged
from streams import changing
from streams.appending import Row, append_rows
from streams.cli import app
from streams.engine.engine import EXIT_USAGE
from streams.fold import FileRecord, fold_records
from streams.ledger import audit, changes, claims
from streams.ledger.connect import connect
from streams.transports.access import open_writer
from streams.verify import PartitionVerdict, verify
from tests.faults.load import rows
from tests.faults.logs import Kept, read_topic
from tests.support.engines import TOPIC, Bench, prepared, rows_of
from tests.support.records import START
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.changing import change_row

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SEED = 20261212
LIMITS = [{"tag": "dissolved_oxygen", "low": 45.0, "unit": "%"}, {"tag": "ph", "low": 7.2, "unit": "[pH]"}]
OLD = BioreactorModel.from_config({"limits": LIMITS})
LIMIT = BioreactorModel.from_config({"limits": [LIMITS[0], {**LIMITS[1], "low": 7.1}]})
BELIEF = BioreactorModel.from_config({"limits": LIMITS, "parameters": {"growth_rate_sd": 0.02}})
HALF, WHOLE = 300, 600


@pytest.fixture
def uri(postgres_uri: str) -> str:
    return prepared(postgres_uri)


def log_of(number: int = WHOLE) -> list[Kept]:
    """Records of a small plant with late and wrong ones, all in one partition."""
    feed = rows(SEED, units=4)
    return [Kept(n, START // 1000 + n * 1000, *next(feed)) for n in range(number)]


def with_change(log: Sequence[Kept], at: int, *changed: ConfigurationChanged) -> list[Kept]:
    """Put the records of changes into a log before place `at`; what follows moves on."""
    written = [change_row(data, 0, START + at * 1_000_000 + n) for n, data in enumerate(changed)]
    put = [Kept(0, START // 1000 + at * 1000, None, row.value, row.headers) for row in written]
    return [one._replace(offset=n) for n, one in enumerate([*log[:at], *put, *log[at:]])]


def approved(uri: str, before: BioreactorModel, after: BioreactorModel) -> ConfigurationChanged:
    with connect(uri, name="test") as connection:
        changing.keep(connection, after)
        no = changes.request(
            connection, kind="bioreactor", before=before.name, after=after.name, author="Anna", reason="CC-17"
        )
        changes.approve(connection, no, approver="Bert", reason="read it")
        due = changes.due_change(connection, TOPIC, 0, before.name, after.name)
    assert due is not None
    return due


def ran(uri: str, model: BioreactorModel, log: Sequence[Kept], **more: Any) -> Bench:
    """Fold a log as far as it goes, and go as one who is killed."""
    bench = Bench(uri, model, **more)
    bench.feed({0: log}, SEED, (61, 7, 397))
    bench.vanish()
    return bench


def verified(uri: str, log: Sequence[Kept], first: int = 0) -> PartitionVerdict:
    def read(_: str, __: int, offset: int, limit: int) -> Sequence[Kept]:
        return [one for one in log if one.offset >= offset][:limit]

    with connect(uri, autocommit=True, name="test") as connection:
        assert audit.check(connection) is None
        (verdict,) = verify(connection, OLD, TOPIC, read, lambda *_: first, 173)
    return verdict


def lines_of(uri: str) -> list[bytes]:
    found = rows_of(uri, "select line from effect order by partition, rec_offset, n")
    return [bytes(line) for (line,) in found]


@pytest.mark.parametrize("after", [LIMIT, BELIEF], ids=["a limit", "a parameter"])
def test_an_approved_change_is_made_between_two_records(uri: str, after: BioreactorModel) -> None:
    log = log_of()
    ran(uri, OLD, log[:HALF], checkpoint_seconds=0.001)
    before = lines_of(uri)
    due = approved(uri, OLD, after)
    changed = with_change(log, HALF, due)
    ran(uri, after, changed)
    said = lines_of(uri)
    assert said[: len(before)] == before  # nothing that was said is another now
    models = [msgspec.json.decode(line)["model"] for line in said]
    assert set(models[len(before) :]) == {after.name}
    assert rows_of(uri, "select change, partition, rec_offset from change_made") == [(1, 0, HALF)]
    assert (OLD.name, HALF) in rows_of(uri, "select model, next_offset from checkpoint where kind = 'anchor'")
    assert (after.name, HALF + 1) in rows_of(uri, "select model, next_offset from checkpoint where kind = 'anchor'")
    for first in (0, HALF - 30, HALF + 1):
        verdict = verified(uri, changed, first)
        assert not verdict.difference
        assert verdict.state_compared
    stop = ran(uri, after, changed)  # nothing is due any more
    assert not stop.engine.configurations.due
    # what is believed is what would be, had the new configuration been there all along
    with connect(uri, name="test") as connection:
        offset = rows_of(uri, "select checkpoint_offset from applied")[0][0]
        kept = claims.load_checkpoint(connection, TOPIC, 0, offset)
    block = after.empty()
    block.restore(kept.body)
    straight = checks.fold(after, [one for one in changed if one.offset != HALF and one.offset < offset], (300,)).block
    assert isinstance(straight, BioreactorBlock)
    assert [block.belief(key) for key in block.keys()] == [straight.belief(key) for key in straight.keys()]  # noqa: SIM118


def test_without_approval_a_worker_ends_and_says_what_to_do(uri: str) -> None:
    ran(uri, OLD, log_of(60))  # killed before its first checkpoint
    bench = Bench(uri, LIMIT)
    with pytest.raises(SnapshotError, match=r"twinstream change request.*another person"):
        bench.engine.claim([0])
    bench.vanish()
    # nor does a record help that nobody approved, or that says another seal; the twins go on as they were
    forged = ConfigurationChanged(1, OLD.name, LIMIT.name, "0" * 64)
    log = with_change(log_of(90), 60, forged)
    ran(uri, OLD, log[:70])
    due = approved(uri, OLD, LIMIT)
    ran(uri, OLD, with_change(log, 80, msgspec.structs.replace(due, approval="1" * 64)))
    said = [msgspec.json.decode(line) for line in lines_of(uri)]
    assert {one["model"] for one in said} == {OLD.name}
    assert sum("an approved change" in str(one["data"].get("expected")) for one in said) == 2


def test_four_eyes(uri: str) -> None:
    with connect(uri, name="test") as connection:
        for model in (OLD, LIMIT):
            changing.keep(connection, model)
        asked = {"kind": "bioreactor", "before": OLD.name, "reason": "CC-17"}
        no = changes.request(connection, after=LIMIT.name, author="Anna", **asked)
        with pytest.raises(UsageError, match="another person"):
            changes.approve(connection, no, approver="anna", reason="")
        assert changes.due_change(connection, TOPIC, 0, OLD.name, LIMIT.name) is None
        changes.approve(connection, no, approver="Bert", reason="")
        for wrong in ({"after": BELIEF.name, "author": "Anna"}, {"after": OLD.name, "author": "Anna"}):
            with pytest.raises(UsageError, match="two kept configurations"):
                changes.request(connection, **asked, **wrong)
        with pytest.raises(UsageError, match="nobody has approved"):
            changes.approve(connection, no, approver="Carla", reason="")
        with pytest.raises(UsageError, match="asked for"):
            changes.approve(connection, 7, approver="Carla", reason="")
        actors = connection.execute("select actor, action from audit order by seq").fetchall()
        assert [actor for actor, _ in actors][-4:] == ["twinstream", "twinstream", "Anna", "Bert"]
        connection.commit()
        for table in ("configuration", "change", "change_approval"):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"), connection.transaction():
                connection.execute(f"delete from {table}".encode())


def test_the_commands(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINSTREAM_DATABASE", uri)
    file = tmp_path / "new.json"
    file.write_bytes(msgspec.json.encode(LIMIT.document()))
    with connect(uri, name="test") as connection:
        changing.keep(connection, OLD)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["change", *arguments])
        assert done.exit_code == code, done.output
        return done.output if code == 0 else str(done.exception)

    asked = ("request", "--config", str(file), "--author", "Anna Lind", "--reason", "CC-17")
    assert "say which with --before" in run(*asked, code=1)
    said = run(*asked, "--before", OLD.name)
    assert f"change 1: {OLD.name} -> {LIMIT.name}" in said
    assert "limits[1].low: 7.2 -> 7.1" in said
    assert "another person" in run("approve", "1", "--approver", "anna lind ", code=1)
    assert "not approved" in run("list")
    run("approve", "1", "--approver", "Bert Holm")
    assert "approved by Bert Holm" in run("list")
    assert msgspec.json.decode(run("show", LIMIT.name)) == msgspec.json.decode(msgspec.json.encode(LIMIT.document()))
    assert "received 'growth@1+x'" in run("show", "growth@1+x", code=1)


def test_killed_in_the_midst_of_a_change_it_is_made_once(uri: str) -> None:
    """Changes there and back, each of a worker that is killed at another step before or after its commit."""
    log, at, now = log_of(300), 0, OLD
    steps = ["fold", "begin", "memory", "checkpoint", "commit", "committed"]
    for number, step in enumerate(steps, 1):
        at += 40
        ran(uri, now, log[:at])
        other = BELIEF if now is OLD else OLD
        due = approved(uri, now, other)
        log = with_change(log, at, due, due)  # written twice, as by a worker that was killed before it came back
        killed = Killed()
        bench = Bench(uri, other, at_step=killed)
        start = bench.engine.claim([0])[0]
        assert bench.engine.configurations.due == {0: due}
        if start < at:
            bench.engine.fold(0, log[start:at])
            assert bench.engine._commits.flush(30)
        killed.step = step
        try:
            bench.engine.fold(0, log[at : at + 1])
        except OSError:
            assert step == "fold"
        else:
            assert bench.ended.wait(30)
        bench.engine._commits.stop(5)
        bench.engine.disconnect()
        bench._hang_up()
        now, at = other, at + 2
        ran(uri, now, log[:at])
        made = rows_of(uri, "select change, rec_offset from change_made order by 1")
        assert made == [(one, 42 * one - 2) for one in range(1, number + 1)]
    verdict = verified(uri, log)
    assert not verdict.difference
    assert len(verdict.notes) == len(steps)
    said = lines_of(uri)
    assert said == list(dict.fromkeys(said))
    assert sum(b"that was not made before" in line for line in said) == len(steps)  # the second record of each


class Killed:
    """Raises at one step, once that is set, as the end of a process would."""

    step = ""

    def __call__(self, name: str) -> None:
        if name == self.step:
            raise OSError("killed")


def test_a_worker_with_the_new_file_makes_the_change_in_every_partition(uri: str, tmp_path: Path) -> None:
    """The process itself, on the embedded log; one kill -9 as soon as the first partition has changed."""
    feed = rows(SEED, units=12)
    writer = open_writer(None, uri, "test")
    append_rows(writer, TOPIC, unplaced(feed, 300))
    first = Worker(uri, OLD, tmp_path)
    wait_for(lambda: rows_of(uri, "select sum(next_offset) from applied") == [(300,)], first)
    first.end(signal.SIGTERM)
    refused = Worker(uri, BELIEF, tmp_path)
    assert refused.process.wait(120) == EXIT_USAGE
    assert "twinstream change request" in refused.said()
    approved(uri, OLD, BELIEF)
    partitions = rows_of(uri, "select count(*) from checkpoint where kind = 'live'")[0][0]
    assert partitions > 3
    for least in (1, partitions):
        worker = Worker(uri, BELIEF, tmp_path)
        enough = f"select count(*) >= {least} from change_made"
        wait_for(partial(told, uri, enough), worker)
        if least == 1:
            worker.end(signal.SIGKILL)
    append_rows(writer, TOPIC, unplaced(feed, 100))
    writer.close()
    ends = {number: found[-1].offset + 1 if found else 0 for number, found in read_topic(None, uri, TOPIC).items()}
    wait_for(lambda: rows_of(uri, "select sum(next_offset) from applied")[0][0] >= sum(ends.values()), worker)
    worker.end(signal.SIGTERM)
    log = read_topic(None, uri, TOPIC)

    def read(_: str, partition: int, offset: int, limit: int) -> Sequence[Kept]:
        return [one for one in log[partition] if one.offset >= offset][:limit]

    with connect(uri, autocommit=True, name="test") as connection:
        verdicts = list(verify(connection, OLD, TOPIC, read, lambda *_: 0, 173))
        assert audit.check(connection) is None
    assert [one.difference for one in verdicts] == [""] * len(verdicts)
    assert sum(len(one.notes) for one in verdicts) == partitions
    assert rows_of(uri, "select change, count(*)::int from change_made group by 1") == [(1, partitions)]


class Worker:
    """A worker in a process of its own, with a configuration in a file."""

    def __init__(self, uri: str, model: BioreactorModel, folder: Path) -> None:
        file = folder / f"{model.name}.json"
        file.write_bytes(msgspec.json.encode(model.document()))
        self._output = folder / f"{model.name}.log"
        environment = {
            **os.environ,
            "TWINSTREAM_DATABASE": uri,
            "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_BIOREACTOR_CONFIG": str(file),
            "TWINSTREAM_LEASE_SECONDS": "2",
            "TWINSTREAM_CHECKPOINT_SECONDS": "0.5",
        }
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker"], env=environment, stdout=output, stderr=output
            )

        self.waiting = threading.Event()  # set by nobody: it paces the looks at the ledger

    def said(self) -> str:
        return self._output.read_text()

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        assert self.process.wait(120) == (0 if number == signal.SIGTERM else -number), self.said()[-3000:]


def unplaced(feed: Iterator[tuple[Any, ...]], number: int) -> list[Row]:
    """Take records that their keys place."""
    return [(key, value or b"", headers, None) for key, value, headers in islice(feed, number)]


def told(uri: str, query: str) -> bool:
    return bool(rows_of(uri, query)[0][0])


def wait_for(done: Callable[[], bool], worker: Worker) -> None:
    until = monotonic() + 180
    while not done():
        assert worker.process.poll() is None, worker.said()[-3000:]
        assert monotonic() < until, worker.said()[-3000:]
        worker.waiting.wait(0.05)


def test_folded_with_care_a_change_brings_its_state_along(uri: str) -> None:
    log = log_of(80)
    ran(uri, OLD, log[:40])
    log = with_change(log, 40, approved(uri, OLD, BELIEF))
    with connect(uri, name="test") as connection:
        for _ in range(2):
            claims.note_trouble(connection, TOPIC, 0, "planted")
    bench = Bench(uri, BELIEF)
    start = bench.engine.claim([0])[0]
    bench.engine.fold(0, log[start:41])
    bench.vanish()
    assert rows_of(uri, "select next_offset, model from checkpoint where kind = 'live'") == [(41, BELIEF.name)]
    ran(uri, BELIEF, log)
    assert not verified(uri, log).difference


def test_a_change_back_needs_an_approval_of_its_own(uri: str) -> None:
    log = log_of(300)
    ran(uri, OLD, log[:100])
    there = approved(uri, OLD, LIMIT)
    log = with_change(log, 100, there)
    ran(uri, LIMIT, log[:150])
    back = approved(uri, LIMIT, OLD)
    log = with_change(log, 150, back, there)  # and an approval that was used once counts no more
    ran(uri, OLD, log)
    assert rows_of(uri, "select change, rec_offset from change_made order by 1") == [(1, 100), (2, 150)]
    assert not verified(uri, log).difference
    assert rows_of(uri, "select model from checkpoint where kind = 'live'") in ([], [(OLD.name,)])
    bench = Bench(uri, LIMIT)
    with pytest.raises(SnapshotError, match="no approved change"):
        bench.engine.claim([0])
    bench.vanish()


def test_a_configuration_that_the_program_reads_otherwise_ends_it(uri: str) -> None:
    log = log_of(60)
    ran(uri, OLD, log[:30])
    due = approved(uri, OLD, LIMIT)
    other = msgspec.structs.replace(due, after="growth@9+0123456789")
    with connect(uri, name="test") as connection:
        changes.keep_configuration(connection, "bioreactor", other.after, {})
        connection.commit()
        no = changes.request(
            connection, kind="bioreactor", before=OLD.name, after=other.after, author="Anna", reason="x"
        )
        changes.approve(connection, no, approver="Bert", reason="")
        wanted = changes.due_change(connection, TOPIC, 0, OLD.name, other.after)
    assert wanted is not None
    bench = Bench(uri, OLD)
    bench.engine.claim([0])
    with pytest.raises(SnapshotError, match="another version") as caught:
        bench.engine.fold(0, with_change(log, 30, wanted))
    bench.engine.failed(0, caught.value)
    assert set(bench.codes) == {EXIT_USAGE}
    bench.vanish()


def test_a_fold_of_a_file_refuses_the_record() -> None:
    (record,) = with_change([], 0, ConfigurationChanged(1, OLD.name, LIMIT.name, "0" * 64))
    (line,) = fold_records(OLD, TOPIC, 0, [FileRecord(*record)])
    assert msgspec.json.decode(line)["data"]["reason"] == "invalid_field"
