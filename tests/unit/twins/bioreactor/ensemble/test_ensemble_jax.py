"""Ensembles by JAX: the laws of the others hold, and its numbers agree with numpy's."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import SnapshotError
from schemas.jobs import SimulationSpec
from twins.bioreactor.ensemble import BioreactorEnsemble
from twins.bioreactor.ensemble.stepping import jax_there
from twins.bioreactor.ensemble.stepping_jax import JaxStepper
from twins.bioreactor.models import MODELS
from twins.engine import Answer, Device, Run

pytestmark = [
    pytest.mark.jax,
    pytest.mark.skipif(not jax_there(), reason="needs JAX, the extra of that name"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ENGINE = BioreactorEnsemble(backend="jax")
FED: dict[str, Any] = {
    "feeds": [{"from_hour": 3.0, "to_hour": 20.0, "rate_litres_per_hour": 0.002, "rise_per_hour": 0.02}],
    "boluses": [{"at_hour": 7.0, "volume_litres": 0.05, "composition": {"glucose": 100.0}}],
    "report_every_hours": 6.0,
}


def spec(model: str = "cho_xing", draws: int = 100, seed: int = 7, **inputs: Any) -> SimulationSpec:
    spread = {one.name: 0.1 for one in MODELS[model].parameters[:3]}
    return SimulationSpec("bioreactor", model, {}, seed, draws, 24.0, {"spread": spread, **FED, **inputs})


def end(run: Run, seconds: float = 10.0) -> Answer:
    for _ in range(100_000):
        standing = run.run(seconds)
        if standing.done == standing.total:
            return run.answer()
    raise AssertionError("it does not end")


def bits(answer: Answer) -> bytes:
    return msgspec.json.encode(answer.document, order="sorted")


def answered(asked: SimulationSpec, device: Device | None = None, seconds: float = 10.0) -> Answer:
    return end(ENGINE.prepare(asked, (), device or Device()), seconds)


@pytest.mark.parametrize("name", ["cho_xing", "cho_duran", "t_cell"])
def test_it_agrees_with_numpy(name: str) -> None:
    asked = spec(name, step_hours=0.25)
    theirs = end(BioreactorEnsemble(backend="numpy").prepare(asked, (), Device())).document
    ours = answered(asked).document
    assert (ours["method"]["backend"], theirs["method"]["backend"]) == ("jax", "numpy")
    for state, one in theirs["states"].items():
        np.testing.assert_allclose(ours["states"][state]["final"], one["final"], rtol=1e-9, atol=1e-12)


def test_a_stiff_model_is_stepped_by_numpy() -> None:
    answer = answered(SimulationSpec("bioreactor", "yeast", {}, 1, 1, 1.0, {"report_at_hours": [1.0]}))
    assert answer.document["method"]["backend"] == "numpy"


def test_merging_cutting_threads_and_resuming_change_no_bit() -> None:
    """1,100 draws: more than one launch."""
    jobs = [spec(draws=1100), spec(draws=130, seed=3), spec(draws=1, seed=9)]
    alone = [bits(answered(job)) for job in jobs]
    assert bits(answered(jobs[0], Device(threads=2))) == alone[0]
    assert bits(answered(jobs[1], seconds=0.0)) == alone[1]
    for order in ([0, 1, 2], [2, 0, 1]):
        runs = ENGINE.prepare_together([jobs[place] for place in order], Device(threads=2))
        for place, run in runs.items():
            assert bits(end(run)) == alone[order[place]]
    run = ENGINE.prepare(jobs[0], (), Device())
    while True:
        standing = run.run(0.0)
        if standing.note != "choosing the steps":
            body = run.checkpoint()
            run = ENGINE.prepare(jobs[0], (), Device())
            assert run.restore(body) == "exact"
        if standing.done == standing.total:
            break
    assert bits(run.answer()) == alone[0]


def test_another_back_end_does_not_go_on_from_its_checkpoint() -> None:
    body = ENGINE.prepare(spec(), (), Device()).checkpoint()
    with pytest.raises(SnapshotError):
        BioreactorEnsemble(backend="numpy").prepare(spec(), (), Device()).restore(body)


def test_a_schedule_of_another_length_compiles_nothing() -> None:
    """One program a model: feeds, horizons and numbers of draws are data."""
    answered(spec())
    found = [one for one in ENGINE._steppers.values() if isinstance(one, JaxStepper)]
    before = [one.programs for one in found]
    answered(spec(draws=7, feeds=[], report_every_hours=5.0))
    assert [one.programs for one in found] == before
    assert all(count == 1 for count in before)
