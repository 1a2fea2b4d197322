"""The golden-batch score of the live block: that of the file, bit for bit, with its alerts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.effects import Effect
from schemas.errors import SettingsError
from schemas.instants import Instant
from tests.unit.twins.bioreactor.golden_runs import TAGS, document_of, golden_of, good_run
from tests.unit.twins.bioreactor.script import Script, later, records_of
from twins.bioreactor import BioreactorModel
from twins.checks import check_all, check_split_equals_whole, fold
from twins.monitoring import Golden, Options, Run, fit_golden, score_golden

BATCH = golden_of()


def told(seed: int = 9, drift: float = 0.0, unit: str = "BR-1", hours: float = 3.0) -> Script:
    """Readings each half minute of a good run, whose pH drifts away after its first hour if so asked."""
    rng = np.random.default_rng(seed)
    at, values = good_run(rng, 4.0, 481)
    script = Script(unit)
    script.start(id=f"start-{unit}")
    for number in range(1, int(hours * 120)):
        ph, temperature, oxygen = values[number].tolist()
        ph += drift * max(0.0, float(at[number]) - 1.0)
        script.read(
            float(at[number]) * 3600, float(np.exp(0.05 * at[number])), also={"id": f"{unit}-{number}"},
            ph=ph, temperature=temperature, dissolved_oxygen=oxygen,
        )  # fmt: skip
    return script


def config(golden: Golden = BATCH, **more: Any) -> dict[str, Any]:
    return {"golden": {"model": document_of(golden), "on_delay_minutes": 0, **more}, "limits": []}


def said(script: Script, document: dict[str, Any], cuts: Any = ()) -> list[Effect]:
    return fold(BioreactorModel.from_config(document), records_of(script.events), cuts).effects


def scores_of(effects: list[Effect]) -> list[dict[str, Any]]:
    return [one.data["golden"] for one in effects if one.kind == "estimate" and one.data["golden"] is not None]


def test_nothing_is_said_of_it_unless_it_is_configured() -> None:
    assert all("golden" not in one.data for one in said(told(hours=0.2), {}) if one.kind == "estimate")


def test_a_run_scored_live_is_that_of_its_file_bit_for_bit() -> None:
    effects = [one for one in said(told(), config()) if one.kind == "estimate"]
    rows = [one for one in effects if all(tag in one.data["readings"] for tag in TAGS)]
    hours = np.array([0.0] + [one.data["hours"] for one in rows])
    values = np.array([[np.nan] * 3] + [[one.data["readings"][tag]["value"] for tag in TAGS] for one in rows])
    scored = score_golden(BATCH, [Run("live", hours, values)], unfinished=True)[0].scores
    live = scores_of(effects)
    assert len(live) > 25
    where = [int(np.flatnonzero(scored.t2 == one["t2"])[0]) for one in live]
    assert where == sorted(set(where))
    assert live[0]["spe"] is None  # nothing is known at the first point but where it is
    assert np.isnan(scored.spe[where[0]])
    assert [one["spe"] for one in live[1:]] == [float(scored.spe[place]) for place in where[1:]]
    assert [one["t2_limit"] for one in live] == [float(scored.t2_limit[place]) for place in where]


def test_a_good_run_is_quiet_and_one_that_drifts_is_told_with_its_tag() -> None:
    assert [one for one in said(told(), config(on_delay_minutes=15)) if one.kind == "alert"] == []
    found = [one for one in said(told(drift=-0.3), config(on_delay_minutes=15)) if one.kind == "alert"]
    assert {one.data["action"] for one in found} == {"raise"}
    spe = next(one.data for one in found if one.data["rule"] == "golden.spe")
    assert spe["value"] > spe["limit"] > 0
    assert "look first at ph" in spe["message"]
    at_once = [one for one in said(told(drift=-0.3), config()) if one.kind == "alert"]
    assert at_once[0].event_time < found[0].event_time


def test_a_new_batch_begins_anew() -> None:
    script = told(hours=1.0)
    for event in told(hours=1.0).events[1:]:
        then = Instant(event.event_time + 7_200_000_000)
        script.events.append(later(event, id=f"two-{event.id}", event_time=then, record_time=then))
    script.events.insert(120, later(Script().start(7100, "B-2"), id="start-2"))
    effects = said(script, config())
    first = scores_of([one for one in effects if one.data.get("batch") == "B-1"])
    second = scores_of([one for one in effects if one.data.get("batch") == "B-2"])
    assert first[0]["maturity"] < 0.1
    assert second[0]["maturity"] < 0.1
    assert [one["t2_limit"] for one in first[:8]] == [one["t2_limit"] for one in second[:8]]


def test_a_tag_that_fell_silent_is_missing_and_raises_nothing() -> None:
    script = told(hours=1.0)
    for number in range(120, 240):
        script.read(number * 30.0, float(np.exp(0.05 * number / 120)), also={"id": f"x{number}"})
    last = scores_of(said(script, config(stale_minutes=5)))[-1]
    assert last["spe"] is None


def test_a_model_of_rows_is_scored_at_each_estimate() -> None:
    document = config(golden_of(mode="continuous"))
    effects = said(told(hours=0.5), document)
    assert len(scores_of(effects)) > 25
    assert {one["maturity"] for one in scores_of(effects)} == {None}


def test_a_maturity_tag_tells_how_far_the_run_is() -> None:
    rng = np.random.default_rng(5)
    runs = []
    for number in range(12):
        hours, values = good_run(rng)
        runs.append(Run(f"R{number}", hours, values[:, :2], values[:, 2]))
    golden = fit_golden(
        runs, TAGS[:2], Options(components=2, grid=30, align="maturity", maturity_tag="dissolved_oxygen"), None
    )
    found = scores_of(said(told(), config(golden)))
    assert len(found) > 10
    assert found[0]["maturity"] > 50 > 45 > found[-1]["maturity"]


@pytest.mark.parametrize("mode", ["batch", "continuous"])
def test_the_laws_hold_with_it(mode: str) -> None:
    model = BioreactorModel.from_config(config(golden_of(mode=mode), on_delay_minutes=3, off_delay_minutes=2))
    script = told(drift=-0.5, hours=1.6)
    other = told(seed=4, unit="BR-2", hours=1.6).events
    events = [event for pair in zip(script.events, other, strict=True) for event in pair]
    late = events.pop(150)
    records = records_of([*events[:300], late, *events[300:]])
    check_all(model, records, range(0, len(records), 13), bytes_a_twin=2200)
    check_split_equals_whole(model, records, range(0, len(records), 101))


def test_neighbours_change_nothing() -> None:
    model = BioreactorModel.from_config(config())
    one, other = told(drift=-0.3, hours=1.5).events, told(seed=4, unit="BR-2", hours=1.5).events
    records = records_of([event for pair in zip(one, other, strict=True) for event in pair])
    alone = fold(model, [record for record in records if record.key == b"BR-1"]).lines
    among = fold(model, records)
    assert alone == [line for line, effect in zip(among.lines, among.effects, strict=True) if effect.key == "BR-1"]


def test_what_cannot_be_scored_live_is_refused() -> None:
    document = document_of(BATCH)
    document["content"]["model"]["significance"] = 0.5
    for wrong, says in (
        (document, "SHA-256"),
        ({}, "golden model"),
        (document_of(golden_of(align="dtw")), "dtw"),
    ):
        with pytest.raises(SettingsError, match=r"expected") as error:
            BioreactorModel.from_config({"golden": {"model": wrong}})
        assert says in str(error.value)
