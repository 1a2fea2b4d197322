"""What a bioreactor block says and keeps, told as short stories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas import bioreactor as b
from schemas.effects import Effect
from schemas.errors import SnapshotError
from schemas.fields import Quantity
from schemas.instants import parse_instant
from tests.unit.twins.bioreactor.script import BEGIN, Script, later, records_of
from twins.bioreactor import BioreactorBlock, BioreactorModel, snapshot
from twins.checks import PlainRecord, fold


def effects_of(script: Script, config: dict[str, Any] | None = None, cuts: Any = ()) -> list[Effect]:
    return fold(BioreactorModel.from_config(config or {}), records_of(script.events), cuts).effects


def believed(script: Script) -> bytes:
    block = fold(BioreactorModel(), records_of(script.events)).block
    assert isinstance(block, BioreactorBlock)
    return block.belief(script.unit)


def of_kind(effects: list[Effect], kind: str) -> list[Effect]:
    return [effect for effect in effects if effect.kind == kind]


def growing(hours: float, rate: float = 0.2, seconds: float = 10.0, noise: float = 0.01, start: bool = True) -> Script:
    rng = np.random.default_rng(2)
    script = Script()
    if start:
        script.start()
    for turn in range(int(hours * 3600 / seconds)):
        time = turn * seconds
        script.read(time, float(np.exp(rate * time / 3600) * (1 + noise * rng.normal())), dissolved_oxygen=40.0)
    return script


def test_every_event_that_is_no_reading_is_answered_at_once() -> None:
    script = Script()
    script.start()
    script.phase(1, "inoculation")
    script.feed(2, 0.1)
    script.sample(3, 0.01)
    script.assay(3, 1.0)
    script.end(5)
    effects = effects_of(script)
    assert [effect.id for effect in effects] == [f"bioreactor.events/0/{n}/0" for n in range(6)]
    assert {effect.kind for effect in effects} == {"estimate"}
    assert effects[0].data["state"] == {}
    assert effects[1].data["phase"] == "inoculation"
    assert effects[4].data["state"]["volume"]["mean"] == pytest.approx(1.09, abs=1e-12)
    assert effects[4].data["state"]["biomass"]["mean"] == pytest.approx(1.0, rel=0.01)


def test_estimates_each_minute_and_forecasts_each_five() -> None:
    effects = effects_of(growing(1.0))
    times = [parse_instant(effect.event_time) for effect in of_kind(effects, "estimate")][2:]
    assert set(np.diff(times).tolist()) == {60_000_000}
    assert len(of_kind(effects, "forecast")) in (12, 13)
    counted = sum(effect.data["records"]["count"] for effect in of_kind(effects, "estimate"))
    assert 361 - 6 <= counted <= 361


def test_growth_is_recovered_through_feeds_and_samples() -> None:
    rate, volume, mass = 0.12, 1.0, 1.0
    rng = np.random.default_rng(4)
    script = Script()
    script.start(volume=volume)
    for turn in range(240):
        time = turn * 300.0
        mass *= np.exp(rate * 300 / 3600)
        script.feed(time, 0.02)
        volume += 0.02
        script.read(time, float(mass / volume * (1 + 0.02 * rng.normal())))
        if turn % 60 == 59:
            script.sample(time, 0.5, f"S-{turn}")
            mass *= 1 - 0.5 / volume
            volume -= 0.5
    last = of_kind(effects_of(script), "estimate")[-1].data["state"]
    assert last["growth_rate"]["mean"] == pytest.approx(rate, abs=0.02)
    assert last["volume"]["mean"] == pytest.approx(volume, abs=1e-9)
    assert last["biomass_mass"]["mean"] == pytest.approx(mass, rel=0.03)


def test_a_measured_limit_is_raised_at_once_and_cleared_beyond_the_deadband() -> None:
    script = Script()
    script.start()
    for turn, value in enumerate([50.0, 9.9, 10.5, 11.9, 5.0, 12.0, 50.0]):
        script.read(turn, dissolved_oxygen=value)
    alerts = of_kind(effects_of(script), "alert")
    assert [(one.data["action"], one.data["value"]) for one in alerts] == [("raise", 9.9), ("clear", 12.0)]
    assert alerts[0].id == alerts[0].data["alert"] == alerts[1].data["alert"]
    assert alerts[0].data["rule"] == "dissolved_oxygen.low.measured"
    assert alerts[0].data["limit"] == 10.0


def test_a_bad_value_neither_raises_nor_clears() -> None:
    script = Script()
    script.start()
    script.read(1, dissolved_oxygen=(5.0, "%", "bad"))
    script.read(2, dissolved_oxygen=5.0)
    script.read(3, dissolved_oxygen=(50.0, "%", "bad"))
    alerts = of_kind(effects_of(script), "alert")
    assert [one.data["action"] for one in alerts] == ["raise"]


def test_an_alert_ends_with_its_batch_and_none_is_raised_after_it() -> None:
    script = Script()
    script.start()
    script.read(1, dissolved_oxygen=5.0)
    script.end(2)
    script.read(3, dissolved_oxygen=5.0)
    alerts = of_kind(effects_of(script), "alert")
    assert [(one.data["action"], one.id.rsplit("/", 2)[1]) for one in alerts] == [("raise", "1"), ("clear", "2")]


def test_a_crossing_is_predicted_with_its_probability_and_time() -> None:
    config = {"predicted": [{"tag": "biomass", "high": 3.0, "unit": "g/L"}], "horizon_hours": 10}
    alerts = of_kind(effects_of(growing(3.0), config), "alert")
    assert [one.data["action"] for one in alerts] == ["raise"]
    data = alerts[0].data
    assert data["rule"] == "biomass.high.predicted"
    assert 0.8 <= data["probability"] <= 1.0
    # exp(0.2 t) = 3 at t = 5.5 h; mean reversion of an early estimate of the rate makes it a little later
    assert parse_instant(data["expected_at"]) - BEGIN == pytest.approx(5.5 * 3.6e9, rel=0.2)


def test_silence_is_an_alert_for_twins_on_wall_clock_time_and_speech_ends_it() -> None:
    script = Script()
    script.start(clock="wall")
    script.read(1, 1.0)
    script.unit = "BR-2"
    script.start(clock="source")
    script.read(1, 1.0)
    script.passed(1799, id="p1", source="twinstream/owner")
    script.passed(1802, id="p2", source="twinstream/owner")
    script.passed(1862, id="p3", source="twinstream/owner")
    script.passed(1863, id="p4", source="historian")
    script.unit = "BR-1"
    script.read(1900, 1.0)
    alerts = of_kind(effects_of(script), "alert")
    assert [(one.key, one.data["action"], one.id.rsplit("/", 2)[1]) for one in alerts] == [
        ("BR-1", "raise", "5"),
        ("BR-2", "raise", "7"),
        ("BR-1", "clear", "8"),
    ]


def test_a_duplicate_is_one_reject() -> None:
    script = Script()
    script.start()
    script.events.append(script.read(1, 1.0, dissolved_oxygen=900.0))
    effects = effects_of(script)
    assert [(one.kind, one.data.get("reason")) for one in effects if one.id.split("/")[2] == "2"] == [
        ("reject", "duplicate")
    ]


def test_a_duplicate_older_than_the_twin_remembers_is_found_in_the_past() -> None:
    script = growing(0.5)
    script.events.append(script.events[5])
    rejects = of_kind(effects_of(script, cuts=[100]), "reject")
    assert [one.data["reason"] for one in rejects] == ["duplicate"]


def test_a_fact_beyond_the_horizon_goes_to_the_late_ones() -> None:
    script = Script()
    script.read(25 * 3600, 1.0)
    script.read(0, 1.0)
    folded = fold(BioreactorModel(), records_of(script.events))
    assert [one.data["reason"] for one in of_kind(folded.effects, "reject")] == ["late"]
    assert folded.frames[0].late == [1]
    assert folded.frames[0].accepted.tolist() == [True, False]


@pytest.mark.parametrize(
    ("data", "reason", "says"),
    [
        (b.BatchStarted("B-2", model="magic"), "invalid_field", "growth"),
        (b.BatchStarted("B-2", parameters={"mu": 1.0}), "invalid_field", "growth_rate_mean"),
        (b.BatchStarted("B-2", parameters={"gain_sd": 1e9}), "invalid_field", "gain_sd between"),
        (b.BatchStarted("B-2", volume=Quantity(1.0, "g/L")), "unit", "volume"),
        (b.BatchStarted("B-2", planned_end="soon"), "invalid_field", "RFC 3339"),
        (b.FeedAdded(Quantity(-1.0, "L")), "invalid_field", "from 0"),
        (b.FeedAdded(Quantity(1.0, "kg")), "unit", "volume"),
        (b.SampleDrawn(Quantity(2.0, "L"), "S"), "invalid_field", "smaller than"),
        (b.AssayResulted("S", "biomass", -1.0, "g/L"), "invalid_field", "biomass between 0"),
        (b.AssayResulted("S", "biomass", 1.0, "10*6/mL"), "unit", "g/L"),
        (b.AssayResulted("S", "glucose", 1.0, "%"), "unit", "mass_concentration"),
    ],
)
def test_what_cannot_be_is_rejected_and_changes_nothing(data: Any, reason: str, says: str) -> None:
    script = Script()
    script.start()
    script.read(1, 1.0)
    before = believed(script)
    name = next(name for name, kind in b.EVENTS.items() if type(data) is kind)
    script.say(2, name, data)
    folded = fold(BioreactorModel(), records_of(script.events))
    last = folded.effects[-1]
    assert (last.kind, last.data["reason"]) == ("reject", reason)
    assert says in last.data["expected"]
    assert believed(script) == before
    assert folded.frames[0].accepted.tolist() == [True, True, False]


def test_a_biomass_signal_in_another_unit_is_shown_and_not_used() -> None:
    script = Script()
    script.start()
    script.read(1, 1.0)
    script.read(30, biomass=(100.0, "[arb'U]"))
    script.read(61, 1.0)
    effects = effects_of(script)
    assert [one.data["reason"] for one in of_kind(effects, "reject")] == ["unit"]
    assert of_kind(effects, "estimate")[-1].data["state"]["biomass"]["mean"] == pytest.approx(1.0, rel=0.01)


def test_unreadable_records_are_rejected_beside_their_neighbours() -> None:
    script = growing(0.05)
    records = records_of(script.events)
    broken = [PlainRecord(len(records), 0, b"BR-1", b"{", None), PlainRecord(len(records) + 1, 0, None, None, None)]
    folded = fold(BioreactorModel(), [*records, *broken])
    assert [one.data["reason"] for one in of_kind(folded.effects, "reject")] == ["malformed", "malformed"]
    assert [one.id.rsplit("/", 2)[1] for one in folded.effects[-2:]] == ["19", "20"]


def test_sparse_readings_are_seen_at_once() -> None:
    script = Script()
    script.start()
    for turn in range(40):
        script.read(turn * 360, float(np.exp(0.1 * turn / 10)))
    last = of_kind(effects_of(script), "estimate")[-1]
    assert last.data["records"]["last"] == 40
    assert last.data["state"]["biomass"]["mean"] == pytest.approx(np.exp(0.39), rel=0.01)


def test_a_forecast_runs_to_the_planned_end_and_its_quantiles_ascend() -> None:
    script = growing(1.0, start=False)
    started = Script().start(planned_end="2026-03-01T14:00:00Z")
    script.events.insert(0, later(started, id="start"))
    data = of_kind(effects_of(script), "forecast")[-1].data
    assert data["at"][-1] == "2026-03-01T14:00:00Z"
    assert len(data["at"]) == 24
    for name in ("biomass", "growth_rate", "volume"):
        table = np.array(data["values"][name])
        assert table.shape == (24, 5)
        assert (np.diff(table, axis=1) >= 0).all()


def test_a_new_batch_starts_anew() -> None:
    script = growing(0.5)
    script.start(1900, "B-2", volume=2.0)
    last = effects_of(script)[-1].data
    assert (last["batch"], last["state"], last["hours"]) == ("B-2", {}, 0.0)


def test_a_restored_snapshot_must_be_ours() -> None:
    model = BioreactorModel()
    block = fold(model, records_of(growing(0.2).events)).block
    body = block.snapshot()
    for wrong in (
        b"",
        b"nonsense",
        body[:-1],
        body + b"x",
        b"TWBR" + b"\xff" * 40,
        body[:20] + b"\x00" * (len(body) - 20),
    ):
        with pytest.raises(SnapshotError):
            model.empty().restore(wrong)
    with pytest.raises(SnapshotError, match="model"):
        BioreactorModel.from_config({"silence_minutes": 1}).empty().restore(body)
    restored = model.empty()
    restored.restore(body)
    assert list(restored.keys()) == ["BR-1"]


def test_a_snapshot_of_an_earlier_version_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    block = fold(BioreactorModel(), records_of(growing(0.1).events)).block
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "SNAPSHOT_VERSION", 1)
        old = block.snapshot()
    with pytest.raises(SnapshotError, match=r"expected a snapshot of version \d+ .* fold the log from its start"):
        BioreactorModel().empty().restore(old)
