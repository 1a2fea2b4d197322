"""The engine keeps the contract of all engines, refuses with the field's name, and fits its answer on one message."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.errors import MissingExtraError, SettingsError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from streams.jobs.engines import engines, load_engine
from tests.unit.twins.supply.planning.cases import draw, lost
from twins import engine_checks
from twins.engine import Device
from twins.supply.planning import Problem, SupplyPlan, check_plan, plan_greedily, read_problem
from twins.supply.planning.costs import assignments
from twins.supply.planning.model import cp_sat
from twins.supply.planning.problem import Assignment

EXAMPLE = Path(__file__).resolve().parents[5] / "examples" / "simulate" / "supply_plan_bay_lost.json"


def specification(problem: Problem, seed: int = 1, model: str = "cp_sat", **parameters: float) -> SimulationSpec:
    return SimulationSpec(
        "supply.plan", model, parameters, seed, 1, float(problem.horizon - problem.now), msgspec.to_builtins(problem)
    )


def test_it_keeps_the_contract() -> None:
    pytest.importorskip("ortools")
    specs = [specification(draw(2, 4, 2), work=0.05), specification(lost(4, 7), 7, work=0.05)]
    wrong = [
        msgspec.structs.replace(specs[0], parameters={"x": 1.0}),
        msgspec.structs.replace(specs[0], parameters={"work": -1.0}),
        msgspec.structs.replace(specs[0], horizon=1.0),
        msgspec.structs.replace(specs[0], kind="supply"),
    ]
    engine_checks.check_all(SupplyPlan(), specs, refused=wrong, piece_seconds=0.01)


def test_the_example_says_what_moved_and_why() -> None:
    pytest.importorskip("ortools")
    spec = msgspec.json.decode(EXAMPLE.read_bytes(), type=SimulationSpec)
    answer = engine_checks._to_the_end(SupplyPlan().prepare(spec, (), Device()))
    said = answer.summary
    assert said["feasible"]
    assert said["cost"] <= said["greedy_cost"]
    assert said["bound"] <= said["cost"]
    assert any("bay-1 is gone (contaminated)" in one["words"] for one in said["moves"])
    plan = msgspec.convert(answer.document["plan"], list[Assignment])
    assert check_plan(read_problem(spec.inputs), plan).violations == ()


def test_without_the_extra_greedy_plans_and_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    cp_sat.cache_clear()
    monkeypatch.setitem(sys.modules, "ortools", None)
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    problem = draw(2)
    found = plan_greedily(problem)
    assert check_plan(problem, assignments(problem, found.plan, found.frozen.kept)).feasible
    with pytest.raises(MissingExtraError, match=r"twinstream\[planning\]"):
        SupplyPlan()
    cp_sat.cache_clear()


def test_a_long_answer_is_cut_to_one_message_and_says_so() -> None:
    pytest.importorskip("ortools")
    spec = specification(lost(3, 250, 3), model="greedy")
    answer = engine_checks._to_the_end(SupplyPlan().prepare(spec, (), Device()))
    assert len(msgspec.json.encode(answer.summary)) <= MOST_SUMMARY_BYTES
    assert answer.summary["left_out"] > 0
    assert len(answer.document["unplaced"]) == answer.document["terms"]["patients_unplaced"]


def changed(change: Any) -> dict[str, Any]:  # Any: JSON
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(lost(3)))
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d.update(horizon=d["now"]), "inputs.horizon"),
        (lambda d: d.update(grid_minutes=7), "inputs.grid_minutes"),
        (lambda d: d["patients"][1].update(ready="soon"), "inputs.patients"),
        (lambda d: d["patients"][1].update(priority=4), "inputs.patients[1].priority"),
        (lambda d: d["patients"][1].update(latest=0), "inputs.patients[1].latest"),
        (lambda d: d["patients"][1].update(id="P0"), "inputs.patients"),
        (lambda d: d["patients"][0]["stages"][0].update(pool="beds"), "inputs.patients[0].stages[0].pool"),
        (lambda d: d["patients"][0]["stages"][1].update(departures="x"), "inputs.patients[0].stages[1].departures"),
        (lambda d: d["patients"][0]["stages"][0]["uses"][0].update(amount=9), "stages[0].uses[0].amount"),
        (lambda d: d["patients"][0]["stages"][0]["uses"][0].update(resource="bay-0"), "stages[0].uses[0].resource"),
        (lambda d: d["patients"][0]["stages"][0]["uses"][0].update(length=0), "stages[0].uses[0]"),
        (lambda d: d["patients"][0]["stages"][2]["within"][0].update(after="infusion"), "within[0].after"),
        (lambda d: d["pools"][0].update(units=["bay-9"]), "inputs.pools[0].units[0]"),
        (lambda d: d["pools"][0].update(units=["lab"]), "inputs.pools[0].units[0]"),
        (lambda d: d["resources"][4].update(calendar="x"), "inputs.resources[4].calendar"),
        (lambda d: d["resources"][0].update(closed=[{"start": 5, "end": 5}]), "inputs.resources[0].closed[0]"),
        (lambda d: d["calendars"][0].update(weekly=[{"start": 5, "end": 400}]), "inputs.calendars[0].weekly[0]"),
        (lambda d: d["departures"][0].update(weekly=[168]), "inputs.departures[0].weekly"),
        (lambda d: d["plan"].append({"patient": "Z", "stage": "make", "start": 1}), "inputs.plan"),
        (lambda d: d["plan"][0].update(unit="lab"), "inputs.plan[0].unit"),
    ],
)
def test_a_wrong_problem_is_refused_with_its_field(change: Any, field: str) -> None:  # Any: a change of JSON
    with pytest.raises(SettingsError, match="expected") as refusal:
        read_problem(changed(change))
    assert field in str(refusal.value)


def test_the_pool_knows_it() -> None:
    pytest.importorskip("ortools")
    entry = engines()["supply.plan"]
    engine = load_engine(entry)
    assert (engine.kind, engine.needs, engine.overlap) == (entry.kind, entry.needs, entry.overlap)
