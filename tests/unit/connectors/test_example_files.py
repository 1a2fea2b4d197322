"""The files under `examples/` are what its README says: readable, each with the faults it means to have."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from connectors.checks import check_entries, check_ids_are_stable
from connectors.jsonl import JsonLinesSource
from connectors.mapping import read_mapping
from connectors.outgoing import BadLine, Entry
from connectors.tabular import parse
from schemas.events import Event
from tests.unit.connectors.plate import ROOT

EXAMPLES = ROOT / "examples"
FILES = sorted((EXAMPLES / "bioreactor").glob("*.jsonl"))
SOUND = ["feed_and_sample", "late_assay", "normal_run", "probe_change", "sensor_fault"]


def entries(name: str) -> list[Entry]:
    source = JsonLinesSource(EXAMPLES / "bioreactor" / f"{name}.jsonl")
    return [entry for item in source.items() for entry in item.entries]


def kinds(name: str) -> Counter[str]:
    return Counter(entry.type if isinstance(entry, Event) else "bad" for entry in entries(name))


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_hold_facts_alone_each_once(name: str) -> None:
    check_entries(entries(name))
    check_ids_are_stable(lambda: JsonLinesSource(EXAMPLES / "bioreactor" / f"{name}.jsonl"))
    assert kinds(name)["bad"] == 0
    assert kinds(name)["bioreactor.batch_started"] == 1


def test_late_assays_are_recorded_hours_after_their_sample() -> None:
    late = [e for e in entries("late_assay") if isinstance(e, Event) and e.type.startswith("bioreactor.assay")]
    assert [e.type.rpartition("_")[2] for e in late] == ["resulted", "resulted", "superseded", "resulted", "withdrawn"]
    assert all(e.record_time - e.event_time >= 2 * 3_600_000_000 for e in late)


def test_duplicates_are_the_same_line_again() -> None:
    found = [entry for entry in entries("duplicates") if isinstance(entry, Event)]
    twice = Counter(event.id for event in found)
    assert sum(twice.values()) - len(twice) == 8
    assert len({(event.id, event.event_time, str(event.data)) for event in found}) == len(twice)
    times = [event.event_time for event in found]
    assert times != sorted(times)


def test_bad_lines_are_refused_and_good_ones_between_them_read() -> None:
    count = kinds("bad_lines")
    assert count["bad"] >= 18
    assert count["bioreactor.batch_started"] == 1
    assert any(isinstance(e, BadLine) and e.subject == "BR-104" for e in entries("bad_lines"))


def test_readme_names_every_file() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for path in [*FILES, *EXAMPLES.glob("*.map.yaml"), EXAMPLES / "bioreactor" / "config.json"]:
        assert f"`{path.name}`" in text, path.name


def test_mapping_in_the_readme_is_a_mapping() -> None:
    text = (EXAMPLES / "README.md").read_text()
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    mapping = read_mapping(found[1], "README")
    table = ",".join(mapping.header.columns) + "\nV1,2026-03-01 12:00,1.5,7.1,OK,2,0,1,R1,800\n"
    assert [e.type for e in parse(table.encode(), mapping) if isinstance(e, Event)] == [
        "bioreactor.batch_started",
        "bioreactor.phase_changed",
        "bioreactor.reading",
        "bioreactor.batch_ended",
    ]


def test_config_is_json() -> None:
    assert json.loads((EXAMPLES / "bioreactor" / "config.json").read_text())["model"] == "growth"
