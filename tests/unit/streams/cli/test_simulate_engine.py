"""`twinstream simulate KIND`: any engine of the pool in the foreground."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import msgspec
import pytest

from streams.jobs import engines
from tests.support.counting_engine import CountingEngine, specification
from twins.engine import Device

module = importlib.import_module("streams.cli.main")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the counting engine."""
    entry = engines.EngineEntry("counting", "tests.support.counting_engine:CountingEngine")
    monkeypatch.setattr(engines, "OURS", (entry,))
    monkeypatch.setattr(module, "follow_supervisor", lambda: None)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["twinstream", "simulate", *words])
    with pytest.raises(SystemExit) as ended:
        module.main()
    return int(ended.value.code or 0)


def test_it_writes_the_whole_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, out = tmp_path / "spec.json", tmp_path / "answer.json"
    spec.write_bytes(msgspec.json.encode(asked := specification(50)))
    assert command(monkeypatch, "counting", "--spec", str(spec), "--out", str(out)) == 0
    run = CountingEngine().prepare(asked, (), Device())
    run.run(60.0)
    answer = json.loads(out.read_bytes())
    assert (answer["kind"], answer["summary"]) == ("counting", run.answer().summary)


@pytest.mark.parametrize(
    ("steps", "words", "message"),
    [
        (0, ["counting"], "expected inputs.steps above 0"),
        (5, ["nothing"], "expected a kind among bioreactor, counting"),
        (5, ["counting", "--parameters", "none.json"], "parameters in the specification itself"),
    ],
)
def test_what_cannot_be_served_is_usage(
    steps: int,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_bytes(msgspec.json.encode(specification(steps)))
    assert command(monkeypatch, *words, "--spec", str(spec)) == 2
    assert message in " ".join(capfd.readouterr().err.split())
