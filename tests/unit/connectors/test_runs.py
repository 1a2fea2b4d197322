"""Recorded runs as arrays: by batch or by unit, in order of time, in canonical units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from connectors.file import open_file
from connectors.mapping import read_mapping
from connectors.runs import read_runs
from connectors.tabular import TabularSource
from schemas.errors import MappingError, UsageError

MAP = """
twinstream_map: 1
name: small
source: small
header: {columns: [run, vessel, hour, T, V, status]}
subject: "{vessel}"
time: {column: hour, format: h, origin: "2026-01-01T00:00:00Z"}
channels:
  - {column: T, tag: temperature, unit: K}
  - {column: V, tag: volume, unit: mL, quality: {column: status, good: ["ok"]}}
batch: {name: "{run}"}
"""
ROWS = """run,vessel,hour,T,V,status
b1,R1,1,301.15,900,ok
b1,R1,0,300.15,1000,ok
b9,R2,0,,500,ok
b1,R1,2,x,800,broken
b2,R1,3,303.15,,ok
b9,R3,0,310.15,400,ok
"""


def table(tmp_path: Path, text: str = ROWS, mapping: str = MAP) -> TabularSource:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return TabularSource(path, read_mapping(mapping, "test"))


def test_rows_come_together_by_batch_in_order_of_time_and_in_canonical_units(tmp_path: Path) -> None:
    found = read_runs(table(tmp_path))
    assert found.tags == ("temperature", "volume")
    assert [run.name for run in found.runs] == ["b1", "R2/b9", "R3/b9", "b2"]
    first = found.runs[0]
    np.testing.assert_allclose((first.times - first.times[0]) / 3.6e9, [0, 1, 2])
    np.testing.assert_allclose(first.values, [[27.0, 1.0], [28.0, 0.9], [np.nan, np.nan]])
    assert "Expected `float`, got `str`" in found.first_bad
    assert found.bad == 1  # the x; a value its source calls bad is missing, not a fault of the file


def test_without_a_batch_a_run_is_a_unit(tmp_path: Path) -> None:
    found = read_runs(table(tmp_path, mapping=MAP.replace('batch: {name: "{run}"}', "")))
    assert sorted(run.name for run in found.runs) == ["R1", "R2", "R3"]


def test_a_file_without_times_counts_its_lines(tmp_path: Path) -> None:
    mapping = MAP.replace("column: hour, format: h", 'column: "{row}", format: min')
    found = read_runs(table(tmp_path, mapping=mapping))
    first = found.runs[0]
    np.testing.assert_allclose((first.times - first.times[0]) / 6e7, [0, 1, 3])  # minutes: lines 2, 3 and 5
    assert first.values[0, 0] == pytest.approx(28.0)  # as they stand


def test_lines_as_times_need_a_unit_of_time() -> None:
    time = 'time: {column: hour, format: h, origin: "2026-01-01T00:00:00Z"}'
    assert time in MAP
    with pytest.raises(MappingError, match="h, min, s, ms or d"):
        read_mapping(MAP.replace(time, 'time: {column: "{row}", format: iso}'), "test")


def test_an_event_file_gives_runs_too_and_what_follows_the_end_of_a_batch_is_no_part_of_it(tmp_path: Path) -> None:
    def event(number: int, kind: str, hour: int, data: object) -> str:
        time = f"2026-01-01T{hour:02d}:00:00Z"
        return json.dumps(
            {"specversion": "1.0", "id": f"{number}", "source": "s", "type": f"bioreactor.{kind}", "time": time}
            | {"subject": "R1", "schemaversion": 2, "data": data}
        )

    def reading(number: int, hour: int, ph: float) -> str:
        return event(number, "reading", hour, {"channels": [{"tag": "ph", "value": ph, "unit": "[pH]"}]})

    path = tmp_path / "facts.jsonl"
    lines = [
        event(1, "batch_started", 0, {"batch": "b1"}), reading(2, 1, 7.0), "{", reading(3, 2, 7.1),
        event(4, "batch_ended", 3, {"batch": "b1"}), reading(5, 4, 9.9),
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    found = read_runs(open_file(path))
    assert [run.name for run in found.runs] == ["b1"]
    np.testing.assert_array_equal(found.runs[0].values, [[7.0], [7.1]])
    assert found.bad == 1


def test_a_file_without_a_reading_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="received none and 0 bad"):
        read_runs(table(tmp_path, "run,vessel,hour,T,V,status\n"))
