"""An ensemble: accurate, the same bits however it is cut, merged or resumed, and its scenarios draw by draw."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import MissingExtraError, SettingsError, SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from twins.bioreactor.answers import Summary, _trajectory
from twins.bioreactor.ensemble import BioreactorEnsemble, stepping
from twins.bioreactor.models import MODELS
from twins.bioreactor.simulate import simulate
from twins.engine import Answer, Device, Run

CPU = Device()
ENGINE = BioreactorEnsemble(backend="numpy")
FED: dict[str, Any] = {
    "feeds": [{"from_hour": 3.0, "to_hour": 20.0, "rate_litres_per_hour": 0.002, "rise_per_hour": 0.02}],
    "boluses": [{"at_hour": 7.0, "volume_litres": 0.05, "composition": {"glucose": 100.0}}],
    "samples": [{"at_hour": 12.0, "volume_litres": 0.02}],
    "report_every_hours": 6.0,
}


def spec(
    model: str = "cho_xing", draws: int = 100, seed: int = 7, hours: float = 24.0, **inputs: Any
) -> SimulationSpec:
    spread = {one.name: 0.1 for one in MODELS[model].parameters[:3]}
    return SimulationSpec("bioreactor", model, {}, seed, draws, hours, {"spread": spread, **inputs})


def end(run: Run, seconds: float = 10.0) -> Answer:
    for _ in range(100_000):
        standing = run.run(seconds)
        if standing.done == standing.total:
            return run.answer()
    raise AssertionError("it does not end")


def answered(asked: SimulationSpec, **how: Any) -> Answer:
    return end(ENGINE.prepare(asked, (), CPU), **how)


def bits(answer: Answer) -> bytes:
    return msgspec.json.encode(answer.document, order="sorted")


def test_with_a_step_given_it_is_the_simulation_of_the_same_steps() -> None:
    asked = spec(draws=70, step_hours=0.25, method="rk4", **FED)
    theirs, ours = simulate(asked, MODELS), answered(asked).document
    for kind in ("states", "outputs"):
        for name, one in theirs[kind].items():
            assert ours[kind][name]["final"] == pytest.approx(one["final"], rel=1e-13)
            for level, values in one["quantiles"].items():
                assert ours[kind][name]["quantiles"][level] == pytest.approx(values, rel=1e-12, abs=1e-9)
    assert {name for name in theirs if name not in ours} == set()
    assert ours["parameters"] == theirs["parameters"]


@pytest.mark.parametrize("name", ["cho_xing", "cho_duran", "t_cell"])
def test_chosen_steps_are_within_1e_4_of_the_accurate_solution(name: str) -> None:
    """Against LSODA to 1e-10, relative to each value or a hundredth of its scale: what the engine promises."""
    asked = spec(name, draws=6, hours=30.0, report_at_hours=[11.0, 30.0], feeds=FED["feeds"])
    accurate = simulate(
        msgspec.structs.replace(asked, inputs=asked.inputs | {"rtol": 1e-10, "feeds": _flat(asked)}), MODELS
    )
    ours = answered(msgspec.structs.replace(asked, inputs=asked.inputs | {"feeds": _flat(asked)})).document
    for state in MODELS[name].states:
        one, other = (np.array(result["states"][state.name]["final"]) for result in (ours, accurate))
        apart = np.abs(one - other) / np.maximum(np.abs(other), 0.01 * state.scale)
        assert apart.max() <= 1e-4, state.name
    assert 0.0 <= ours["method"]["pilot_error"] <= 1e-3


def _flat(asked: SimulationSpec) -> list[dict[str, Any]]:
    """A feed that does not rise: LSODA follows one that does, steps hold it for their length."""
    return [{**asked.inputs["feeds"][0], "rise_per_hour": 0.0}]


@pytest.mark.parametrize("name", ["yeast", "e_coli", "pensim"])
def test_stiff_models_take_implicit_steps(name: str) -> None:
    asked = spec(name, draws=5, hours=6.0, report_at_hours=[6.0])
    accurate, ours = simulate(asked, MODELS), answered(asked).document
    assert ours["method"]["name"].startswith("linearly implicit")
    for state in MODELS[name].states:
        one, other = (np.array(result["states"][state.name]["final"]) for result in (ours, accurate))
        assert np.max(np.abs(one - other) / np.maximum(np.abs(other), state.scale)) <= 1e-4, state.name


def test_where_glucose_runs_out_the_pilots_make_steps_short() -> None:
    """1-min steps on the same breaks are the reference; the end of glucose falls at another hour in each draw."""
    low: dict[str, Any] = {
        "initial": {"glucose": 1.0, "viable_cells": 2e9},
        "report_at_hours": [6.0, 12.0],
        "hours": 12.0,
    }
    ours = answered(spec("cho_duran", draws=20, **low))
    fine = answered(spec("cho_duran", draws=20, step_hours=1 / 60, **low))
    assert ours.document["method"]["shortest_step_hours"] < 0.1
    for state in MODELS["cho_duran"].states:
        one, other = (np.array(each.document["states"][state.name]["final"]) for each in (ours, fine))
        assert np.max(np.abs(one - other) / np.maximum(np.abs(other), 0.01 * state.scale)) <= 1e-4, state.name
    assert ours.document["states"]["glucose"]["quantiles"]["0.95"][-1] < 0.1


SCENARIOS: dict[str, Any] = FED | {
    "scenarios": [
        {"name": "stop", "feed_factor": 0.0, "feed_factor_from_hour": 10.0},
        {"name": "more", "feed_factor": 1.5, "feeds": [{"from_hour": 2, "to_hour": 5, "rate_litres_per_hour": 0.001}]},
    ],
    "limits": [{"quantity": "glucose", "low": 20.0, "high": 60.0}, {"quantity": "viability", "low": 99.0}],
    "covariance": {"parameters": ["mu_m"], "states": ["viable_cells"], "matrix": [[0.01, 0.002], [0.002, 0.02]]},
    "batch": "B-7",
}


@pytest.fixture(scope="module")
def whole() -> bytes:
    return bits(answered(spec(draws=130, **SCENARIOS)))


def test_where_pieces_end_changes_no_bit(whole: bytes) -> None:
    assert bits(answered(spec(draws=130, **SCENARIOS), seconds=0.0)) == whole


def test_it_goes_on_from_any_checkpoint_to_the_same_bits(whole: bytes) -> None:
    """Killed after every piece, once its steps are chosen: before, there is nothing to keep."""
    asked = spec(draws=130, **SCENARIOS)
    run, kills = ENGINE.prepare(asked, (), CPU), 0
    while True:
        standing = run.run(0.0)
        body = run.checkpoint()
        if standing.note != "choosing the steps":
            run, kills = ENGINE.prepare(asked, (), CPU), kills + 1
            assert run.restore(body) == "exact"
            assert run.checkpoint() == body
        if standing.done == standing.total:
            break
    assert kills > 10
    assert bits(run.answer()) == whole


def test_merged_jobs_have_the_bits_they_have_alone_in_any_order(whole: bytes) -> None:
    jobs = [
        spec(draws=130, **SCENARIOS),
        spec(draws=1, seed=3, step_hours=0.5, **FED),
        spec(draws=70, seed=9, **FED),
        spec(draws=65, seed=10, step_hours=0.5, **FED),
    ]
    alone = [whole, *(bits(answered(job)) for job in jobs[1:])]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        runs = ENGINE.prepare_together([jobs[place] for place in order], CPU)
        for place, run in runs.items():
            run.run(0.01)
            assert bits(end(run)) == alone[order[place]]


def test_what_is_merged_is_of_one_shape() -> None:
    one = ENGINE.together(spec(**FED))
    assert one == ENGINE.together(spec(seed=9, draws=3, **FED)) != ""
    assert one != ENGINE.together(spec("cho_duran", **FED))
    assert one != ENGINE.together(spec(hours=25.0, **FED))


def test_one_job_that_fails_leaves_the_others() -> None:
    sample = {"at_hour": 6.0, "volume_litres": 1.5}
    good = spec(draws=10, report_every_hours=6.0)
    bad = spec(draws=10, report_every_hours=6.0, samples=[sample])
    runs = ENGINE.prepare_together([bad, good], CPU)
    assert bits(end(runs[1])) == bits(answered(good))
    with pytest.raises(SettingsError, match="a sample of less than"):
        end(runs[0])


def test_scenarios_are_compared_draw_by_draw() -> None:
    asked = spec(draws=130, **SCENARIOS)
    answer = answered(asked)
    base, stop = answer.document["states"]["glucose"], answer.document["scenarios"]["stop"]["states"]["glucose"]
    apart = np.array(stop["final"]) - np.array(base["final"])
    said = answer.summary["scenarios"]["stop"]["against_base"]["glucose"]
    assert said["mean"] == pytest.approx(apart.mean(), rel=1e-5)
    assert said["quantiles"] == pytest.approx(np.quantile(apart, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(), rel=1e-5)
    assert apart.std() < 0.5 * np.std(base["final"])  # the same draws: what they share drops out
    alone = {**FED, "feeds": [{**FED["feeds"][0], "to_hour": 10.0}], "covariance": SCENARIOS["covariance"]}
    np.testing.assert_allclose(answered(spec(draws=130, **alone)).document["states"]["glucose"]["final"], stop["final"],
                               rtol=1e-4)  # fmt: skip
    assert stop["mean"][:2] == pytest.approx(base["mean"][:2], rel=1e-6)  # before it stops


def test_the_summary_says_ends_limits_and_batch_in_little() -> None:
    answer = answered(spec(draws=130, **SCENARIOS))
    summary = answer.summary
    assert len(msgspec.json.encode(summary)) <= MOST_SUMMARY_BYTES
    assert (summary["batch"], summary["draws"], answer.bucket) == ("B-7", 130, 64)
    final = np.array(answer.document["states"]["glucose"]["final"])
    limit = summary["scenarios"]["base"]["limits"][0]
    outside = ((final < 20.0) | (final > 60.0)).mean()
    assert limit["left_at_end"] == pytest.approx(outside, rel=1e-5)
    assert limit["left_at_any_report"] >= limit["left_at_end"]
    told = summary["scenarios"]["base"]["end"]["glucose"]["quantiles"]
    assert told == pytest.approx(np.quantile(final, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(), rel=1e-5)
    assert len(summary["scenarios"]["base"]["trajectories"]["glucose"]) == len(summary["times_hours"]) <= 24


def test_a_twin_can_read_the_trajectory() -> None:
    """As docs/bioreactor.md has it: hours that rise, and five quantiles of each state and output that do not cross."""
    answer = answered(spec(draws=130, **SCENARIOS))
    read = msgspec.convert(answer.summary, Summary)
    assert read.batch == "B-7"
    assert read.trajectory is not None
    assert _trajectory(read.trajectory) is None
    assert 2 <= len(read.trajectory.hours) <= 24
    assert set(read.trajectory.quantities) == {*answer.document["states"], *answer.document["outputs"]}
    told = read.trajectory.quantities["glucose"]
    base = answer.summary["scenarios"]["base"]["end"]["glucose"]["quantiles"]
    assert [row[-1] for row in told.rows] == base
    assert told.unit == answer.document["states"]["glucose"]["unit"]


def test_a_summary_of_many_scenarios_still_fits() -> None:
    many = [{"name": f"factor {k}", "feed_factor": 1.0 + k / 10} for k in range(16)]
    answer = answered(spec(draws=3, step_hours=0.5, report_every_hours=0.5, scenarios=many, feeds=FED["feeds"]))
    assert len(msgspec.json.encode(answer.summary)) <= MOST_SUMMARY_BYTES
    assert len(answer.summary["scenarios"]) == 17


def test_a_checkpoint_that_is_not_whole_or_of_another_job_is_refused() -> None:
    asked = spec(draws=3, step_hours=1.0, report_every_hours=12.0)
    run = ENGINE.prepare(asked, (), CPU)
    run.run(0.0)
    body = run.checkpoint()
    flipped = body[:-1] + bytes([body[-1] ^ 1])
    other = ENGINE.prepare(msgspec.structs.replace(asked, seed=8), (), CPU).checkpoint()
    for wrong in (flipped, body[:-3], b"", b"TWEN", other):
        again = ENGINE.prepare(asked, (), CPU)
        with pytest.raises(SnapshotError):
            again.restore(wrong)
        assert bits(end(again)) == bits(answered(asked))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "name twice": ({"scenarios": [{"name": "a"}, {"name": "a"}]}, r"received 'a', in inputs.scenarios\[1\]"),
    "base": ({"scenarios": [{"name": "base"}]}, "names other than base"),
    "scenario's feed": (
        {"scenarios": [{"name": "a", "feeds": [{"from_hour": 2, "to_hour": 1, "rate_litres_per_hour": 1}]}]},
        r"inputs.scenarios\[0\].feeds\[0\]",
    ),
    "scenario's condition": ({"scenarios": [{"name": "a", "conditions": {"temperature": 310.0}}]}, r"scenarios\[0\]"),
    "factor": ({"scenarios": [{"name": "a", "feed_factor": -1.0}]}, "feed_factor|>= 0"),
    "too many scenarios": ({"scenarios": [{"name": str(k)} for k in range(17)]}, "scenarios"),
    "limit of what": ({"limits": [{"quantity": "gold", "low": 1.0}]}, r"received 'gold', in inputs.limits\[0\]"),
    "limit of nothing": ({"limits": [{"quantity": "glucose"}]}, "low, high or both"),
    "limit upside down": ({"limits": [{"quantity": "glucose", "low": 2.0, "high": 1.0}]}, "low first"),
    "no report": ({"report_at_hours": [0.0]}, "a report after hour 0"),
    "too many events": (
        {
            "scenarios": [{"name": str(k)} for k in range(16)],
            "samples": [{"at_hour": 1.0, "volume_litres": 1e-6} for _ in range(300)],
        },
        "at most 4000 feeds",
    ),
    "covariance": ({"covariance": {"parameters": ["mu_m"], "matrix": [[-1.0]]}}, "positive semidefinite"),
    "too many reports": (
        {"report_every_hours": 0.002, "scenarios": [{"name": str(k)} for k in range(4)]},
        "numbers reported",
    ),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_what_cannot_be_served_is_said_where_it_stands(case: str) -> None:
    inputs, message = WRONG[case]
    with pytest.raises(SettingsError, match=message):
        ENGINE.validate(spec(**inputs))


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(SettingsError, match="states x draws x scenarios"):
        ENGINE.validate(spec(draws=1_000_000))
    with pytest.raises(SettingsError, match="steps x draws"):
        ENGINE.validate(spec(draws=10_000, hours=90_000.0, step_hours=0.01))
    ENGINE.validate(spec(draws=100_000, hours=336.0))


def test_without_jax_auto_is_numpy_and_jax_by_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "jax_there", lambda: False)
    auto = BioreactorEnsemble().prepare(spec(draws=2, step_hours=1.0), (), CPU)
    assert end(auto).document["method"]["backend"] == "numpy"
    with pytest.raises(MissingExtraError, match=r"twinstream\[jax\]"):
        BioreactorEnsemble(backend="jax").prepare(spec(draws=2), (), CPU)


def test_a_simulation_in_the_foreground_takes_no_scenarios() -> None:
    with pytest.raises(SettingsError, match="no scenarios"):
        simulate(spec(draws=3, scenarios=[{"name": "a"}]), MODELS)
