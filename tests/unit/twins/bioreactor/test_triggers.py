"""When a twin asks for a re-simulation, how often, and that a worker can answer."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas import bioreactor as b
from schemas.effects import Effect, ForecastData
from schemas.errors import SettingsError
from schemas.instants import MINUTE, parse_instant
from schemas.jobs import ResimulationRequest
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins.bioreactor import BioreactorModel
from twins.bioreactor.config import read_config
from twins.bioreactor.models import MODELS
from twins.bioreactor.reestimation.question import read_question
from twins.bioreactor.simulate import simulate
from twins.checks import Folded, fold

SECTION: dict[str, Any] = {
    "model": "cho_xing",
    "channels": [
        {"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.02},
        {"tag": "glucose", "state": "glucose", "relative": 0.02, "absolute": 0.1},
    ],
    "unsure": {"mu_m": 0.1, "Y_XS": 0.2},
    "wander": {"mu_m": {"sd": 0.05, "hours": 12}},
    "parameters": {"KI_L": 50.0},
    "initial": {"viable_cells": 2e8},
    "feed": {"glucose": 600.0},
}
CONFIG: dict[str, Any] = {
    "process": SECTION,
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 1200,
    "forecast_seconds": 86400,
}
SURPRISE = {"surprise": {"z": 4.0, "clear_z": 3.0}, "cooldown_hours": 0, "most_a_day": 100, "draws": 4}
ADVICE: dict[str, Any] = {
    "state": "glucose",
    "floor": 24500,
    "unit": "umol/L",
    "most_litres_per_hour": 0.1,
    "most_litres": 0.5,
    "vessel_litres": 3.0,
}
END = "2026-03-03T08:00:00Z"


def culture(hours: float, factor: float = 1.0, **more: Any) -> Script:
    """A culture that grows as the model says; `factor` on the signal from hour 1 on."""
    script = Script()
    script.start(0, volume=2.0, planned_end=END, **more)
    for minute in range(20, round(hours * 60) + 1, 20):
        cells = 0.2 * float(np.exp(0.026 * minute / 60)) * (factor if minute > 60 else 1.0)
        script.read(minute * 60, biomass=(cells, "10*6/mL"))
    return script


def assay(script: Script, hour: float, value: float, **also: Any) -> None:
    data = b.AssayResulted(f"S-{hour}", "glucose", value, "mmol/L")
    script.say(hour * 3600, "bioreactor.assay_resulted", data, **also)


def asked(script: Script, triggers: dict[str, Any], **more: Any) -> tuple[list[Effect], Folded]:
    script.events.sort(key=lambda event: event.record_time)
    folded = fold(BioreactorModel.from_config(CONFIG | {"triggers": triggers} | more), records_of(script.events))
    return [one for one in folded.effects if one.kind == "request"], folded


def reasons(script: Script, triggers: dict[str, Any], **more: Any) -> list[str]:
    return [one.data["reason"] for one in asked(script, triggers, **more)[0]]


def test_a_surprising_assay_asks_and_a_usual_one_does_not() -> None:
    script = culture(4)
    assay(script, 2.05, 24.7)
    assay(script, 3.05, 12.0)
    found, folded = asked(script, SURPRISE)
    assert [one.event_time for one in found] == ["2026-03-01T11:03:00Z"]
    assert "an assay of glucose is" in found[0].data["reason"]
    assert (found[0].lane, found[0].kind) == ("advisory", "request")
    assert {one.lane for one in folded.effects if one.kind != "request"} == {"qualified"}
    assert folded.frames[0].requests == found


def test_a_surprise_asks_once_until_an_assay_is_as_expected() -> None:
    script = culture(5)
    given = ((1.05, 12.0), (1.35, 5.0), (1.75, 24.0), (2.05, 24.0), (2.35, 24.0), (2.75, 24.0), (4.05, 3.0))
    for hour, value in given:
        assay(script, hour, value)
    times = [one.event_time[11:16] for one in asked(script, SURPRISE)[0]]
    assert times[0] == "09:03"
    assert "09:21" not in times, "the next surprise came before an assay was as expected"
    assert times[-1] == "12:03"


def test_a_late_assay_asks_by_its_own_record_and_a_refold_alone_asks_nothing() -> None:
    script = culture(4)
    assay(script, 2.0, 12.0, known=3 * 3600 + 30)
    found, _ = asked(script, SURPRISE)
    assert len(found) == 1
    assert found[0].event_time == "2026-03-01T11:00:00Z"  # what was newest when it came
    # Readings that come late make the twin fold the same assay anew, with another innovation.
    again = culture(4)
    assay(again, 2.0, 12.0, known=2.5 * 3600)
    for n in range(3):
        again.read(1.5 * 3600 + n, biomass=(0.19, "10*6/mL"), also={"known": 2.8 * 3600 + 1300 * n})
    assert len(reasons(again, SURPRISE)) == 1


def test_an_assay_older_than_the_newest_of_its_channel_asks_nothing() -> None:
    script = culture(4)
    assay(script, 3.0, 24.7, known=3.2 * 3600)
    assay(script, 2.0, 3.0, known=3.5 * 3600)
    assert reasons(script, SURPRISE) == []


INCONSISTENT = {"inconsistent": {"minutes": 60, "clear_minutes": 60}, "cooldown_hours": 0, "most_a_day": 9, "draws": 4}


def test_a_channel_that_stays_inconsistent_asks_after_its_minutes() -> None:
    found, folded = asked(culture(5, factor=3.0), INCONSISTENT)
    assert len(found) >= 1
    assert "biomass has not been consistent" in found[0].data["reason"]
    first = next(
        one
        for one in folded.effects
        if one.kind == "estimate"
        and one.data["process"]
        and not one.data["process"]["channels"]["biomass"]["consistent"]
    )
    waited = parse_instant(found[0].event_time) - parse_instant(first.event_time)
    assert 60 * MINUTE <= waited <= 80 * MINUTE
    assert reasons(culture(3), INCONSISTENT) == []


def test_a_phase_that_changes_asks_and_the_first_one_or_the_same_does_not() -> None:
    script = culture(4)
    for hour, name in ((0.5, "batch"), (1.5, "fed-batch"), (2.5, "fed-batch"), (3.5, "harvest")):
        script.phase(hour * 3600 + 1, name)
    triggers = {"phase": True, "cooldown_hours": 0, "most_a_day": 9, "draws": 4}
    assert reasons(script, triggers) == ["the phase became fed-batch", "the phase became harvest"]


def test_a_chart_that_fires_asks_once_while_it_stands() -> None:
    triggers = {"drift": True, "cooldown_hours": 0, "most_a_day": 9, "draws": 4}
    charts = [{"chart": "rules", "rules": ["nelson.1"], "quiet_minutes": 0}]
    found, folded = asked(culture(4, factor=1.5), triggers, charts=charts)
    raised = [one for one in folded.effects if one.kind == "alert" and one.data["action"] == "raise"]
    assert raised
    assert len(found) == len(raised)
    assert all("control chart" in one.data["reason"] for one in found)
    assert found[0].event_time >= raised[0].event_time


def phases(count: int, every_hours: float) -> Script:
    script = culture(1)
    for n in range(count):
        script.phase((n + 1) * every_hours * 3600 + 1, f"phase {n}")
    return script


def test_a_unit_cools_down_between_requests() -> None:
    found, _ = asked(phases(6, 0.5), {"phase": True, "cooldown_hours": 1.2, "most_a_day": 99, "draws": 4})
    times = [parse_instant(one.event_time) for one in found]
    assert len(times) == 2
    assert all(late - soon >= 72 * MINUTE for soon, late in pairwise(times))


def test_a_unit_has_a_budget_a_day_also_over_runs() -> None:
    """The day of UTC counts, of the event time; a new run does not bring a new budget."""
    script = phases(6, 3.0)  # 11:00 to 02:00 of the next day
    script.start(8.6 * 3600, "B-2", volume=2.0, planned_end=END, id="again")
    found, _ = asked(script, {"phase": True, "cooldown_hours": 0, "most_a_day": 1, "draws": 4})
    days = [one.event_time[:10] for one in found]
    assert len(days) == len(set(days)) == 2


def test_another_unit_is_not_held_back_by_a_neighbours_budget() -> None:
    script, other = phases(3, 0.5), phases(3, 0.5)
    other.unit = "BR-2"
    script.events += [msgspec.structs.replace(one, subject="BR-2", id=f"o{one.id}") for one in other.events]
    found, _ = asked(script, {"phase": True, "cooldown_hours": 9, "most_a_day": 1, "draws": 4})
    assert sorted(one.key for one in found) == ["BR-1", "BR-2"]


@cache
def request_of(feed_rate: float = 0.0, horizon_hours: float = 12.0) -> tuple[ResimulationRequest, Folded]:
    script = culture(2, parameters={"planned_feed_rate": feed_rate})
    assay(script, 1.75, 12.0)
    found, folded = asked(script, SURPRISE, horizon_hours=horizon_hours)
    return msgspec.convert(found[0].data, ResimulationRequest), folded


@pytest.mark.parametrize("feed_rate", [0.0, 0.002])
def test_a_request_runs_as_it_is(feed_rate: float) -> None:
    request, _ = request_of(feed_rate)
    spec = request.spec
    result = simulate(spec, MODELS)
    assert result["times_hours"][-1] == pytest.approx(spec.horizon)
    glucose = result["states"]["glucose"]
    assert glucose["mean"][0] == pytest.approx(spec.inputs["initial"]["glucose"])
    assert glucose["quantiles"]["0.05"][-1] < glucose["quantiles"]["0.95"][-1]
    assert (result["states"]["volume"]["mean"][-1] > 2.01) == (feed_rate > 0)
    assert simulate(spec, MODELS) == result


def test_a_request_holds_what_is_believed_then() -> None:
    request, folded = request_of()
    spec, record = request.spec, folded.frames[0].requests[0]
    said = [one.data for one in folded.effects if one.kind == "estimate" and one.event_time == record.event_time][-1]
    process = said["process"]
    assert (spec.kind, spec.model, spec.draws) == ("bioreactor", process["model"], 4)
    assert spec.parameters["KI_L"] == 50.0
    assert spec.parameters["Y_XS"] == pytest.approx(process["parameters"]["Y_XS"]["value"])
    assert spec.inputs["spread"].keys() == {"mu_m", "Y_XS"}
    assert 0.0 < spec.inputs["spread"]["Y_XS"] < 0.21
    together = spec.inputs["covariance"]
    assert together["parameters"] == ["mu_m", "Y_XS"]
    for name, row, place in zip(together["parameters"], together["matrix"], range(2), strict=True):
        assert np.sqrt(np.expm1(row[place])) == pytest.approx(spec.inputs["spread"][name])
    assert together["matrix"][0][1] == together["matrix"][1][0] != 0.0
    initial = spec.inputs["initial"]
    assert initial["glucose"] == pytest.approx(process["state"]["glucose"]["mean"])
    assert initial["viable_cells"] == pytest.approx(process["state"]["viable_cells"]["mean"] * 1e9)
    assert initial["volume"] == 2.0
    hours = (parse_instant(END) - parse_instant(record.event_time)) / (60 * MINUTE)
    assert spec.horizon == pytest.approx(hours)
    body = msgspec.json.encode(spec, order="sorted")
    assert request.content_hash == hashlib.sha256(body).hexdigest()


def test_the_seed_follows_from_the_record_alone() -> None:
    one, _ = request_of()
    two, _ = request_of(horizon_hours=20)
    assert one.spec.seed == two.spec.seed
    assert 0 <= one.spec.seed < 2**48
    script = culture(1)
    assay(script, 0.75, 12.0)
    other = asked(script, SURPRISE)[0][0].data["spec"]["seed"]
    assert other != one.spec.seed, "another offset is another seed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"triggers": {}}, "expected one of"),
        ({"triggers": {"drift": True}}, "charts"),
        ({"triggers": {"phase": True}, "process": None}, "section process"),
        ({"advice": ADVICE | {"state": "sugar"}}, "glucose"),
        ({"advice": ADVICE, "process": None}, "section process"),
        ({"advice": ADVICE | {"unit": "g/L"}}, "mmol/L"),
    ],
)
def test_sections_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_config(CONFIG | changes)


def test_each_forecast_carries_advice() -> None:
    config = CONFIG | {"advice": ADVICE, "forecast_seconds": 3600}
    folded = fold(BioreactorModel.from_config(config), records_of(culture(3).events))
    forecasts = [one for one in folded.effects if one.kind == "forecast"]
    assert forecasts
    for one in forecasts:
        msgspec.convert(one.data, ForecastData)
        advice = one.data["advice"]
        assert (advice["lane"], advice["floor"], advice["unit"]) == ("advisory", 24.5, "mmol/L")
    last = forecasts[-1].data["advice"]
    assert last["verdict"] in ("feed", "feed a bolus only")
    assert last["bolus_litres"] > 0.0
    assert parse_instant(last["latest_time"]) <= parse_instant(last["without"]["crosses_at"])
    assert parse_instant(last["without"]["crosses_at"]) > BEGIN


def test_a_schedule_asks_once_a_period_and_never_in_the_first() -> None:
    triggers = {"schedule_hours": 1.0, "cooldown_hours": 0, "most_a_day": 9, "draws": 4}
    found, _ = asked(culture(3.5), triggers)
    assert [one.event_time[11:16] for one in found] == ["09:00", "10:00", "11:00"]
    assert {one.data["reason"] for one in found} == {"1 h have passed, as scheduled"}
    cooled, _ = asked(culture(3.5), triggers | {"cooldown_hours": 1.5})
    assert [one.event_time[11:16] for one in cooled] == ["09:00", "10:40"]


def test_a_re_estimate_is_asked_for_with_channels_priors_and_the_runs_past() -> None:
    triggers = {"schedule_hours": 1.0, "draws": 64}
    plain, _ = asked(culture(1, parameters={"process.Y_XS.sd": 0.3}), triggers)
    found, _ = asked(culture(1, parameters={"process.Y_XS.sd": 0.3}), triggers | {"asks": "reestimate"})
    was, request = (msgspec.convert(one[0].data, ResimulationRequest) for one in (plain, found))
    assert (was.spec.kind, request.spec.kind) == ("bioreactor", "bioreactor.reestimate")
    assert (was.past_from, request.past_from) == (None, "2026-03-01T08:00:00Z")
    more = {"batch", "at", "channels", "prior", "wander", "begin", "initial_sd", "feed", "drift", "phases"}
    assert {name: one for name, one in request.spec.inputs.items() if name not in more} == was.spec.inputs
    assert request.spec.inputs.keys() == was.spec.inputs.keys() | more
    assert request.spec.inputs["batch"] == "B-1"
    channels = request.spec.inputs["channels"]
    assert [(one["tag"], one["state"], one["gain_sd"]) for one in channels] == [
        ("biomass", "viable_cells", 0.02),
        ("glucose", "glucose", 0.0),
    ]
    usual = {one.name: one.value for one in MODELS["cho_xing"].parameters}
    assert request.spec.inputs["prior"] == {"Y_XS": [usual["Y_XS"], 0.3], "mu_m": [usual["mu_m"], 0.1]}
    assert request.content_hash == hashlib.sha256(msgspec.json.encode(request.spec, order="sorted")).hexdigest()
    assert request.spec.inputs["at"] == found[0].event_time
    read_question(request.spec)  # as the engine does


def worth(price: float, decision: str = "process.viable_cells") -> dict[str, Any]:
    return {"value": {"decision": decision, "loss_per_sd": 1e4, "price_per_second": price}}


def test_what_is_not_worth_its_price_is_not_asked_and_what_lasts_is_weighed_again() -> None:
    script = culture(3, factor=3.0)
    plain = asked(script, INCONSISTENT)[0]
    dear, folded = asked(script, INCONSISTENT | worth(1e12))
    cheap = asked(script, INCONSISTENT | worth(1e-9))[0]
    assert plain
    assert not dear
    assert [one.event_time for one in cheap] == [one.event_time for one in plain]
    assert "expected to fall by" in cheap[0].data["reason"]
    row = folded.block._state.trigger[0]  # type: ignore[attr-defined]
    assert row[0] == -1, "the budget is as it was"
    # where all is as expected nothing would be known that is not known now
    assert asked(culture(2), {"schedule_hours": 0.5, "draws": 4} | worth(1e-9))[0] == []


@pytest.mark.parametrize("decision", ["glucose", "viability"])
def test_a_decision_on_a_state_or_an_output_is_weighed(decision: str) -> None:
    found = asked(culture(4, factor=3.0), INCONSISTENT | worth(0.0, decision))[0]
    assert len(found) == 1
    assert f"standard deviation of {decision} at the end" in found[0].data["reason"]


def test_what_came_later_is_no_part_of_a_name_where_it_says_nothing() -> None:
    before = BioreactorModel.from_config(CONFIG | {"triggers": {"phase": True}}).name
    said = {"phase": True, "schedule_hours": None, "asks": "ensemble", "value": None}
    assert BioreactorModel.from_config(CONFIG | {"triggers": said}).name == before
    assert BioreactorModel.from_config(CONFIG | {"triggers": said | {"asks": "reestimate"}}).name != before
    with pytest.raises(SettingsError, match="64 to 4096 draws"):
        read_config(CONFIG | {"triggers": {"phase": True, "asks": "reestimate", "draws": 4}})
    with pytest.raises(SettingsError, match="state or an output"):
        read_config(CONFIG | {"triggers": {"phase": True} | worth(1.0, "sugar")})
