"""`twinstream simulate`: the examples run, and the exit codes are those of every command."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from twins.bioreactor.models import MODELS

module = importlib.import_module("streams.cli.main")  # the door names the function of that name
EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "simulate"
SPECIFICATIONS = sorted(
    path
    for path in EXAMPLES.glob("*.json")
    if path.stem != "parameters" and not path.stem.startswith(("md_", "enrollment_", "supply_"))
)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line in this process, and give its exit code."""
    monkeypatch.setattr(module, "follow_supervisor", lambda: None)
    monkeypatch.setattr(sys, "argv", ["twinstream", "simulate", *words])
    with pytest.raises(SystemExit) as ended:
        module.main()
    return int(ended.value.code or 0)


def test_there_is_an_example_of_every_model() -> None:
    assert {path.stem for path in SPECIFICATIONS} == set(MODELS)


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.stem)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "result.json"
    assert command(monkeypatch, "bioreactor", "--spec", str(path), "--out", str(out)) == 0
    text = out.read_text()
    result: dict[str, Any] = json.loads(text)
    asked = json.loads(path.read_text())
    assert result["model"] == f"{asked['model']}@1"
    assert result["times_hours"][-1] == asked["horizon"]
    assert set(result["states"]) == {state.name for state in MODELS[asked["model"]].states}
    assert text.encode() == msgspec.json.encode(result, order="sorted") + b"\n"


def test_the_schedule_of_the_example_is_proved_to_be_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "plan.json"
    spec = EXAMPLES / "supply_plan_bay_lost.json"
    assert command(monkeypatch, "supply.plan", "--spec", str(spec), "--out", str(out)) == 0
    said = json.loads(out.read_bytes())["document"]
    assert said["feasible"]
    assert said["proved"]
    assert said["cost"] == said["bound"] < said["greedy_cost"]


def test_without_out_the_result_is_standard_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    parameters = str(EXAMPLES / "parameters.json")
    assert (
        command(monkeypatch, "bioreactor", "--spec", str(EXAMPLES / "cho_xing.json"), "--parameters", parameters) == 0
    )
    result = json.loads(capfdbinary.readouterr().out)
    assert result["parameters"]["mu_m"]["value"] == 0.031
    assert result["parameters"]["Y_LS"]["value"] == 1.1
    assert result["parameters"]["K_S"]["value"] == 0.084


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["weather", "--spec", "none.json"], "expected a kind among bioreactor"),
        (["bioreactor", "--spec", "none.json"], "expected a readable file"),
        (["bioreactor"], "--spec"),
        (["bioreactor", "--spec", "{broken}"], "expected JSON"),
        (["bioreactor", "--spec", "{wrong}"], "a model among"),
        (["bioreactor", "--spec", "{good}", "--out", "{folder}"], "a file that can be written"),
    ],
)
def test_what_cannot_be_served_is_usage(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.json").write_text("{")
    good = json.loads((EXAMPLES / "e_coli.json").read_text()) | {"horizon": 1.0, "draws": 1}
    good["inputs"] = {}
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "wrong.json").write_text(json.dumps(good | {"model": "hek"}))
    places = {name: str(tmp_path / f"{name}.json") for name in ("broken", "good", "wrong")} | {"folder": str(tmp_path)}
    assert command(monkeypatch, *(word.format(**places) for word in words)) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_help_says_where_the_specification_is_described(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--help") == 0
    assert "docs/models.md" in capfd.readouterr().out
