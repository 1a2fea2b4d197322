"""A file's name tells what it is; anything else is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.file import open_file
from connectors.jsonl import JsonLinesSource
from connectors.tabular import TabularSource
from schemas.errors import UsageError
from tests.unit.connectors.plate import plate_csv, small_map


def test_event_file_and_table_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "a.ndjson.gz").write_text("")
    (tmp_path / "p.CSV").write_text(plate_csv())
    assert isinstance(open_file(tmp_path / "a.jsonl"), JsonLinesSource)
    assert isinstance(open_file(tmp_path / "a.ndjson.gz"), JsonLinesSource)
    table = open_file(tmp_path / "p.CSV")
    assert isinstance(table, TabularSource)
    assert table.mapping.name == "biolector_yeast"


def test_given_mapping_makes_a_table_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "export.dat").write_text("unit,h,x\nA,0,1\n")
    (tmp_path / "m.yaml").write_text(small_map())
    source = open_file(tmp_path / "export.dat", tmp_path / "m.yaml")
    assert [len(item.entries) for item in source.items()] == [1]


def test_unknown_name_and_missing_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "export.dat").write_text("")
    with pytest.raises(UsageError, match="--map"):
        open_file(tmp_path / "export.dat")
    with pytest.raises(UsageError, match="check the path"):
        open_file(tmp_path / "none.csv")
