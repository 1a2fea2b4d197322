"""Placing the lines of an event file."""

from __future__ import annotations

import json

import pytest

from schemas.errors import UsageError
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.fold import place_lines


def line(unit: str, number: int, **more: object) -> bytes:
    document = {
        "specversion": "1.0", "id": str(number), "source": "test", "type": "bioreactor.reading", "subject": unit,
        "time": "2026-01-01T00:00:00Z", "data": {"channels": [{"tag": "ph", "value": 7.0, "unit": "[pH]"}]}, **more,
    }  # fmt: skip
    return json.dumps(document).encode()


def test_lines_go_where_their_key_belongs_in_file_order() -> None:
    units = [f"BR-{i}" for i in range(40)]
    placed = place_lines("bioreactor", [line(unit, n) for n, unit in enumerate(units * 2)])
    for partition, records in placed.items():
        assert [record.offset for record in records] == list(range(len(records)))
        assert {partition_of(record.key, PARTITIONS) for record in records} == {partition}
    assert sum(len(records) for records in placed.values()) == 80


def test_time_passed_without_a_subject_reaches_every_partition() -> None:
    passed = {"specversion": "1.0", "id": "1", "source": "s", "type": "time.passed", "time": "2026-01-01T00:00:00Z"}
    placed = place_lines("bioreactor", [json.dumps({**passed, "data": {}}).encode()])
    assert {partition: len(records) for partition, records in placed.items()} == dict.fromkeys(range(PARTITIONS), 1)


def test_a_bad_line_without_a_subject_goes_to_partition_zero() -> None:
    placed = place_lines("bioreactor", [b"{nope"])
    assert list(placed) == [0]
    assert placed[0][0].value == b"{nope"


def test_a_line_keeps_the_place_it_carries() -> None:
    placed = place_lines("bioreactor", [line("A", 1, partition=5, offset=17), line("A", 2, partition=5, offset=90)])
    assert [record.offset for record in placed[5]] == [17, 90]


def test_offsets_that_fall_are_refused() -> None:
    with pytest.raises(UsageError, match="expected an offset above 17"):
        place_lines("bioreactor", [line("A", 1, partition=5, offset=17), line("A", 2, partition=5, offset=3)])
