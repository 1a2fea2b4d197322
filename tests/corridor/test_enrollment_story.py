"""The whole way of a study that falls behind, through real processes: its twin asks, the pool answers, a person takes
what is recommended, and months later the twin holds it against what came. All of it folds to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest

from schemas.events import read_structured, write_structured
from schemas.instants import parse_instant
from schemas.placement import partition_of
from schemas.topics import PARTITIONS, input_topic
from streams.appending import append_rows
from streams.fold import FileRecord, fold_records, place_lines
from streams.models import load_model
from streams.transports.access import open_writer
from tests.faults.logs import read_topic
from tests.support.engines import prepared, rows_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "enrollment" / "falls_behind"
CONFIG = EXAMPLE / "config.json"
TOPIC = input_topic("enrollment").name
KEY = "ST-FALLS-BEHIND"
PARTITION = partition_of(KEY.encode(), PARTITIONS)
NOT_TOLD = ("enrollment.resimulated", "enrollment.correction_decided")  # the pool and a person tell these here
FALL = "change.enrollment.DE.fell"
ENDED = ("done", "superseded")  # the pool answers the newest of questions that wait for each other
FLAGGED = "2025-08-21T00:00:00Z"

Line = dict[str, Any]  # Any: an effect, as JSON


class Roles:
    """`twinstream` processes on one database, each with its output in a file."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri, self._folder = uri, folder
        self._environment = {
            **os.environ,
            "TWINSTREAM_DATABASE": uri,
            "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_ENROLLMENT_CONFIG": str(CONFIG),
            "TWINSTREAM_CHECKPOINT_SECONDS": "0.5",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pace = threading.Event()  # set by nobody

    @contextmanager
    def role(self, *arguments: str) -> Iterator[None]:
        """Run one until the end of the block; it must then end well."""
        with (self._folder / f"{arguments[0]}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", *arguments], env=self._environment, stdout=output, stderr=output
            )
        self._running[arguments[0]] = process
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()

    def command(self, *arguments: str) -> str:
        """Run a command to its end; give its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def wait_for(self, what: str, done: Callable[[], Any], seconds: float = 90.0) -> Any:
        """Wait for a condition; say what the processes said where it does not come about."""
        until = monotonic() + seconds
        while not (found := done()):
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            assert not ended, f"{ended} ended:\n{self._said()}"
            assert monotonic() < until, f"no {what}:\n{self._said()}"
            self._pace.wait(0.05)
        return found

    def play(self, lines: Sequence[bytes]) -> None:
        """Append event lines, and wait until all there is is folded."""
        records = place_lines("enrollment", lines)[PARTITION]
        writer = open_writer(None, self.uri, "test")
        append_rows(writer, TOPIC, [(one.key or KEY.encode(), one.value or b"", one.headers, None) for one in records])
        writer.close()
        self.wait_for("fold", lambda: self.applied() == len(read_topic(None, self.uri, TOPIC)[PARTITION]))

    def applied(self) -> int:
        found = rows_of(
            self.uri, "select next_offset from applied where topic = %s and partition = %s", TOPIC, PARTITION
        )
        return int(found[0][0]) if found else 0

    def effects(self, kind: str, action: str | None = None) -> list[Line]:
        """The twin's effects of a kind, in order."""
        lines = rows_of(self.uri, "select line from effect where topic = %s order by partition, rec_offset, n", TOPIC)
        found = [msgspec.json.decode(bytes(line)) for (line,) in lines]
        return [one for one in found if one["kind"] == kind and action in (None, one["data"].get("action"))]

    def _said(self) -> str:
        said = [f"{role}: {(self._folder / f'{role}.log').read_text()[-2500:]}" for role in self._running]
        return "\n".join([*said, str(rows_of(self.uri, "select id, state, error from job"))])


@pytest.fixture
def roles(postgres_uri: str, tmp_path: Path) -> Iterator[Roles]:
    """Worker and job worker on one database."""
    made = Roles(prepared(postgres_uri), tmp_path)
    with ExitStack() as stack:
        for arguments in (("worker",), ("job-worker", "--devices", "cpu", "--slots", "1")):
            stack.enter_context(made.role(*arguments))
        yield made


def facts() -> tuple[list[bytes], list[bytes], bytes]:
    """The story's lines until the fall is flagged, those after it, and the decision."""
    lines = (EXAMPLE / "events.jsonl").read_bytes().splitlines()
    events = [(read_structured(line), line) for line in lines]
    told = [(event, line) for event, line in events if event.type not in NOT_TOLD]
    (decision,) = [line for event, line in events if event.type == NOT_TOLD[1]]
    until = parse_instant(FLAGGED)
    early = [line for event, line in told if event.record_time <= until]
    return early, [line for _, line in told[len(early) :]], decision


def advised(roles: Roles, job: str) -> Line:
    """Wait for the recommendation that rests on a job."""

    def said() -> list[Line]:
        return [one for one in roles.effects("correction", "recommend") if one["data"]["correction"] == job]

    found: list[Line] = roles.wait_for(f"recommendation of {job}", said)
    return found[0]


def test_a_study_falls_behind_and_what_was_recommended_is_taken_and_audited(roles: Roles) -> None:
    early, late, decision = facts()
    roles.play(early)
    asked = [one for one in roles.effects("request") if FALL in one["data"]["reason"]]
    assert len(asked) == 1
    recommended = advised(roles, asked[0]["id"])
    assert recommended["data"]["record"]["chosen"] == "open 8 sites in PL"

    taken = read_structured(decision)
    said = msgspec.structs.replace(taken.data, correction=asked[0]["id"])
    roles.play([write_structured(msgspec.structs.replace(taken, data=said))])
    (decided,) = roles.effects("correction", "decide")
    assert decided["data"]["hash"] == recommended["data"]["record"]["record_hash"]
    roles.play(late)
    roles.wait_for("answers", lambda: all(state in ENDED for (state,) in rows_of(roles.uri, "select state from job")))
    roles.wait_for("fold", lambda: roles.applied() == len(read_topic(None, roles.uri, TOPIC)[PARTITION]))
    audited = [one for one in roles.effects("correction", "audit") if one["data"]["correction"] == asked[0]["id"]]
    assert len(audited) == 2  # after 90 days, and at the target
    assert all(one["data"]["record"]["followed"] for one in audited)

    assert "identical" in roles.command("verify", "--kind", "enrollment").splitlines()[-1]
    about = msgspec.json.decode(roles.command("explain", recommended["id"]))
    assert about["identical"] is True
    assert about["job"]["identical"] is True
    assert_folds_alike(roles.uri)


def assert_folds_alike(uri: str) -> None:
    """Fold the records of the log, answers and the decision among them: the ledger's lines, to the byte."""
    kept = read_topic(None, uri, TOPIC)[PARTITION]
    folded = list(
        fold_records(load_model("enrollment", CONFIG), TOPIC, PARTITION, [FileRecord(*one) for one in kept], 37)
    )
    lines = rows_of(
        uri, "select line from effect where topic = %s and partition = %s order by rec_offset, n", TOPIC, PARTITION
    )
    assert len(folded) > 100
    assert folded == [bytes(line) for (line,) in lines]
