"""One worker folds several families at once, on one log, in one ledger; a kill in between loses nothing of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from schemas.events import write_structured
from schemas.topics import PARTITIONS
from streams.appending import append_rows
from streams.fold import FileRecord, fold_lines, fold_records
from streams.ledger.connect import connect
from streams.models import load_model
from streams.transports.access import open_writer
from streams.verify import verify
from tests.faults.logs import Kept, read_topic
from tests.support.counting import EVERY, CountingModel
from tests.support.engines import prepared, rows_of
from tests.support.families import BIOREACTORS, STUDIES, rows_of_both
from tests.unit.twins.enrollment.trial import trial

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
TOPICS = (BIOREACTORS, STUDIES)
SEED = 20261222
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "bioreactor" / "late_assay.jsonl"
TWINS, RECORDS = range(12), 40  # of each twin, in two halves


@pytest.fixture
def uri(postgres_uri: str) -> str:
    return prepared(postgres_uri)


class Worker:
    """A worker in a process of its own, with two families."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._output = folder / "worker.log"
        environment = {
            **os.environ,
            "TWINSTREAM_DATABASE": uri,
            "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_LEASE_SECONDS": "2",
            "TWINSTREAM_CHECKPOINT_SECONDS": "0.2",
        }
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.two_families"], env=environment, stdout=output, stderr=output
            )
        self._waiting = threading.Event()  # set by nobody: it paces the looks at the ledger

    def wait_for(self, done: Callable[[], bool]) -> None:
        until = monotonic() + 90
        while not done():
            assert self.process.poll() is None, self._output.read_text()[-3000:]
            assert monotonic() < until, self._output.read_text()[-3000:]
            self._waiting.wait(0.05)

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        assert self.process.wait(60) == (0 if number == signal.SIGTERM else -number), self._output.read_text()[-3000:]


def applied(uri: str) -> dict[str, int]:
    return dict(rows_of(uri, "select topic, sum(next_offset)::int from applied group by 1"))


def test_a_worker_folds_two_families_and_a_kill_loses_nothing_of_either(uri: str, tmp_path: Path) -> None:
    writer = open_writer(None, uri, "test")
    half = RECORDS // 2
    for topic, rows in rows_of_both(TWINS, range(half)).items():
        append_rows(writer, topic, rows)
    first = Worker(uri, tmp_path)
    first.wait_for(lambda: all(applied(uri).get(topic, 0) > 0 for topic in TOPICS))
    for topic, rows in rows_of_both(TWINS, range(half, RECORDS)).items():
        append_rows(writer, topic, rows)
    first.end(signal.SIGKILL)
    second = Worker(uri, tmp_path)
    everything = dict.fromkeys(TOPICS, len(TWINS) * RECORDS)
    second.wait_for(lambda: applied(uri) == everything)
    writer.close()
    second.end(signal.SIGTERM)
    for topic in TOPICS:
        check_topic(uri, topic)
    # a key that both families have is two twins
    assert rows_of(uri, "select kind, count(*)::int from twin group by 1 order by 1") == [
        ("bioreactor", len(TWINS)),
        ("enrollment", len(TWINS)),
    ]
    presents = rows_of(uri, "select kind, estimate ->> 'count' from twin")
    assert presents == [(kind, str(RECORDS)) for kind, _ in presents]
    estimates = rows_of(uri, "select t.kind, count(*)::int from effect e join twin t on t.no = e.twin_no group by 1")
    assert dict(estimates) == dict.fromkeys(("bioreactor", "enrollment"), len(TWINS) * RECORDS // EVERY)


def check_topic(uri: str, topic: str) -> None:
    """Hold the ledger against a fold of the log, and let `verify` do so in its own way."""
    kind = topic.partition(".")[0]
    log = read_topic(None, uri, topic)
    written = rows_of(uri, "select line from effect where topic = %s order by partition, rec_offset, n", topic)
    folded = [
        line
        for partition in range(PARTITIONS)
        for line in fold_records(
            CountingModel(kind=kind), topic, partition, [FileRecord(*one) for one in log[partition]]
        )
    ]
    assert [bytes(line) for (line,) in written] == folded
    said = [one.value for found in read_topic(None, uri, "twin.estimates").values() for one in found]
    assert sorted(line for line in said if line and f'"{topic}/'.encode() in line) == sorted(folded)  # each once

    def read(_: str, partition: int, offset: int, limit: int) -> Sequence[Kept]:
        return [one for one in log[partition] if one.offset >= offset][:limit]

    with connect(uri, autocommit=True, name="test") as connection:
        verdicts = list(verify(connection, CountingModel(kind=kind), topic, read, lambda *_: 0, 7))
    assert len(verdicts) == PARTITIONS
    assert [one.difference for one in verdicts] == [""] * PARTITIONS
    assert sum(one.records for one in verdicts) == len(TWINS) * RECORDS


def test_studies_beside_bioreactors_say_live_what_a_fold_says(tmp_path: Path, postgres_uri: str) -> None:
    """The product's own twins and commands: facts of both families in, effects out to the byte, verified, explained."""
    told = {"bioreactor": EXAMPLE.read_bytes(), "enrollment": study_lines()}
    (tmp_path / "both.jsonl").write_bytes(b"".join(told.values()))

    def twinstream(*arguments: str) -> str:
        environment = {**os.environ, "TWINSTREAM_DATABASE": postgres_uri, "TWINSTREAM_DATA_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    twinstream("replay", str(tmp_path / "both.jsonl"), "--speed", "max")
    for kind, lines in told.items():
        live = rows_of(
            postgres_uri, "select line from effect where topic = %s order by partition, rec_offset, n", f"{kind}.events"
        )
        folded = list(fold_lines(load_model(kind, None), lines.splitlines()))
        assert len(folded) > 20
        assert [bytes(line) for (line,) in live] == folded
    verified = twinstream("verify")
    assert all(f"{topic}/" in verified for topic in TOPICS)
    assert "DIFFERENT" not in verified
    last = msgspec.json.decode(folded[-1])
    about = msgspec.json.decode(twinstream("explain", last["id"]))
    assert about["identical"] is True
    assert about["effect"] == last


def study_lines() -> bytes:
    """A study's facts, as a file has them."""
    return b"".join(write_structured(event) + b"\n" for event in trial(SEED).events)
