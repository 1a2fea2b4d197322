"""Probes of pH and carbon dioxide held against the laboratory: live, late, corrected, and when a probe is another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas import bioreactor as b
from schemas.effects import EstimateData
from schemas.errors import SettingsError
from schemas.events import Event
from schemas.instants import DAY, HOUR
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.config import read_config
from twins.bioreactor.forecast import NORMAL
from twins.bioreactor.reconciling import Reconciling
from twins.bioreactor.rows import SAMPLED, START, Assay, Change, Items
from twins.bioreactor.sections import Reconciled
from twins.checks import fold

PH = {"tag": "ph", "unit": "[pH]", "assay_sd": 0.03, "drift_sd_per_day": 0.02, "offset_sd": 0.05, "probe_sd": 0.01}
PCO2 = {"tag": "pco2", "unit": "mm[Hg]", "assay_sd": 2.0, "drift_sd_per_day": 1.0, "offset_sd": 5.0, "probe_sd": 0.5}
CONFIG: dict[str, Any] = {"limits": [], "estimate_seconds": 3600, "reconciled": [PH, PCO2]}
UNITS = {"ph": "[pH]", "pco2": "mm[Hg]", "bicarbonate": "mmol/L"}


def read(script: Script, hour: float, ph: float, pco2: float = 45.0) -> None:
    script.read(hour * 3600, biomass=1.0, ph=(ph, "[pH]"), pco2=(pco2, "mm[Hg]"))


def assay(script: Script, hour: float, tag: str, value: float, known: float | None = None, **also: Any) -> Event:
    data = b.AssayResulted(f"S-{hour:g}", tag, value, UNITS[tag])
    return script.say(hour * 3600, "bioreactor.assay_resulted", data, None if known is None else known * 3600, **also)


def run(hours: int, off: float = 0.1, sampled: Sequence[float] = (), script: Script | None = None) -> Script:
    """Read a culture of pH 7 each half hour by a probe that is `off`; samples are drawn just after a reading."""
    script = script or Script()
    if not script.events:
        script.start(0, volume=2.0)
    rng = np.random.default_rng(4)
    for half in range(1, 2 * hours + 1):
        read(script, half / 2, 7.0 + off + 0.005 * rng.standard_normal())
        if half / 2 in sampled:
            script.sample(half * 1800 + 20, 0.001, f"S-{half / 2:g}", id=f"s{half}")
    return script


def estimates(events: Sequence[Event], config: dict[str, Any] = CONFIG) -> list[dict[str, Any]]:
    said = fold(BioreactorModel.from_config(config), records_of(events)).effects
    return [one.data for one in said if one.kind == "estimate"]


def last(script: Script) -> dict[str, Any]:
    found: dict[str, Any] = [one for one in estimates(script.events) if not one["revised"]][-1]["reconciled"]
    return found


def belief(events: Sequence[Event]) -> bytes:
    block = fold(BioreactorModel.from_config(CONFIG), records_of(events)).block
    assert isinstance(block, BioreactorBlock)
    return block.belief("BR-1")


def test_an_assay_moves_the_offset_as_a_scalar_filter_would() -> None:
    script = run(13, sampled=(6, 12))
    said = next(e.data for e in script.events if e.event_time == BEGIN + 6 * HOUR)
    assert last(script)["probes"]["ph"]["offset"]["mean"] == 0.0
    assert last(script)["probes"]["ph"]["reconciled_at"] is None
    mean, variance, noise = 0.0, 0.05**2 + 0.02**2 * 6 / 24, 0.03**2 + 0.01**2
    gain = variance / (variance + noise)
    mean, variance = gain * (said.channels[1].value - 6.98), (1 - gain) * variance
    assay(script, 6, "ph", 6.98)
    ph = last(script)["probes"]["ph"]
    assert ph["offset"]["mean"] == pytest.approx(mean, rel=1e-9)
    grown = variance + 0.02**2 * 7 / 24  # the newest estimate is that of hour 13
    assert ph["offset"]["sd"] == pytest.approx(np.sqrt(grown), rel=1e-9)
    newest = script.events[-2].data.channels[1].value
    assert ph["probe"] == newest
    assert ph["reconciled"]["mean"] == pytest.approx(newest - mean, rel=1e-9)
    assert ph["reconciled"]["sd"] == pytest.approx(np.sqrt(grown + 0.01**2), rel=1e-9)
    assert (ph["reconciled_at"], ph["assay"]) == ("2026-03-01T14:00:00Z", 6.98)
    msgspec.convert(estimates(script.events)[-1], EstimateData)


def test_late_corrected_and_withdrawn_assays_leave_what_they_would_have_left_in_order() -> None:
    def told(*how: str) -> list[Event]:
        script = run(14, sampled=(4, 8, 12))
        assay(script, 4, "ph", 6.99, id="a4")
        assay(script, 8, "ph", 7.3 if "corrected" in how else 7.01, id="a8")
        if "withdrawn" in how:
            assay(script, 12, "ph", 7.2, id="a12")
            script.say(12 * 3600, "bioreactor.assay_withdrawn", b.AssayWithdrawn("S-12", "ph", "spilt"), 15 * 3600)
        if "corrected" in how:
            data = b.AssaySuperseded("S-8", "ph", 7.01, "[pH]", "typing error")
            script.say(8 * 3600, "bioreactor.assay_superseded", data, 15 * 3600, id="a8c")
        return script.events

    late = told()
    in_order = sorted(late, key=lambda event: event.event_time)
    plain = probes_of(late)
    for events in (told("corrected"), told("withdrawn"), told("corrected", "withdrawn")):
        assert probes_of(events) == plain
    ordered = [event for event in in_order if event.type != "bioreactor.assay_resulted"]
    for event in (one for one in in_order if one.type == "bioreactor.assay_resulted"):
        at = next(k for k, one in enumerate(ordered) if one.event_time > event.event_time + 20 * 10**6)
        ordered.insert(at, event)  # right after its sample was drawn
    assert belief(ordered) == belief(late)
    revised = [one for one in estimates(late) if one["revised"]]
    assert revised
    assert all(one["reconciled"]["probes"]["ph"]["probe"] is None for one in revised)


def probes_of(events: Sequence[Event]) -> bytes:
    """Give what is believed of the probes alone: a minute also keeps the words on its assays, whichever counts."""
    block = fold(BioreactorModel.from_config(CONFIG), records_of(events)).block
    assert isinstance(block, BioreactorBlock)
    return block._state.probes[:1].tobytes()


def test_a_calibration_forgets_what_was_learned_of_its_own_probe_alone() -> None:
    for act in (Script.calibrate, Script.change_probe):
        script = run(8, sampled=(6,))
        assay(script, 6, "ph", 7.0)
        assay(script, 6, "pco2", 41.0)
        learned = last(script)
        assert learned["probes"]["ph"]["offset"]["mean"] > 0.05
        act(script, 8.1 * 3600, tag="ph")
        after = last(script)
        assert after["probes"]["ph"]["offset"]["mean"] == 0.0
        assert after["probes"]["ph"]["offset"]["sd"] == pytest.approx(0.05, rel=1e-3)
        assert after["probes"]["pco2"]["offset"]["mean"] == learned["probes"]["pco2"]["offset"]["mean"] > 0.0
        act(script, 7 * 3600, tag="pco2", id="late")  # told late: before it nothing counts any more
        assert last(script)["probes"]["pco2"]["offset"]["mean"] == 0.0


def test_one_assay_too_far_off_is_refused_and_a_second_is_believed() -> None:
    script = run(10, sampled=(4, 8))
    assay(script, 4, "ph", 6.3)
    ph = last(script)["probes"]["ph"]
    assert (ph["offset"]["mean"], ph["refused_run"], ph["reconciled_at"]) == (0.0, 1, None)
    assay(script, 8, "ph", 6.3)
    ph = last(script)["probes"]["ph"]
    assert ph["offset"]["mean"] == pytest.approx(0.8, abs=0.02)
    assert (ph["refused_run"], ph["reconciled_at"]) == (0, "2026-03-01T16:00:00Z")


def test_a_sample_without_a_reading_near_it_reconciles_nothing() -> None:
    script = run(4)
    script.sample(4.25 * 3600, 0.001, "S-4.25")
    assay(script, 4.25, "ph", 7.0)
    ph = last(script)["probes"]["ph"]
    assert (ph["reconciled_at"], ph["assay"]) == (None, 7.0)


@pytest.mark.parametrize(("bicarbonate", "consistent"), [(11.3, True), (40.0, False)])
def test_ph_and_carbon_dioxide_are_held_against_bicarbonate(bicarbonate: float, consistent: bool) -> None:
    """pH 7.02 at 45 mmHg takes 11.3 mmol/L; pK' is not known to better than 0.1, so less than twice that passes."""
    script = run(7, sampled=(6,))
    assay(script, 6, "ph", 7.02)
    assay(script, 6, "pco2", 45.0)
    assert last(script)["bicarbonate"] is None
    assay(script, 6, "bicarbonate", bicarbonate)
    said = last(script)["bicarbonate"]
    assert said["consistent"] is consistent
    assert said["at"] == "2026-03-01T14:00:00Z"
    pco2 = last(script)["probes"]["pco2"]
    pressure = pco2["probe"] - pco2["offset"]["mean"]
    assert said["ph_expected"] == pytest.approx(6.1 + np.log10(bicarbonate / (0.0301 * pressure)), abs=1e-9)
    assert 0.1 < said["difference_sd"] < 0.12


def test_intervals_of_the_offset_hold_nine_in_ten() -> None:
    """200 probes that drift as they should, an assay each half day: 90 % of their intervals within 5 %."""
    print("seed 8")
    rng = np.random.default_rng(8)
    probe = Reconciling([msgspec.convert(PH, Reconciled)])
    held, errors = [], []
    for _ in range(200):
        r, offset = probe.beginning.copy(), 0.05 * rng.standard_normal()
        start = Items((Change(DAY, START, "b"),))
        probe.take(r, 0, start, True)
        for turn in range(1, 11):
            time = DAY + turn * DAY // 2
            offset += 0.02 * np.sqrt(0.5) * rng.standard_normal()
            said, truth = 7.0 + offset + 0.01 * rng.standard_normal(), 7.0 + 0.03 * rng.standard_normal()
            items = Items(
                (Change(time, SAMPLED, "s", parameters=(("ph", said),)),), (Assay("S", "ph", time, time, "a", truth),)
            )
            probe.take(r, 0, items, True)
        said_of = probe.data(r[:, 0], time, {})["probes"]["ph"]["offset"]
        held.append(said_of["low"] <= offset <= said_of["high"])
        errors.append((said_of["mean"] - offset) / said_of["sd"])
    assert 0.85 <= np.mean(held) <= 0.95
    assert 0.85 <= np.std(errors) <= 1.15
    assert pytest.approx(1.645, abs=1e-3) == NORMAL[-1]


def test_frames_refolds_and_snapshots_leave_no_trace() -> None:
    script = run(6, sampled=(1, 2, 3, 4, 5))
    for hour in (1, 3, 2, 5, 4):
        assay(script, hour, "ph", 7.0 + 0.01 * hour, id=f"a{hour}")
        assay(script, hour, "bicarbonate", 11.0, id=f"b{hour}")
    script.calibrate(2.5 * 3600, tag="ph", id="late")
    for tag in ("pco2", "ph"):
        script.change_probe(3.2 * 3600, tag=tag, id=f"late-{tag}")
    read(script, 6.6, 7.1)
    model, records = BioreactorModel.from_config(CONFIG), records_of(script.events)
    checks.check_split_equals_whole(model, records, [4, 9, 15, 21, 24, 27])
    checks.check_refold_goes_on(model, records, 12, 25, [5, 14, 20], [13, 17, 26])
    checks.check_snapshot_round_trip(model, records, 20)
    checks.check_duplicates_change_nothing(model, records)


def test_without_the_section_names_and_snapshots_are_as_they_were() -> None:
    assert BioreactorModel.from_config({"reconciled": []}).name == BioreactorModel().name == "growth@1+ee17e93b3c"
    assert BioreactorModel.from_config(CONFIG).name != BioreactorModel().name
    script = run(2, sampled=(1,))
    assay(script, 1, "ph", 7.0)
    plain = fold(BioreactorModel(), records_of(script.events))
    assert b"probes" not in plain.block.snapshot()
    assert all("reconciled" not in one.data for one in plain.effects)
    configured = fold(BioreactorModel.from_config(CONFIG), records_of(script.events))
    assert b"probes" in configured.block.snapshot()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([PH, PH], "each tag once"),
        ([{**PH, "tag": "biomass", "unit": "g/L"}], "not biomass"),
        ([{**PH, "unit": "mmol/L"}], "acidity"),
        ([{**PCO2, "unit": "mmol/L"}], "pressure"),
        ([{**PCO2, "unit": "torr"}], "listed unit"),
        ([{**PH, "assay_sd": 0.0}], "configuration"),
    ],
)
def test_what_cannot_be_is_refused(given: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_config({"reconciled": given})


def test_an_assay_in_another_unit_is_refused_with_its_reason() -> None:
    script = run(2, sampled=(1,))
    script.say(3600, "bioreactor.assay_resulted", b.AssayResulted("S-1", "pco2", 6.0, "mmol/L"))
    rejects = [e.data for e in fold(BioreactorModel.from_config(CONFIG), records_of(script.events)).effects
               if e.kind == "reject"]  # fmt: skip
    assert [(one["reason"], one["received"]) for one in rejects] == [("unit", "mmol/L")]
    assert "bar" in rejects[0]["expected"]
