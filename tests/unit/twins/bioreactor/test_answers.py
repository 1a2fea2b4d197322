"""Answers of re-simulations: which a twin takes, what it says of them, and that nothing of its own moves."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from schemas import bioreactor as b
from schemas.effects import Effect, ForecastData, write_effect
from schemas.errors import InputError
from schemas.instants import HOUR, SECOND, format_instant
from tests.unit.twins.bioreactor.answering import (
    CONFIG,
    END,
    SAID,
    adopt,
    answer,
    block_of,
    culture,
    folding,
    in_order,
    request_of,
)
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins import checks
from twins.bioreactor import BioreactorModel
from twins.bioreactor.answers import MOST_ASKED, Run, check_answer
from twins.checks import Folded
from twins.frame import read_frame
from twins.past import MemoryPast

LATER = 25.0  # hours: a fact may be 24 h late
PLAIN: dict[str, Any] = {**CONFIG, "triggers": None}


def of_record(folded: Folded, event_id: str, script: Script) -> list[Effect]:
    offset = next(n for n, event in enumerate(script.events) if event.id == event_id)
    return [one for one in folded.effects if one.id.split("/")[2] == str(offset)]


def answered(hours: float = 2.5, at: float = 2.2, **more: Any) -> tuple[Script, str]:
    script = culture(hours)
    job, asked = request_of(script)
    answer(script, job, asked, at * 3600, **more)
    in_order(script)
    return script, job


def test_an_answer_is_said_on_the_advisory_lane_and_moves_nothing_of_the_qualified_one() -> None:
    script, job = answered()
    folded, without = folding(script.events), folding(culture().events)
    said = of_record(folded, job, script)
    assert [(one.kind, one.lane, one.key) for one in said] == [("forecast", "advisory", "BR-1")]

    def qualified(some: Folded) -> list[Any]:
        """Numbers of records and offsets apart, which count the answer's own record."""
        kept = []
        for one in some.effects:
            if one.lane == "qualified" and one.kind != "reject":
                data = {name: value for name, value in one.data.items() if name not in ("records", "alert")}
                kept.append((one.kind, one.event_time, data))
        return kept

    assert qualified(folded) == qualified(without)
    moved = block_of(folded).belief("BR-1")
    assert moved == block_of(without).belief("BR-1")


def test_what_is_said_names_the_job_and_what_changed() -> None:
    script, job = answered()
    effect = of_record(folding(script.events), job, script)[0]
    data = msgspec.convert(effect.data, ForecastData)
    write_effect(effect)
    told = data.resimulated
    assert told is not None
    assert (told.job, told.kind, told.device) == (job, "bioreactor.reestimate", "cpu")
    assert told.versions == {"numpy": "2.4"}
    assert told.inputs == job.rpartition("/")[0]
    assert told.asked_at == effect.event_time == format_instant(BEGIN + (5400 + 1) * SECOND)
    assert told.parameters["mu_m"].after == 0.02
    assert told.parameters["mu_m"].before == pytest.approx(0.029, rel=0.2)
    assert told.parameters["Y_XS"].after_sd_log == pytest.approx(0.1)
    assert told.adoptable
    assert data.at == [
        format_instant(BEGIN + 5401 * SECOND),
        format_instant(BEGIN + (5400 + 5401) * SECOND),
        told.after_at,
    ]
    assert data.values["glucose"] == [[16.0, 18.0, 20.0, 22.0, 24.0]] * 3
    cells = told.ends["viable_cells"]
    assert cells.unit == "10*6/mL"
    assert cells.after == pytest.approx([0.8, 0.9, 1.0, 1.1, 1.2])
    assert cells.before is not None
    assert cells.before[0] < cells.before[2] < cells.before[4]
    assert told.before_at == END
    assert told.after_at == format_instant(BEGIN + (5400 + 1) * SECOND + round(3.5 * HOUR))
    assert told.ends["mystery"].before is None
    assert data.process is not None


def test_later_forecasts_have_an_advisory_one_beside_them_until_the_run_ends() -> None:
    script, job = answered(hours=4.4)
    script.end(4.2 * 3600)
    in_order(script)
    folded = folding(script.events)
    plain = [one for one in folded.effects if one.kind == "forecast" and one.lane == "qualified"]
    advisory = [one for one in folded.effects if one.kind == "forecast" and one.lane == "advisory"][1:]
    times = [one.event_time for one in advisory]
    after = format_instant(BEGIN + round(2.2 * HOUR))
    assert times
    assert times == [one.event_time for one in plain if one.event_time > after]
    assert max(times) < format_instant(BEGIN + round(4.2 * HOUR))
    for one in advisory:
        data = msgspec.convert(one.data, ForecastData)
        assert data.resimulated is not None
        assert data.resimulated.job == job
        own = next(p for p in plain if p.event_time == one.event_time)
        cells = data.resimulated.ends["viable_cells"]
        assert cells.before == own.data["process"]["end_of_run"]["values"]["viable_cells"]
        assert cells.after[2] < (cells.before or [0.0] * 3)[2], "a slower growth is fewer cells"
    assert not block_of(folded)._state.answers.runs


def test_a_unit_without_an_answer_says_and_keeps_what_it_did() -> None:
    """Neither a snapshot nor an effect of others is touched."""
    script = Script()
    script.start(0, volume=2.0)
    script.read(600, biomass=(0.2, "10*6/mL"))
    folded = folding(script.events, PLAIN)
    assert b"answers" not in folded.block.snapshot()
    assert "resimulated" not in folded.lines[-1].decode()


RUN = Run("B-1", BEGIN, None, (20,))
GIVEN: dict[str, Any] = {"job": "bioreactor.events/0/20/1", "asked": 5400.0, "known": 7200.0}


def judged(run: Run = RUN, running: bool = True, **changes: Any) -> str:
    """Give the reason for which an answer is refused, empty where it is not."""
    event = answer(Script(), **{**GIVEN, **changes})
    try:
        check_answer(event, run, running, "bioreactor.events", 0, 100)
    except InputError as error:
        return error.reason if error.expected and len(str(error)) < 2000 else "too long"
    return ""


@pytest.mark.parametrize(
    ("what", "changes", "reason"),
    [
        ("the one that was asked for", {}, ""),
        ("a job nobody asked for", {"job": "bioreactor.events/0/3/0"}, "not_asked"),
        ("nor if it names the batch", {"job": "bioreactor.events/0/3/0", "summary": {"batch": "B-1"}}, "not_asked"),
        ("a person's job that names no batch", {"job": "what-if-7"}, "not_asked"),
        ("a person's job", {"job": "what-if-7", "summary": {"batch": "B-1"}, "inputs": ("bioreactor.events/0/5",)}, ""),
        ("another partition's", {"job": "bioreactor.events/1/20/0"}, "not_asked"),
        ("another batch", {"summary": {**SAID, "batch": "B-9"}}, "other_run"),
        ("of before the run", {"run": Run("B-1", BEGIN + 2 * HOUR, None, (20,))}, "other_run"),
        ("while none runs", {"running": False}, "other_run"),
        ("a job that failed", {"status": "failed", "error": "out of memory"}, "job_failed"),
        ("a job that was cancelled", {"status": "cancelled"}, "job_cancelled"),
        ("facts of the future", {"inputs": ("bioreactor.events/0/100",)}, "invalid_field"),
        ("older than the newest", {"run": Run("B-1", BEGIN, None, (20,), 21)}, "outdated"),
        ("as old as the newest", {"run": Run("B-1", BEGIN, None, (20,), 20)}, ""),
    ],
)  # fmt: skip
def test_which_answers_are_taken(what: str, changes: dict[str, Any], reason: str) -> None:
    assert judged(**changes) == reason, what


def test_a_refused_answer_changes_nothing() -> None:
    script = culture(2)
    job, asked = request_of(script)
    before = block_of(folding(script.events)).snapshot()
    answer(script, job, asked, 2.1 * 3600, status="failed", error="out of memory")
    answer(script, "bioreactor.events/0/3/0", asked, 2.2 * 3600)
    folded = folding(script.events)
    said = [(one.kind, one.data["reason"]) for one in folded.effects[-2:]]
    assert said == [("reject", "job_failed"), ("reject", "not_asked")]
    assert "out of memory" in folded.effects[-2].data["received"]
    assert folded.frames[0].accepted[-2:].tolist() == [False, False]
    assert block_of(folded).snapshot() == before


def spoilt(*path: Any, to: Any) -> dict[str, Any]:
    summary = copy.deepcopy(SAID)
    place = summary
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return summary


@pytest.mark.parametrize(
    "summary",
    [
        spoilt("parameters", "mu_m", "median", to=0.0),
        spoilt("parameters", "mu_m", to={"median": 1.0}),
        spoilt("parameters", to={f"p{n}": {"median": 1.0, "sd_log": 1.0} for n in range(33)}),
        spoilt("order", to=["mu_m"]),
        spoilt("order", to=None),
        spoilt("covariance_log", to=[[1.0, 2.0], [2.0, 1.0]]),
        spoilt("covariance_log", to=[[1.0, 0.1], [0.2, 1.0]]),
        spoilt("covariance_log", to=[[-1.0, 0.0], [0.0, 1.0]]),
        spoilt("covariance_log", to=[[1.0]]),
        spoilt("trajectory", "hours", to=[0.0, 1.5, 1.5]),
        spoilt("trajectory", "hours", to=[0.0, 1.5]),
        spoilt("trajectory", "hours", to=[-1.0, 12.0, 13.0]),
        spoilt("trajectory", "quantities", "glucose", "q50", to=[99.0, 20.0, 20.0]),
        spoilt("trajectory", "quantities", to={}),
        spoilt("more", to="x" * 70_000),
    ],
)
def test_a_summary_that_does_not_hang_together_is_refused(summary: dict[str, Any]) -> None:
    assert judged(summary=summary) == "invalid_field"


@pytest.mark.parametrize("end", [True, False])
def test_an_answer_of_an_earlier_run_is_refused(end: bool) -> None:
    script = culture(2)
    job, asked = request_of(script)
    if end:
        script.end(2.1 * 3600)
    else:
        script.start(2.1 * 3600, "B-2", id="again", volume=2.0)
    answer(script, job, asked, 2.2 * 3600)
    said = of_record(folding(script.events), job, script)
    assert [one.data["reason"] for one in said] == ["other_run"]


def test_an_older_answer_than_the_one_held_is_refused_and_a_newer_one_takes_its_place() -> None:
    script = culture(2.8)
    script.phase(2.3 * 3600, "harvest", id="p2")
    in_order(script)
    (first, asked), (second, again) = request_of(script), request_of(script, number=1)
    for order in ((first, second), (second, first)):
        part = Script(events=list(script.events))
        for n, job in enumerate(order):
            answer(part, job, asked if job == first else again, (2.9 + n / 10) * 3600)
        folded = folding(part.events)
        held = block_of(folded)._state.answers.runs[0].held
        assert held is not None
        assert held.job == second
        reasons = [one.data["reason"] for one in folded.effects if one.kind == "reject"]
        assert reasons == ([] if order == (first, second) else ["outdated"])


def test_an_answer_without_parameters_is_said_and_takes_no_place() -> None:
    script, job = answered(at=2.1)
    answer(script, "ensemble-1", 2 * 3600, 2.3 * 3600, {"batch": "B-1"}, inputs=("bioreactor.events/0/9",))
    folded = folding(script.events)
    told = of_record(folded, "ensemble-1", script)[0].data
    assert (told["at"], told["values"], told["resimulated"]["adoptable"]) == ([], {}, False)
    held = block_of(folded)._state.answers.runs[0].held
    assert held is not None
    assert held.job == job


def test_a_persons_job_counts_where_it_names_the_batch_and_what_it_knew() -> None:
    script = culture(2)
    answer(script, "what-if-7", 2 * 3600, 2.2 * 3600, {**SAID, "batch": "B-1"}, inputs=("bioreactor.events/0/5",))
    folded = folding(script.events, PLAIN)
    said = of_record(folded, "what-if-7", script)
    assert [(one.kind, one.lane) for one in said] == [("forecast", "advisory")]


def test_an_answer_without_a_process_model_is_said_and_cannot_be_adopted() -> None:
    script = Script()
    script.start(0)
    for minute in range(1, 60, 4):
        script.read(minute * 60, 1.0)
    answer(script, "what-if-7", 3000, 3600, {**SAID, "batch": "B-1"}, inputs=("bioreactor.events/0/5",))
    adopt(script, 3700, "what-if-7", id="yes")
    folded = folding(script.events, {"limits": []})
    told = of_record(folded, "what-if-7", script)[0].data["resimulated"]
    assert not told["adoptable"]
    assert told["parameters"]["mu_m"]["before"] is None
    assert [one.data["reason"] for one in of_record(folded, "yes", script)] == ["invalid_field"]


def test_an_answer_asks_for_no_past_and_is_never_late() -> None:
    """Long after the request, well beyond the horizon; nothing is loaded but the hashes of its time."""
    script, config = culture(2), {**CONFIG, "forecast_seconds": 86400}
    job, asked = request_of(script)
    script.read(LATER * 3600, biomass=(0.3, "10*6/mL"), also={"id": "far"})
    answer(script, job, asked, (LATER + 1) * 3600)
    script.read((LATER + 1.1) * 3600, biomass=(0.3, "10*6/mL"), also={"id": "next"})
    model, records, past = BioreactorModel.from_config(config), records_of(script.events), MemoryPast()
    block = checks.fold(model, records[:-2], past=past).block
    wanted = block.wanted(read_frame("bioreactor.events", 0, records[-2:]))
    folded = checks.fold(model, records[-2:], block=block, past=past)
    assert [(one.kind, one.lane) for one in of_record(folded, job, script)] == [("forecast", "advisory")]
    assert not folded.frames[0].late
    for one in wanted:
        assert one.since >= BEGIN + LATER * HOUR
        assert set(one.times) <= {BEGIN + round(asked * SECOND)}


def test_what_is_remembered_of_requests_is_bounded() -> None:
    script = culture(2)
    for n in range(3 * MOST_ASKED):
        script.phase(1.6 * 3600 + 40 * n, f"phase {n}", id=f"more-{n}")
    in_order(script)
    block = block_of(folding(script.events))
    run = block._state.answers.runs[0]
    assert len(run.asked) == MOST_ASKED
    assert run.asked == tuple(sorted(run.asked))
    assert isinstance(run, Run)


def test_a_run_with_an_answer_holds_the_contract() -> None:
    """Frames, snapshots, a bounded state; the other checks are in tests/contract/test_twins.py."""
    script, job = answered(hours=2, at=1.8)
    script.assay(1.2 * 3600, 0.21, known=1.9 * 3600, id="late")
    script.events[-1] = msgspec.structs.replace(
        script.events[-1], data=b.AssayResulted("S", "biomass", 0.21, "10*6/mL")
    )
    in_order(script)
    records = records_of(script.events)
    model = BioreactorModel.from_config({**CONFIG, "forecast_seconds": 86400})
    place = next(n for n, event in enumerate(script.events) if event.id == job)
    checks.check_split_equals_whole(model, records, [4, place, place + 1])
    checks.check_snapshot_round_trip(model, records, place + 1)
    checks.check_adopting_itself(model, records, place + 2)
    checks.check_bounded(model, records, 6000)
