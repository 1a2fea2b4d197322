"""How an effect came to be: from a file, and from the ledger; and what is said when it does not come out again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from schemas.errors import LedgerError, UsageError
from schemas.events import write_structured
from schemas.jobs import Provenance, ResimulationResult
from streams.cli import app
from streams.explain import Explanation, explain, explain_file, place_of
from streams.fold import fold_lines
from streams.jobs import repeat
from streams.jobs.content import canonical_spec
from streams.jobs.engines import EngineEntry
from streams.jobs.foreground import run_here
from streams.ledger.connect import connect
from tests.support.counting import CountingModel
from tests.support.counting_engine import specification
from tests.support.engines import TOPIC, Bench, prepared, rows_of
from tests.support.families import STUDIES
from tests.support.job_rows import put_job
from tests.support.records import reading, record
from tests.unit.twins.enrollment.trial import records, trial
from twins.enrollment import EnrollmentModel
from twins.frame import RawRecord

SEED = 20261221
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "bioreactor" / "late_assay.jsonl"
ENGINES = {"counting": EngineEntry("counting", "tests.support.counting_engine:CountingEngine")}


def lines(count: int = 200) -> list[bytes]:
    return [write_structured(reading("U", second)) for second in range(count)]


def said() -> list[tuple[str, bytes]]:
    return [(msgspec.json.decode(line)["id"], line) for line in fold_lines(CountingModel(), lines())]


def test_an_effect_of_a_file_comes_out_again() -> None:
    name, line = said()[20]
    about = explain_file(CountingModel(), lines(), place_of(name), line)
    assert not about.difference
    document = about.document()
    assert document["identical"] is True
    assert document["record"]["event"]["id"] == f"U-{document['record']['offset']}"
    assert document["effect"] == msgspec.json.decode(line)
    assert document["folded"]["records"] == document["record"]["offset"] + 1 == 105
    assert document["program"]["now"]["numpy"]
    assert not explain_file(CountingModel(), lines(), place_of(name)).difference  # against a fold in other frames


def test_a_difference_is_shown_where_it_begins() -> None:
    name, line = said()[20]
    other = line.replace(b'"count":105', b'"count":106')
    about = explain_file(CountingModel(), lines(), place_of(name), other)
    assert f"byte {line.index(b'105') + 2} " in about.difference
    assert '"count":106' in about.difference
    assert '"count":105' in about.difference


def test_what_is_no_effect_is_told() -> None:
    for text in ("", "U", "a/b/c/d", "bioreactor.events/0/1/x", "twin.alerts/0/1/0", "bioreactor.events/-1/0/0"):
        with pytest.raises(UsageError, match="topic/partition/offset/n"):
            place_of(text)
    name, _ = said()[0]
    with pytest.raises(UsageError, match="this file's events"):
        explain_file(CountingModel(), lines(), place_of(name.removesuffix("/0") + "/7"))


def test_the_command_on_a_file(tmp_path: Path) -> None:
    effects, out = tmp_path / "effects.jsonl", tmp_path / "out.json"
    run = CliRunner().invoke
    assert run(app, ["fold", "bioreactor", "--events", str(EXAMPLE), "--out", str(effects)]).exit_code == 0
    name = msgspec.json.decode(effects.read_bytes().splitlines()[-1])["id"]
    given = ["explain", name, "--events", str(EXAMPLE), "--kind", "bioreactor", "--effects", str(effects)]
    assert run(app, [*given, "--out", str(out)]).exit_code == 0
    assert json.loads(out.read_bytes())["identical"] is True
    effects.write_bytes(effects.read_bytes().replace(b'"lane":"qualified"', b'"lane":"advisory"'))
    assert run(app, [*given, "--out", str(out)]).exit_code == 1
    assert json.loads(out.read_bytes())["identical"] is False
    wrong = run(app, ["explain", name, "--events", str(EXAMPLE)])
    assert isinstance(wrong.exception, UsageError)


def explained(uri: str, name: str, log: Sequence[RawRecord], first: int = 0, model: Any = None) -> Explanation:
    def read(_: str, __: int, offset: int, limit: int) -> Sequence[RawRecord]:
        return [one for one in log if one.offset >= offset][:limit]

    with connect(uri, autocommit=True, name="test") as connection:
        return explain(connection, model or CountingModel(), place_of(name), read, first)


def forged(uri: str, name: str) -> None:
    """Change an effect behind the ledger's back."""
    place = place_of(name)
    with connect(uri, autocommit=True, name="test") as connection:
        connection.execute(
            "update effect set line = convert_to(replace(convert_from(line, 'UTF8'), '\"qualified\"', '\"advisory\"'),"
            " 'UTF8') where topic = %s and partition = %s and rec_offset = %s and n = %s",
            (place.topic, place.partition, place.offset, place.n),
        )


@pytest.mark.postgres
def test_an_effect_of_the_ledger_comes_out_again(postgres_uri: str) -> None:
    uri = prepared(postgres_uri)
    log = [record(reading("U", i), i, i) for i in range(300)]
    bench = Bench(uri, checkpoint_seconds=1e-6)
    for start in (0, 100):
        bench.engine.claim([0])
        bench.engine.fold(0, log[start : start + 100])
        assert bench.engines.commits.flush(30)
    bench.engine.fold(0, log[200:])
    bench.stop()
    early, late = f"{TOPIC}/0/54/0", f"{TOPIC}/0/249/0"
    about = explained(uri, early, log)
    assert (about.difference, about.beginning, about.records) == ("", "the log's beginning", 55)
    assert explained(uri, late, log).folded_from == 100  # the first day's anchor; the live checkpoint is at the end
    assert explained(uri, late, log[100:], 100).records == 150
    with pytest.raises(LedgerError, match="the log of"):
        explained(uri, early, log[20:], 20)
    with pytest.raises(LedgerError, match="that the ledger has"):
        explained(uri, f"{TOPIC}/0/55/0", log)
    forged(uri, late)
    assert "differs from byte" in explained(uri, late, log).difference


@pytest.mark.postgres
def test_a_study_s_word_comes_out_again_with_its_own_configuration(postgres_uri: str) -> None:
    uri = prepared(postgres_uri)
    model = EnrollmentModel.from_config({"estimate_hours": 12, "forecast_hours": 48})
    log = records(trial(SEED).events)
    bench = Bench(uri, model, topic=STUDIES)
    bench.feed({0: log}, SEED, (7, 61))
    bench.stop()
    assert not bench.codes
    names = [name for (name,) in rows_of(uri, "select topic || '/0/' || rec_offset || '/' || n from effect")]
    assert len(names) > 20
    for name in (names[0], names[len(names) // 2], names[-1]):
        other = EnrollmentModel.from_config({})  # what is at hand is another; the ledger knows better
        about = explained(uri, name, log, model=other)
        assert not about.difference
        assert about.effect["model"] == model.name != other.name


@pytest.mark.postgres
def test_a_job_is_run_again_and_compared(postgres_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = prepared(postgres_uri)
    monkeypatch.setattr(repeat, "engines", lambda: ENGINES)
    spec = specification(40)
    whole = msgspec.json.decode(run_here("counting", spec, ENGINES, lambda _: None), type=dict[str, msgspec.Raw])
    how = Provenance(spec.seed, {"counting": "1"}, "cpu", "exact")
    result = msgspec.json.encode(ResimulationResult("j1", "counting", "done", how))
    ended = {"kind": "counting", "spec": canonical_spec(spec), "state": "done", "result": result}
    document = bytes(whole["document"])
    with connect(uri, autocommit=True, name="test") as connection:
        put_job(connection, "j1", **ended, document=zlib.compress(document))
        put_job(connection, "j2", **ended, document=zlib.compress(document.replace(b"40", b"41", 1)))
        put_job(connection, "j3", kind="counting", spec=canonical_spec(spec), state="done", answered_by="j1")
    first, second, third = (repeat.repeat(uri, job) for job in ("j1", "j2", "j3"))
    assert first["identical"] is True
    assert first["note"] == ""
    assert second["identical"] is False
    assert third["identical"] is True
    assert third["answered_by"] == "j1"
    assert repeat.repeat(uri, "nobody")["identical"] is None
