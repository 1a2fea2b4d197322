"""The load of cultures: what a full twin is sent is what it takes, and any part of a step can be made alone."""

from __future__ import annotations

import json

from benchmarks.at_1hz import FULL_TWIN
from benchmarks.cultures import RUN_HOURS, Cultures, assay_step
from benchmarks.load import Fleet, Load
from schemas.instants import SECOND, parse_instant
from twins.bioreactor import BioreactorModel
from twins.checks import PlainRecord
from twins.frame import FrameReader
from twins.past import MemoryPast

ORIGIN = int(parse_instant("2026-03-01T08:00:00Z"))
UNITS = 4


def test_a_full_twin_takes_all_of_it_and_hears_of_its_assays() -> None:
    fleet = Cultures(UNITS, 1, ORIGIN, 120, packed=False)
    model = BioreactorModel.from_config(json.loads(FULL_TWIN.read_text()))
    block, reader, past = model.empty(), FrameReader("bioreactor.events", 0), MemoryPast()
    offset, said, forecasts = 0, [], []
    for step in range(0, 330, 5):
        records = [record for at in range(max(step - 4, 0), step + 1) for record in fleet.records(at)]
        plain = []
        for one in records:
            assert one.event_time is not None
            plain.append(PlainRecord(offset, one.event_time // 1000, one.key, one.value, one.headers))
            offset += 1
        frame = reader.read(plain)
        effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
        past.keep(frame, effects)
        assert not effects.rejects
        said += effects.estimates
        forecasts += effects.forecasts
    data = [one.data for one in said if one.data.get("process")]
    assert len(data) >= UNITS * 4
    newest = data[-1]["process"]
    assert newest["channels"]["biomass"]["consistent"]
    assert abs(newest["channels"]["glucose"]["innovation"]) > 0.0
    assert forecasts
    assert any(one.data.get("advice") for one in forecasts)


def test_parts_of_a_step_are_the_step() -> None:
    one, other = (Cultures(UNITS, 1, ORIGIN, 4, packed=True) for _ in range(2))
    for step in (0, 3, 300):
        assert other.records(step, 0, 1) + other.records(step, 1, UNITS) == one.records(step)


def test_each_unit_gets_one_assay_of_a_sample_drawn_before() -> None:
    fleet = Cultures(UNITS, 1, ORIGIN, 8, packed=False)
    found = {}
    for step in range(10):
        for record in fleet.records(step):
            if b"glucose" in record.value:
                assert record.key not in found
                assert record.event_time is not None
                assert ORIGIN - RUN_HOURS * 3600 * SECOND < record.event_time < ORIGIN
                found[record.key] = step
    assert list(found.values()) == [assay_step(unit, UNITS, 8) for unit in range(UNITS)]


def test_the_load_lets_cultures_cross_their_limit_too() -> None:
    fleet = Fleet(Load("", None, UNITS, 1, cultures=True, crossing_seconds=4), ORIGIN / SECOND)
    low = [one.key for one in fleet.records(5, 0, UNITS) if b'"dissolved_oxygen","value":3,' in one.value]
    assert low == [b"BR-00001"]
