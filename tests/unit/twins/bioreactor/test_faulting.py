"""The fault detector in the live block: the same as alone, alerts by name, what is not used, and replay."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from benchmarks.faults import live
from benchmarks.faults.injection import CODE, Injection
from benchmarks.faults.noise import Noise
from benchmarks.faults.plant import Plant
from benchmarks.faults.vessel import CAP, Floats, W, draw
from schemas import bioreactor as b
from schemas.errors import SettingsError
from schemas.events import Event
from schemas.fields import Quantity
from schemas.instants import MINUTE, Instant, parse_instant
from schemas.partitions import TimePassed
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins import checks
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.config import consequences_of, faulting_of, model_name, read_config
from twins.bioreactor.fault_rows import JUMPED_UNTIL, LAST, OWN, RENEWED_UNTIL
from twins.faults import CHANNELS, Detector, arrays
from twins.faults.channels import PROBES
from twins.past import MemoryPast

SEED = 11
LEARNED, ONSET, MINUTES = 482, 500, 570
STEP, HEALED_AT = 0.15, 518  # share of the capacitance, and when the probe is right again
CONFIG: dict[str, Any] = {**live.QUIET, "estimate_seconds": 600, "faults": live.SECTION}


@dataclass
class Run:
    """Three units: a step of the capacitance, a base pump that runs away, a healthy one."""

    readings: list[Floats]
    demands: list[Floats]

    def events(self, first: int, last: int) -> list[Event]:
        return [
            live.reading(self.readings[minute], self.demands[minute], minute, unit)
            for minute in range(first, last)
            for unit in range(3)
        ]


@pytest.fixture(scope="module")
def run() -> Run:
    rng = np.random.default_rng(SEED)
    draws, injection = draw(rng, 3), Injection(3)
    injection.kind[:2] = CODE["step"], CODE["base stuck on"]
    injection.onset[:2], injection.length[0] = ONSET, HEALED_AT - ONSET
    injection.channel[0], injection.size[0] = CAP, STEP
    plant = Plant(draws, Noise(rng, draws, False), np.arange(3), injection)
    said = [plant.step() for _ in range(MINUTES)]
    return Run([one.readings for one in said], [one.demands for one in said])


MODEL = BioreactorModel.from_config(CONFIG)


@dataclass
class Learned:
    """A block that has folded all minutes before LEARNED, from which every test goes on."""

    body: bytes
    past: MemoryPast
    records: int

    def go_on(self, events: Sequence[Event], cuts: Iterable[int] = ()) -> checks.Folded:
        block = MODEL.empty()
        block.restore(self.body)
        records = records_of(events, self.records)
        return checks.fold(MODEL, records, cuts, block, copy.deepcopy(self.past))


@pytest.fixture(scope="module")
def learned(run: Run) -> Learned:
    records, past = records_of(run.events(0, LEARNED)), MemoryPast()
    folded = checks.fold(MODEL, records, np.cumsum(np.random.default_rng(1).integers(1, 90, 60)), past=past)
    assert not [one for one in folded.effects if one.kind in ("alert", "reject")]
    return Learned(folded.block.snapshot(), past, len(records))


@pytest.fixture(scope="module")
def whole(run: Run, learned: Learned) -> checks.Folded:
    return learned.go_on(run.events(LEARNED, MINUTES), cuts_of(2))


def cuts_of(seed: int) -> list[int]:
    return [int(cut) for cut in np.cumsum(np.random.default_rng(seed).integers(1, 40, 80))]


def state_of(folded: checks.Folded) -> Any:
    assert isinstance(folded.block, BioreactorBlock)
    return folded.block._state


def belief(folded: checks.Folded, unit: int = 0) -> bytes:
    assert isinstance(folded.block, BioreactorBlock)
    return folded.block.belief(f"BR-{unit}")


def ln_biomass(folded: checks.Folded) -> float:
    return float(state_of(folded).f[0, 0])


def alerts(folded: checks.Folded) -> list[tuple[int, str, str, str]]:
    """Minute that was closed, unit, action and rule of each alert on a fault."""
    return [
        ((parse_instant(one.event_time) - live.BEGIN) // MINUTE - 1, one.key, one.data["action"], one.data["rule"])
        for one in folded.effects
        if one.kind == "alert" and one.data["rule"].endswith(".fault")
    ]


def test_the_block_says_to_the_minute_and_holds_to_the_bit_what_the_detector_does(
    run: Run, whole: checks.Folded
) -> None:
    by, detector = live.mapping(), Detector()
    state, expected = detector.start(3), []
    for minute in range(MINUTES - 1):
        instants = np.full(3, live.BEGIN + minute * MINUTE)
        values = live.heard(run.readings[minute], run.demands[minute], by)
        state, outcome = detector.step(state, instants, *values)
        for turned, action in ((outcome.raised, "raise"), (outcome.cleared, "clear")):
            expected += [
                (minute, f"BR-{u}", action, f"{by.names[p]}.fault") for p, u in zip(*turned.nonzero(), strict=True)
            ]
    assert alerts(whole) == expected
    assert [one[1:] for one in expected] == [
        ("BR-0", "raise", "biomass.fault"), ("BR-1", "raise", "base.pv.fault"), ("BR-0", "clear", "biomass.fault"),
    ]  # fmt: skip
    assert all(ONSET <= minute <= ONSET + 15 for minute, _, action, _ in expected if action == "raise")
    block = state_of(whole)
    got = arrays(block.faulting.rows.read(block.fault[:3]))
    for name, array in arrays(state).items():
        np.testing.assert_array_equal(got[name], array, name)


def test_where_frames_end_and_a_restored_snapshot_change_nothing(
    run: Run, learned: Learned, whole: checks.Folded
) -> None:
    events, middle, past = run.events(LEARNED, MINUTES), 3 * (ONSET + 8 - LEARNED) + 1, copy.deepcopy(learned.past)
    first, second = MODEL.empty(), MODEL.empty()
    first.restore(learned.body)
    begun = checks.fold(MODEL, records_of(events[:middle], learned.records), cuts_of(4), first, past)
    second.restore(first.snapshot())
    rest = checks.fold(MODEL, records_of(events[middle:], learned.records + middle), cuts_of(5), second, past)
    assert second.snapshot() == whole.block.snapshot()
    assert [*begun.lines, *rest.lines] == whole.lines


def test_what_a_person_is_told_names_the_tag_the_time_and_what_is_done(whole: checks.Folded) -> None:
    raised = next(one.data for one in whole.effects if one.kind == "alert")
    since = "2026-03-01T16:20:00Z"
    assert raised["fault"] == {"kind": "stepped", "tags": ["biomass"], "since": since}
    assert (raised["tag"], raised["priority"], raised["limit"]) == ("biomass", "medium", None)
    for words in ("biomass jumped", since, "not used for the estimate until it heals"):
        assert words in raised["message"]


def test_estimates_say_of_each_tag_whether_it_is_trusted(run: Run, learned: Learned, whole: checks.Folded) -> None:
    said = [one.data["sensors"] for one in whole.effects if one.kind == "estimate" and one.key == "BR-1"]
    assert set(said[0]) == {*live.TAGS.values()}
    assert said[0]["base.pv"] == {"trusted": True, "kind": None, "since": None, "other": None, "spikes": 0}
    last = said[-1]["base.pv"]
    assert (last["kind"], last["trusted"], last["since"]) == ("runaway", False, "2026-03-01T16:20:00Z")
    assert said[-1]["biomass"] == said[0]["base.pv"]


def test_a_wrong_probe_moves_the_estimate_less_and_heals(run: Run, learned: Learned, whole: checks.Folded) -> None:
    events = [one for one in run.events(LEARNED - 60, HEALED_AT) if one.subject == "BR-0"]
    without = BioreactorModel.from_config(live.QUIET)
    before, after = (
        ln_biomass(checks.fold(without, records_of(some), range(0, 90, 10)))
        for some in (events[: 60 + ONSET - LEARNED], events)
    )
    held = ln_biomass(learned.go_on(run.events(LEARNED, HEALED_AT)))
    assert after - before > 0.1  # the step is ln 1.15
    assert abs(held - before) < 0.03  # of which 0.01 is growth
    state = state_of(whole)
    assert state.current[0].distrusted == ()
    newest = run.readings[MINUTES - 2][CAP, 0]
    assert abs(ln_biomass(whole) - np.log(newest)) < 0.05


def test_late_assays_replay_the_decision_that_was_taken_live(run: Run, learned: Learned, whole: checks.Folded) -> None:
    """Sampled before, during and after the fault, and known at its end: as in order, to the bit."""
    events = [one for one in run.events(LEARNED, MINUTES) if one.subject == "BR-0"]
    known = events[-1].record_time
    ordered, late = list(events), list(events)
    for name, at in (("S-3", MINUTES - 3), ("S-2", ONSET + 9), ("S-1", ONSET - 5)):
        time = Instant(live.BEGIN + at * MINUTE + MINUTE // 2)
        ordered.insert(at - LEARNED + 1, assay(name, time, time))
        late.append(assay(name, time, known))
    in_order, afterwards = learned.go_on(ordered), learned.go_on(late, [len(events)])
    assert belief(afterwards) == belief(in_order) != belief(whole)
    mine = [one[2] for one in alerts(whole) if one[1] == "BR-0"]
    assert [one[2] for one in alerts(afterwards)] == [one[2] for one in alerts(in_order)] == mine == ["raise", "clear"]


def assay(sample: str, time: Instant, known: Instant) -> Event:
    return Event(
        id=sample, source="lab", type="bioreactor.assay_resulted", subject="BR-0", event_time=time, record_time=known,
        data=b.AssayResulted(sample, "biomass", 4.0, "10*6/mL"),
    )  # fmt: skip


def test_what_was_done_explains_a_step_and_what_was_not_does_not(run: Run, learned: Learned) -> None:
    """The weight falls by 40 g at once; in one unit a sample says so."""
    for readings in run.readings[ONSET - 10 : ONSET + 10]:
        readings[W, 1:] -= 40.0
    try:
        events = [one for one in run.events(LEARNED, ONSET + 10) if one.subject != "BR-0"]
    finally:
        for readings in run.readings[ONSET - 10 : ONSET + 10]:
            readings[W, 1:] += 40.0
    time = Instant(live.BEGIN + (ONSET - 10) * MINUTE + 1)
    sample = Event(
        id="s", source="lab", type="bioreactor.sample_drawn", subject="BR-2", event_time=time, record_time=time,
        data=b.SampleDrawn(Quantity(0.03, "L"), "S-1"),
    )  # fmt: skip
    place = next(j for j, one in enumerate(events) if one.event_time > time)
    told = learned.go_on([*events[:place], sample, *events[place:]])
    weights = [one for one in alerts(told) if one[3] == "weight.pv.fault"]
    assert [one[1:] for one in weights] == [("BR-1", "raise", "weight.pv.fault")]


@pytest.mark.parametrize(
    ("kind", "data", "jumped", "renewed"),
    [
        ("sample_drawn", b.SampleDrawn(Quantity(0.01, "L"), "S"), {"weight"}, set()),
        ("feed_added", b.FeedAdded(Quantity(0.05, "L")), set(), set()),  # 1 %: the pump's demand tells it
        ("feed_added", b.FeedAdded(Quantity(0.15, "L")), {CHANNELS[probe] for probe in PROBES}, set()),
        ("medium_exchanged", b.MediumExchanged(Quantity(1.0, "L"), True), {CHANNELS[one] for one in PROBES}, set()),
        ("probe_calibrated", b.ProbeCalibrated("ph.pv", "two_point"), set(), {"ph"}),
        ("probe_changed", b.ProbeChanged("biomass"), set(), {"capacitance"}),
        ("probe_changed", b.ProbeChanged("of no channel"), set(), set()),
    ],
)
def test_what_was_done_is_told_of_the_channels_that_it_moves(
    kind: str, data: Any, jumped: set[str], renewed: set[str]
) -> None:
    script = Script(unit="BR-0")
    script.start(volume=5.0)
    script.read(30, (4.0, "10*6/mL"))
    script.say(70, f"bioreactor.{kind}", data)
    folded = checks.fold(MODEL, records_of(script.events), [2])
    row, until = state_of(folded).fault[0], BEGIN // MINUTE + 1 + 3
    for names, columns in ((jumped, row[JUMPED_UNTIL:RENEWED_UNTIL]), (renewed, row[RENEWED_UNTIL:OWN])):
        assert {name for name, told in zip(CHANNELS, columns, strict=True) if told == until} == names


def test_a_silent_channel_is_found_and_a_silent_unit_is_left_to_its_own_rule(run: Run, learned: Learned) -> None:
    """The pH of BR-0 falls silent; BR-1 says nothing at all for half an hour, and time is told to have passed."""
    events = []
    for one in run.events(LEARNED, ONSET):
        minute = (one.event_time - live.BEGIN) // MINUTE
        if one.subject == "BR-0":
            channels = [c for c in one.data.channels if c.tag != "ph.pv" or minute < LEARNED + 3]
            events.append(structs.replace(one, data=b.Reading(tuple(channels))))
        elif one.subject == "BR-1" and not LEARNED + 3 <= minute < ONSET - 2:
            events.append(one)
    time = Instant(live.BEGIN + (ONSET - 3) * MINUTE + MINUTE // 2)
    passed = Event(
        id="t", source="test", type="time.passed", subject="", event_time=time, record_time=time, data=TimePassed()
    )
    events.insert(next(j for j, one in enumerate(events) if one.event_time > time), passed)
    found = learned.go_on(events)
    assert alerts(found) == [(LEARNED + 3 + 4, "BR-0", "raise", "ph.pv.fault")]  # the fifth minute without a word
    rows = state_of(found).fault
    assert rows[1, LAST] == live.BEGIN // MINUTE + ONSET - 2


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"channels": {"acidity": {"tag": "ph"}}}, "received acidity, in faults.channels"),
        ({"channels": {"ph": {"tag": "ph"}}, "demands": {"ph": {"tag": "sp"}}}, "received ph, in faults.demands"),
        ({"channels": {}}, "received none, in faults.channels"),
        ({"channels": {"ph": {"tag": "a"}, "ph_second": {"tag": "a"}}}, "each tag once, received a for ph and for ph_"),
        ({"channels": {"base": {"tag": "a"}}, "demands": {"base": {"tag": "a"}}}, "map it as its demand"),
        ({"channels": {"ph": {"tag": "ph", "unit": "Cel"}}}, "expected a unit of acidity"),
        ({"channels": {"base": {"tag": "pump", "unit": "%"}}}, "expected a unit of volume_flow"),
        ({"channels": {"base": {"tag": "pump", "unit": "gallons"}}}, "gallons"),
        ({"channels": {"ph": {"tag": "temperature"}}}, "expected a unit of acidity"),
        ({"channels": {"capacitance": {"tag": "biomass"}}}, "any unit that is proportional to it does"),
        ({"channels": {"capacitance": {"tag": "biomass", "unit": "Cel"}}}, "the logarithm of the capacitance"),
        ({"channels": {"ph_second": {"tag": "ph"}}}, "the name of another channel that is not mapped, received ph"),
        ({"channels": {"ph": {"tag": "ph"}}, "vessel": {"residual_sd": {"feed": 1.0}}}, "expected noise of"),
        ({"channels": {"ph": {"tag": "ph"}}, "vessel": {"residual_sd": {"ph": 0.0}}}, "expected a residual sd above 0"),
    ],
)
def test_a_section_that_cannot_be_is_refused_with_a_reason(section: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_config({"faults": section})
    assert words in str(raised.value)


def test_consequences_name_rules_on_faults_and_a_name_without_the_section_stays() -> None:
    config = read_config({
        "faults": {"channels": {"ph": {"tag": "ph"}}, "vessel": {"headspace_millilitres": 900}, "priority": "low"},
        "consequences": [{"cause": "base.fault", "effect": "ph.fault"}, {"cause": "ph.fault", "effect": "silence"}],
    })  # fmt: skip
    assert consequences_of(config).rules == ("base.fault", "ph.fault", "silence")
    assert faulting_of(config).detector.settings.headspace == 900  # type: ignore[union-attr]
    assert model_name(read_config({})) == model_name(read_config({"faults": None}))
    assert model_name(config) != model_name(read_config({"consequences": []}))
