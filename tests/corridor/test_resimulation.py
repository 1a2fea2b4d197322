"""The whole way of a doubt, through real processes: a culture's growth slows, its twin asks, the pool answers, the
advisory forecast corrects itself, a person adopts, and the record of all of it folds to the same bytes."""

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

import httpx
import msgspec
import pytest

from schemas.events import read_record
from schemas.instants import HOUR, parse_instant
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.appending import append_rows
from streams.fold import FileRecord, fold_records, place_lines
from streams.models import load_model
from streams.transports.access import open_writer
from tests.browser.site import free_port
from tests.faults.logs import Kept, read_topic
from tests.support.engines import TOPIC, prepared, rows_of
from twins.bioreactor.simulation_inputs import SimulationInputs

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "bioreactor" / "slowed_growth"
CONFIG = EXAMPLE / "config.json"
KEY = "BR-301"
PARTITION = partition_of(KEY.encode(), PARTITIONS)
BEGAN = parse_instant("2026-06-01T06:00:00Z")
FELL, ANSWERED, ADOPTED = 36.0, 52.0, 54.0  # hours: growth falls, the pool is waited for, a person is
TRUTH = 1.2234  # 10*6 viable cells/mL at hour 96 of the culture that the recorded run was measured in
MU_BEFORE, MU_AFTER = 0.0319, 0.0319 * 0.7  # /h, of that culture

Line = dict[str, Any]  # Any: an effect, as JSON


class Roles:
    """`twinstream` processes on one database, each with its output in a file."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri, self._folder = uri, folder
        self.port = free_port()
        self._environment = {
            **os.environ,
            "TWINSTREAM_DATABASE": uri,
            "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_BIOREACTOR_CONFIG": str(CONFIG),
            "TWINSTREAM_CHECKPOINT_SECONDS": "0.5",
            "TWINSTREAM_API_PORT": str(self.port),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._pace = threading.Event()  # set by nobody

    @contextmanager
    def role(self, *arguments: str) -> Iterator[None]:
        """Run one until the end of the block; it must then end well."""
        with self._output(arguments[0]).open("ab") as output:
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
            del self._running[arguments[0]]

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

    def _output(self, role: str) -> Path:
        return self._folder / f"{role}.log"

    def _said(self) -> str:
        said = [f"{role}: {self._output(role).read_text()[-2500:]}" for role in self._running]
        return "\n".join([*said, str(rejects(self.uri)), str(rows_of(self.uri, "select id, state, error from job"))])


@pytest.fixture
def roles(postgres_uri: str, tmp_path: Path) -> Iterator[Roles]:
    """Worker, job worker and API on one database."""
    made = Roles(prepared(postgres_uri), tmp_path)
    with ExitStack() as stack:
        for arguments in (("worker",), ("job-worker", "--devices", "cpu", "--slots", "1"), ("api",)):
            stack.enter_context(made.role(*arguments))
        yield made


@pytest.fixture
def api(roles: Roles) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{roles.port}/api/v1", timeout=20) as client:
        yield client


def culture() -> list[FileRecord]:
    """The recorded run, as records of its partition."""
    with (EXAMPLE / "run.jsonl").open("rb") as lines:
        return place_lines("bioreactor", lines)[PARTITION]


def hour_of(record: FileRecord) -> float:
    """When the log knew of a record, in hours of the culture."""
    event = read_record(record.key, record.value, record.headers)
    return (event.record_time - BEGAN) / HOUR


def play(roles: Roles, records: Sequence[FileRecord]) -> None:
    """Append records, and wait until all there is is folded."""
    writer = open_writer(None, roles.uri, "test")
    append_rows(writer, TOPIC, [(one.key, one.value or b"", one.headers, None) for one in records])
    writer.close()
    roles.wait_for("fold", lambda: applied(roles.uri) == len(read_topic(None, roles.uri, TOPIC)[PARTITION]))


def applied(uri: str) -> int:
    found = rows_of(uri, "select next_offset from applied where topic = %s and partition = %s", TOPIC, PARTITION)
    return int(found[0][0]) if found else 0


def effects(uri: str, kind: str, lane: str | None = None) -> list[Line]:
    """The twin's effects of a kind, in order."""
    lines = rows_of(uri, "select line from effect order by partition, rec_offset, n")
    found = [msgspec.json.decode(bytes(line)) for (line,) in lines]
    return [one for one in found if one["kind"] == kind and lane in (None, one["lane"])]


def rejects(uri: str) -> list[Line]:
    return [one["data"] for one in effects(uri, "reject")]


def end_of(forecast: Line) -> float:
    """The median of viable cells at the planned end."""
    found: float = forecast["data"]["process"]["end_of_run"]["values"]["viable_cells"][2]
    return found


def believed(estimate: Line) -> float:
    """What growth is capable of, as the qualified lane believes it."""
    found: float = estimate["data"]["process"]["parameters"]["mu_m"]["value"]
    return found


def test_a_culture_slows_and_a_person_adopts_what_the_pool_found(roles: Roles, api: httpx.Client) -> None:
    run = culture()
    play(roles, [one for one in run if hour_of(one) <= ANSWERED])
    asked = effects(roles.uri, "request")
    assert [one["data"]["spec"]["kind"] for one in asked] == ["bioreactor.reestimate"]
    hour = (parse_instant(asked[0]["event_time"]) - BEGAN) / HOUR
    assert FELL < hour < ANSWERED
    assert "biomass has not been consistent" in asked[0]["data"]["reason"]

    job = asked[0]["id"]
    taken(roles, job)
    play(roles, [one for one in run if ANSWERED < hour_of(one) <= ADOPTED])
    assert rejects(roles.uri) == []
    advisory, own = (effects(roles.uri, "forecast", lane)[-1] for lane in ("advisory", "qualified"))
    off = {"qualified": abs(end_of(own) / TRUTH - 1.0), "advisory": abs(end_of(advisory) / TRUTH - 1.0)}
    print(f"asked at hour {hour:.1f}; end of run off by {off}")
    assert off["advisory"] < 0.6 * off["qualified"]

    told = api.get(f"/jobs/{job}").json()
    assert told["state"] == "done"
    assert told["adoption"] == {"allowed": True, "why": "", "adopted": False}
    before = believed(effects(roles.uri, "estimate", "qualified")[-1])
    found = told["result"]["summary"]["parameters"]["mu_m"]["median"]
    assert found < before
    said = api.post(f"/twins/bioreactor/{KEY}/adopt", json={"job": job, "by": "M. Sato", "reason": "growth slowed"})
    assert said.status_code == 202, said.text
    play(roles, [])
    assert believed(effects(roles.uri, "estimate", "qualified")[-1]) == pytest.approx(found, rel=0.02)
    play(roles, [one for one in run if hour_of(one) > ADOPTED])
    adopted = effects(roles.uri, "forecast", "qualified")[-1]
    assert abs(end_of(adopted) / TRUTH - 1.0) < off["qualified"]
    assert api.get(f"/jobs/{job}").json()["adoption"]["adopted"] is True
    ask_as_a_person(roles, api, asked[0]["data"])
    assert rejects(roles.uri) == []
    assert "identical" in roles.command("verify").splitlines()[-1]
    assert_folds_alike(roles.uri)


def ask_as_a_person(roles: Roles, api: httpx.Client, asked: Line) -> None:
    """Ask by the API how the run goes on, and what its parameters are: the twin takes both answers, each as its own."""
    own = {name: value for name, value in asked["spec"]["inputs"].items() if name in SimulationInputs.__struct_fields__}
    ensemble = {**asked["spec"], "kind": "bioreactor", "draws": 64, "inputs": {**own, "batch": "CHO-9"}}
    again = {**asked["spec"], "draws": 64, "inputs": {**asked["spec"]["inputs"], "at": None}}
    for spec, past in ((ensemble, None), (again, asked["past_from"])):
        wish = {
            "twin_kind": "bioreactor", "twin_key": KEY, "spec": spec, "reason": "what now?", "asked_by": "M. Sato",
            "past_from": past,
        }  # fmt: skip
        said = api.post("/jobs", json=wish)
        assert said.status_code == 202, said.text
        forecast = taken(roles, said.json()["id"])
        topic, partition, offset = forecast["data"]["resimulated"]["inputs"].split("/")
        assert (topic, int(partition)) == (TOPIC, PARTITION)
        assert int(offset) == int(forecast["id"].split("/")[2]) - 1  # all that there was before the answer
        assert len(forecast["data"]["at"]) <= 24
        assert BEGAN + 59 * HOUR <= parse_instant(forecast["data"]["at"][0]) < BEGAN + 62 * HOUR
        assert "viable_cells" in forecast["data"]["resimulated"]["ends"]


def taken(roles: Roles, job: str) -> Line:
    """Wait until the twin took the answer of a job; give the forecast that it made of it."""

    def said() -> list[Line]:
        return [one for one in effects(roles.uri, "forecast", "advisory") if of(one) == job]

    found: list[Line] = roles.wait_for("answer that the twin took", said)
    return found[0]


def of(forecast: Line) -> str | None:
    """Which job's answer an advisory forecast is of."""
    said = forecast["data"].get("resimulated")
    return None if said is None else said["job"]


def assert_folds_alike(uri: str) -> None:
    """Fold the records of the log, answers and adoption among them: the ledger's lines, to the byte."""
    kept: Sequence[Kept] = read_topic(None, uri, TOPIC)[PARTITION]
    model = load_model("bioreactor", CONFIG)
    folded = list(fold_records(model, TOPIC, PARTITION, [FileRecord(*one) for one in kept], 37))
    lines = rows_of(uri, "select line from effect where partition = %s order by rec_offset, n", PARTITION)
    assert folded == [bytes(line) for (line,) in lines]
