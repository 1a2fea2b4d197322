"""The published files, where they lie beside the checkout: their rows, units and mass balance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from connectors.checks import check_entries
from connectors.file import open_file
from connectors.tabular import TabularSource
from schemas.bioreactor import BatchStarted, FeedAdded, Reading, SampleDrawn
from schemas.events import Event
from tests.unit.connectors.plate import DATA, YEAST

pytestmark = pytest.mark.realdata


def opened(path: Path) -> TabularSource:
    if not path.is_file():
        pytest.skip(f"the published data set is not there: {path}")
    source = open_file(path)
    assert isinstance(source, TabularSource)
    return source


def largest_volume_error(source: TabularSource) -> tuple[float, Counter[str]]:
    """Give the largest distance of start + feeds - samples from the volume column [uL], and the events' counts."""
    volume: dict[str, float] = {}
    worst = 0.0
    count: Counter[str] = Counter()
    for item in source.items():
        for event in item.entries:
            assert isinstance(event, Event)
            count[event.type.removeprefix("bioreactor.")] += 1
            data = event.data
            if isinstance(data, BatchStarted):
                assert data.volume is not None
                volume[event.subject] = data.volume.value
            elif isinstance(data, FeedAdded):
                volume[event.subject] += data.volume.value
            elif isinstance(data, SampleDrawn):
                volume[event.subject] -= data.volume.value
            elif isinstance(data, Reading):
                told = next(channel.value for channel in data.channels if channel.tag == "volume")
                worst = max(worst, abs(told - volume[event.subject]))
    return worst, count


def test_yeast_plate_has_32_vessels_and_closes_its_volume() -> None:
    source = opened(YEAST)
    worst, count = largest_volume_error(source)
    print(f"largest volume error {worst:.6f} uL")
    assert (source.survey.rows, source.survey.bad_rows, len(source.survey.spans)) == (11_400, 0, 32)
    assert count["reading"] == 11_400
    assert count["sample_drawn"] == 64
    assert count["batch_started"] == count["batch_ended"] == 32
    assert worst < 0.0011  # the columns are rounded to 0.001 uL


def test_whole_plate_has_phases_and_ph_and_closes_its_volume() -> None:
    source = opened(DATA / "COU_S2_004_RL_Repeat_processed.csv.gz")
    worst, count = largest_volume_error(source)
    print(f"largest volume error {worst:.6f} uL")
    assert (source.survey.rows, len(source.survey.spans)) == (22_368, 32)
    assert count["sample_drawn"] == 64
    assert count["phase_changed"] >= 64
    assert worst < 0.0011


def test_simulated_run_draws_8_samples_though_each_row_stands_twice() -> None:
    source = opened(DATA / "product_inhibition.csv")
    worst, count = largest_volume_error(source)
    assert (count["reading"], count["sample_drawn"]) == (1_015, 8)
    assert worst < 1e-6


def test_all_its_facts_survive_the_wire() -> None:
    source = opened(YEAST)
    check_entries(entry for item in source.items() for entry in item.entries)
