"""The engine keeps the contract of all engines, and answers what is asked."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.jobs import SimulationSpec
from streams.jobs.engines import engines, load_engine
from twins import engine_checks
from twins.engine import Device
from twins.supply.network import SupplyNetwork, batch, read_question

EXAMPLE = Path(__file__).resolve().parents[5] / "examples" / "supply" / "reference_network.json"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled here: the answers are equal, and compiling takes longer than all of these tests."""
    batch.compile_loop.cache_clear()
    monkeypatch.setattr("twins.supply.network.batch.has_numba", lambda: False)
    monkeypatch.setattr("twins.supply.network.running.has_numba", lambda: False)
    monkeypatch.setattr("twins.supply.network.engine.has_numba", lambda: False)


def specification(draws: int = 6, seed: int = 4, **more: Any) -> SimulationSpec:  # Any: JSON
    steps = [
        {"name": "make", "duration": {"law": "gamma", "shape": 9.0, "scale": 0.5}, "needs": ["suite", "staff"]},
        {"name": "test", "duration": {"law": "deterministic", "days": 2.0},
         "outcomes": [{"probability": 0.1, "to": "make", "most": 1}]},
        {"name": "infusion", "duration": {"law": "exponential", "mean": 0.5}, "needs": ["bay"]},
    ]  # fmt: skip
    network = {
        "name": "small",
        "resources": [{"name": "suite", "units": 3}, {"name": "staff", "units": 2}, {"name": "bay", "units": 1}],
        "routes": [{"name": "r", "steps": steps}],
        "classes": [
            {"name": "c", "route": "r", "arrivals": {"kind": "poisson", "per_day": 0.3}},
            {"name": "known", "route": "r", "priority": -1, "arrivals": {"kind": "scheduled", "patients": [
                {"patient": f"P-{k}", "day": 3.0 * k, "slot": 3.0 * k + 8.0} for k in range(4)]}},
        ],
        "start": [{"patient": "P-9", "class": "known", "step": "test", "elapsed": 1.0, "slot": 3.0}],
    }  # fmt: skip
    scenarios = [
        {
            "name": "suites lost",
            "blows": [{"blow": "capacity", "resource": "suite", "begin": 2.0, "end": 20.0, "units": 0}],
        }
    ]
    return SimulationSpec(
        "supply", "network", {}, seed, draws, 60.0 * 24.0, {"network": network, "scenarios": scenarios, **more}
    )


def struck(blow: dict[str, Any]) -> SimulationSpec:  # Any: JSON
    return specification(scenarios=[{"name": "s", "blows": [blow]}])


@functools.cache
def answer() -> Any:  # Any: JSON
    return engine_checks._to_the_end(SupplyNetwork().prepare(specification(40), (), Device()))


def test_it_keeps_the_contract() -> None:
    wrong = [
        msgspec.structs.replace(specification(), parameters={"x": 1.0}),
        msgspec.structs.replace(specification(), draws=1_000_000),
        struck({"blow": "failure", "step": "make", "to": "x", "probability": 0.5}),
        struck({"blow": "demand", "classes": ["known"], "begin": 0.0, "end": 1.0, "factor": 2.0}),
    ]  # fmt: skip
    engine_checks.check_all(SupplyNetwork(), [specification(), specification(4, 5)], refused=wrong, piece_seconds=0.003)


def test_threads_change_nothing() -> None:
    one, two = (
        engine_checks._to_the_end(SupplyNetwork().prepare(specification(), (), Device(threads=threads)))
        for threads in (1, 3)
    )
    assert one.document == two.document


def test_patients_have_dates_and_chances_of_their_slots() -> None:
    rows = {one["patient"]: one for one in answer().document["patients"]}
    assert rows.keys() == {"P-9", "P-0", "P-1", "P-2", "P-3"}
    first = rows["P-9"]
    assert first["infusion"][0] >= 1.0  # the test takes one day more
    assert first["p_slot"] > 0.8  # all but those that are made again
    for one in rows.values():
        low, high = one["p_slot_interval"]
        assert low <= one["p_slot"] <= high
        dates = [day for day in one["infusion"] if day is not None]
        assert dates == sorted(dates)
    assert answer().summary["patients"][0]["p_slot"] == min(one["p_slot"] for one in rows.values())


def test_a_scenario_is_compared_on_the_same_chance() -> None:
    (lost,) = answer().document["scenarios"]
    known = next(one for one in lost["classes"] if one["class"] == "known")
    assert known["days_change"]["low"] > 1.0
    assert lost["slots_lost"]["mean"] > 1.0
    later = {
        one["patient"]: row for one, row in zip(answer().document["patients"], lost["patients_days_later"], strict=True)
    }
    assert later["P-2"]["mean"] > 5.0


def test_the_bottleneck_is_the_one_that_is_short() -> None:
    found = answer().document["bottleneck"]
    assert found["resource"] in {"staff", "suite"}
    assert 0.0 < found["share_of_replications"] <= 1.0
    assert sum(one["sole"]["mean"] for one in found["resources"]) <= 1.0


def test_a_large_network_still_fits_on_one_message() -> None:
    spec = copy.deepcopy(specification(2))
    inputs = spec.inputs
    long = "n" * 70
    inputs["network"]["resources"] += [{"name": f"{long}{k}", "units": 1} for k in range(57)]
    inputs["network"]["classes"] += [{"name": f"{long}{k}", "route": "r"} for k in range(60)]
    inputs["scenarios"] = [{**inputs["scenarios"][0], "name": f"{long}{k}"} for k in range(6)]
    engine_checks.check_answer(SupplyNetwork(), spec, Device())


def test_the_example_is_a_question() -> None:
    question = read_question(msgspec.json.decode(EXAMPLE.read_bytes(), type=SimulationSpec))
    assert question.networks[0].most == 1000
    assert len(question.names) == 6


def test_the_pool_knows_it() -> None:
    entry = engines()["supply"]
    engine = load_engine(entry)
    assert (engine.kind, engine.needs, engine.overlap) == (entry.kind, entry.needs, entry.overlap)


def test_without_numba_the_compiled_loop_says_what_to_install() -> None:
    with pytest.raises(Exception, match=r"twinstream\[fast\]"):
        batch.functions.__wrapped__(True)
    assert np.isfinite(answer().document["classes"][0]["days"]["mean"])
