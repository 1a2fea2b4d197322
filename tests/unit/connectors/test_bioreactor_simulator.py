"""Simulated fleets: the same to the byte, readable, paced, and faulty exactly as asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest

from connectors.bioreactor_faults import Faults
from connectors.bioreactor_score import score
from connectors.bioreactor_simulation import Simulation, read_simulation
from connectors.bioreactor_simulator import PROBES, Simulator, live
from connectors.bioreactor_truth import Process
from connectors.checks import check_units
from connectors.outgoing import Outgoing
from schemas.bioreactor import AssayResulted, AssaySuperseded, BatchStarted, FeedAdded, Reading, SampleDrawn
from schemas.errors import MalformedError, SettingsError
from schemas.events import Event, pack_headers, read_record
from schemas.instants import HOUR, SECOND, format_instant
from schemas.topics import PARTITIONS

SLOW = Simulation(units=3, seed=4, rate_hz=1 / 360, assay_delay_hours=(0.5, 2.0))  # a reading each 0.1 h


def read(records: Iterable[Outgoing]) -> list[Event]:
    return [read_record(record.key, record.value, record.headers) for record in records]


def run(simulation: Simulation, hours: float) -> list[Event]:
    simulator = Simulator(simulation)
    return read(simulator.stream(last_step=simulator.steps_in(hours)))


def test_any_step_is_the_same_again_alone_and_in_slices() -> None:
    simulation = Simulation(units=7, seed=3, faults=Faults(lost=0.2, late=0.2, late_steps=2, duplicate=0.2, spike=0.1))
    whole = [Simulator(simulation).records(step) for step in range(6)]
    fresh = Simulator(simulation)
    assert fresh.records(5) == whole[5]
    assert fresh.records(2) == whole[2]
    quiet = Simulator(Simulation(units=7, seed=3))
    assert quiet.records(3, 0, 2) + quiet.records(3, 2, 7) == quiet.records(3)


def test_batch_is_started_first_and_events_of_a_unit_are_in_order() -> None:
    events = run(SLOW, 80.0)  # over two turns of a 36 h run
    for unit in Simulator(SLOW).keys:
        own = [event for event in events if event.subject == unit]
        assert isinstance(own[0].data, BatchStarted)
        assert [event.record_time for event in own] == sorted(event.record_time for event in own)
        assert Counter(event.type for event in own)["bioreactor.batch_started"] == 3
    for event in events:
        check_units(event)
        assert event.record_time >= event.event_time


def test_volume_told_by_events_follows_the_true_volume() -> None:
    simulator = Simulator(SLOW)
    volume: dict[str, float] = {}
    checked = 0
    for event in run(SLOW, 80.0):
        if isinstance(event.data, BatchStarted):
            assert event.data.volume is not None
            volume[event.subject] = event.data.volume.value
        elif isinstance(event.data, FeedAdded):
            volume[event.subject] += event.data.volume.value
        elif isinstance(event.data, SampleDrawn):
            volume[event.subject] -= event.data.volume.value
        elif isinstance(event.data, Reading):
            unit = simulator.keys.index(event.subject)
            true = simulator.truth_at(np.array([unit]), np.array([event.event_time])).volume[0]
            assert volume[event.subject] == pytest.approx(true, abs=1e-9)
            checked += 1
    assert checked == 3 * 801


def test_units_that_start_in_the_middle_of_a_run_tell_their_volume() -> None:
    simulation = Simulation(units=20, seed=2, rate_hz=1 / 360, age_hours=30.0)
    simulator = Simulator(simulation)
    started = [event for event in read(simulator.records(0)) if isinstance(event.data, BatchStarted)]
    assert [event.data.volume.value for event in started] == pytest.approx(simulator.truth(0).volume.tolist())
    assert min(simulator.truth(0).volume) < 1.0 < max(simulator.truth(0).volume)


def test_assays_come_late_with_the_sample_s_time_and_corrections_follow() -> None:
    faults = Faults(superseded=0.4, withdrawn=0.3)
    events = run(Simulation(units=6, seed=8, rate_hz=1 / 360, assay_delay_hours=(0.5, 2.0), faults=faults), 35.0)
    drawn = {e.data.sample: e.event_time for e in events if isinstance(e.data, SampleDrawn)}
    told = [e for e in events if isinstance(e.data, AssayResulted)]
    assert {(e.data.sample, e.event_time) for e in told} <= set(drawn.items())
    assert all(0.5 * HOUR <= e.record_time - e.event_time <= 2.0 * HOUR for e in told)
    count = Counter(e.type for e in events)
    assert count["bioreactor.assay_superseded"] > 5
    assert count["bioreactor.assay_withdrawn"] > 5
    first = {e.data.sample: e.data.value for e in told}
    for event in events:
        if isinstance(event.data, AssaySuperseded):
            assert first[event.data.sample] == pytest.approx(1.6 * event.data.value)


def test_packed_headers_and_fixed_values_say_the_same() -> None:
    pairs, packed = Simulator(Simulation(units=3)), Simulator(Simulation(units=3), packed=True)
    for step in (0, 1, 60):
        assert read(packed.records(step)) == read(pairs.records(step))
        assert all(isinstance(record.headers, bytes) for record in packed.records(step))
    own = pairs.records(1)[0]
    assert not isinstance(own.headers, bytes)
    assert msgspec.msgpack.decode(packed.records(1)[0].headers) == msgspec.msgpack.decode(pack_headers(own.headers))  # type: ignore[arg-type]
    fixed = Simulator(Simulation(units=3), fixed=True)
    assert [record.value for record in fixed.records(1)] == [record.value for record in fixed.records(2)]
    assert [event.id for event in read(fixed.records(1))] == ["0000000001"] * 3


def test_time_passes_for_every_partition_where_the_source_has_the_clock() -> None:
    simulator = Simulator(Simulation(units=2, rate_hz=0.1))
    passed = [e for step in range(13) for e in read(simulator.records(step)) if e.type == "time.passed"]
    assert [format_instant(e.event_time)[11:19] for e in passed] == ["08:01:00"] * PARTITIONS + [
        "08:02:00"
    ] * PARTITIONS
    wall = Simulator(Simulation(units=2, rate_hz=0.1, clock="wall"))
    assert not [e for step in range(13) for e in read(wall.records(step)) if e.type == "time.passed"]


def test_readings_of_a_quiet_fleet_are_near_the_truth() -> None:
    simulator = Simulator(Simulation(units=500, seed=6))
    true = simulator.truth(100)
    off = simulator.values(100)[:, 0] / (true.biomass * true.sensor_gain) - 1.0
    # standard error of a mean of 500 at 3 % noise is 0.13 %, of its standard deviation 0.1 %: four of each
    assert abs(off.mean()) < 0.0054
    assert off.std() == pytest.approx(0.03, abs=0.004)


def test_record_faults_strike_as_often_as_asked_and_stand_in_the_truth() -> None:
    faults = Faults(lost=0.05, duplicate=0.05, wrong_unit=0.05, malformed=0.05, late=0.05, late_steps=3)
    simulator = Simulator(Simulation(units=400, seed=9, faults=faults))
    seen: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    ids: Counter[tuple[bytes | None, str]] = Counter()
    for step in range(1, 21):
        for line in simulator.truth_lines(step):
            document = msgspec.json.decode(line)
            if document["kind"] == "fault":
                struck[document["fault"]] += 1
        for record in simulator.records(step):
            try:
                event = read_record(record.key, record.value, record.headers)
            except MalformedError:
                seen["malformed"] += 1
                continue
            if event.type == "bioreactor.reading":
                ids[record.key, event.id] += 1
                seen["late"] += event.record_time > event.event_time
                seen["wrong_unit"] += event.data.channels[0].unit == "kPa"
    # 8,000 records at 5 %: 400 with a standard deviation of 20; six of them
    for name in ("lost", "duplicate", "late", "wrong_unit", "malformed"):
        assert struck[name] == pytest.approx(400, abs=120), name
    assert max(ids.values()) == 2
    assert seen["malformed"] > 200
    assert seen["wrong_unit"] > 200
    assert seen["late"] > 200


def test_stuck_probe_says_one_value_for_its_window_and_offline_unit_nothing() -> None:
    faults = Faults(stuck=1.0, window_minutes=1.0)
    simulator = Simulator(Simulation(units=2, faults=faults))
    rows = [simulator.values(step) for step in range(60, 120)]
    assert all((row == rows[0]).all() for row in rows)
    assert (simulator.values(120) != rows[0]).any()
    silent = Simulator(Simulation(units=2, faults=Faults(offline=1.0), clock="wall"))
    assert [e.type for e in read(silent.records(5))] == []


def test_drift_grows_within_its_window() -> None:
    quiet = Simulator(Simulation(units=2, seed=1))
    drifting = Simulator(Simulation(units=2, seed=1, faults=Faults(drift=1.0, drift_per_hour=0.5, window_minutes=30)))
    ratio = drifting.values(1799) / quiet.values(1799)
    assert np.abs(ratio - 1.0) == pytest.approx(np.full((2, len(PROBES)), 0.5 * 1799 / 3600))


def test_spikes_multiply_or_divide() -> None:
    simulator = Simulator(Simulation(units=200, faults=Faults(spike=0.1, spike_factor=4.0)))
    ratio = simulator.values(5) / Simulator(Simulation(units=200)).values(5)
    assert set(np.round(np.unique(ratio), 9)) == {0.25, 1.0, 4.0}


def test_malformed_and_wrong_units_are_refused_as_such() -> None:
    cut = Simulator(Simulation(units=1, faults=Faults(malformed=1.0))).records(1)[0]
    with pytest.raises(MalformedError):
        read([cut])
    other = Simulator(Simulation(units=1, faults=Faults(wrong_unit=1.0))).records(1)[0]
    with pytest.raises(AssertionError, match="for biomass"):
        check_units(read([other])[0])


def test_live_gives_what_is_due_in_order_and_catches_up() -> None:
    simulator = Simulator(Simulation(units=10, rate_hz=1.0))
    now = [0.0]
    sleeps: list[float] = []

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        now[0] += 1.7 if len(sleeps) == 5 else seconds  # once it is kept waiting for long

    async def collect() -> list[list[Outgoing]]:
        return [batch async for batch in live(simulator, monotonic=lambda: now[0], sleep=sleep, last_step=3)]

    batches = asyncio.run(collect())
    assert [record for batch in batches for record in batch] == list(simulator.stream(last_step=3))
    assert len(batches) > 10
    assert max(sleeps) == 0.1


def test_live_event_time_runs_at_its_speed() -> None:
    simulator = Simulator(Simulation(units=1, rate_hz=1.0))
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def last() -> int:
        newest = 0
        async for batch in live(simulator, monotonic=lambda: now[0], sleep=sleep, speed=60.0, last_step=120):
            newest = max(record.event_time or 0 for record in batch)
        return newest

    assert asyncio.run(last()) == simulator.origin + 120 * SECOND
    assert now[0] == pytest.approx(2.0, abs=0.2)  # 120 s at 60 times, to a tick or two of 0.1 s


def test_score_counts_bands_that_hold_the_truth() -> None:
    simulator = Simulator(SLOW)
    true = simulator.truth(50)

    def estimate(unit: int, off: float) -> dict[str, object]:
        mean = float(true.biomass[unit]) + off
        belief = {"mean": mean, "sd": 0.1, "low": mean - 0.2, "high": mean + 0.2}
        return {
            "kind": "estimate",
            "key": simulator.keys[unit],
            "event_time": format_instant(simulator.origin + 50 * SLOW.step_us + unit * SLOW.step_us // 3),
            "data": {"hours": 5.0, "state": {"biomass": belief}},
        }

    found = score([estimate(0, 0.1), estimate(1, -0.1), estimate(2, 0.3), {"kind": "alert"}], simulator)
    assert found.keys() == {"biomass"}
    assert found["biomass"].count == 3
    assert found["biomass"].coverage == pytest.approx(2 / 3)
    assert found["biomass"].bias == pytest.approx(0.1, abs=1e-6)  # times are written to the microsecond
    assert found["biomass"].mean_square_z == pytest.approx((1 + 1 + 9) / 3, rel=1e-6)
    assert score([], simulator) == {}


@pytest.mark.parametrize(
    "given",
    [
        {"units": 0},
        {"rate_hz": 0},
        {"seed": -1},
        {"origin": "today"},
        {"age_hours": 99},
        {"assay_delay_hours": [3, 1]},
        {"colour": 1},
        {"faults": {"lost": 2}},
        {"faults": {"superseded": 0.6, "withdrawn": 0.6}},
        {"faults": {"late_steps": 0}},
        {"process": {"run_hours": -1}},
        {"units": "many"},
    ],
)
def test_simulation_that_cannot_be_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        read_simulation(given)


def test_simulation_reads_from_json() -> None:
    given = {"units": 2, "assay_delay_hours": [0, 1], "faults": {"lost": 0.1}, "process": {"run_hours": 40}}
    assert read_simulation(given) == Simulation(
        units=2, assay_delay_hours=(0, 1), faults=Faults(lost=0.1), process=Process(run_hours=40)
    )
