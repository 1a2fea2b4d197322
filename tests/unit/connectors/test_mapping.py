"""Mapping files are checked before a row is read, and say what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.mapping import check_header, find_mapping, load_mapping, read_mapping, shipped_mappings
from schemas.errors import MappingError
from tests.unit.connectors.plate import HEADER, small_map


def test_shipped_mappings_are_sound_and_each_matches_itself_alone() -> None:
    shipped = shipped_mappings()
    assert {mapping.name for mapping in shipped} >= {"biolector_yeast", "biolector_plate_repeat", "product_inhibition"}
    for mapping in shipped:
        assert find_mapping([(one, mapping.header.columns) for one in shipped], "f") is mapping


def test_header_of_the_yeast_file_finds_its_mapping() -> None:
    found = find_mapping([(one, HEADER.split(",")) for one in shipped_mappings()], "f.csv")
    assert found.name == "biolector_yeast"


def test_none_or_two_fitting_mappings_ask_for_one() -> None:
    mapping = read_mapping(small_map(), "m")
    with pytest.raises(MappingError, match=r"received 2 .*--map"):
        find_mapping([(mapping, ["unit", "h", "x"])] * 2, "f.csv")
    with pytest.raises(MappingError, match=r"f\.csv.*--map"):
        find_mapping([(mapping, ["a", "b"])], "f.csv")
    with pytest.raises(MappingError, match="--map"):
        find_mapping([], "f.csv")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["unit", "h"], r"expected the columns \['x'\]"),
        (["unit", "h", "x", "y"], r"received also \['y'\]"),
        (["unit", "h", "x", "x"], "more than once"),
    ],
)
def test_header_that_does_not_fit_names_the_column(header: list[str], said: str) -> None:
    with pytest.raises(MappingError, match=said):
        check_header(read_mapping(small_map(), "m"), header, "f.csv")


def test_other_columns_are_ignored_where_the_mapping_says_so() -> None:
    mapping = read_mapping(small_map(header="{columns: [unit, h, x], others: ignore}"), "m")
    check_header(mapping, ["y", "x", "h", "unit", "y"], "f.csv")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"twinstream_map": "2"}, "twinstream_map"),
        ({"colour": "red"}, "colour"),
        ({"subject": '"{vessel}"'}, "'vessel'.*subject"),
        ({"channels": "[{column: y, tag: biomass, unit: g/L}]"}, "'y'.*channels"),
        ({"channels": "[{column: x, tag: biomass, unit: furlong}]"}, "furlong"),
        ({"channels": "[{column: x, tag: temperature, unit: g/L}]"}, "temperature"),
        (
            {"channels": "[{column: x, tag: biomass, unit: g/L}, {column: x, tag: ph, unit: '[pH]'}]"},
            "'x' twice",
        ),
        ({"channels": ""}, "at least one"),
        ({"time": "{column: h, format: h}"}, "origin"),
        ({"time": '{column: h, format: h, origin: "2026-01-01"}'}, "zone"),
        ({"time": '{column: h, format: iso, origin: "2026-01-01T00:00:00Z"}'}, "no `origin`"),
        ({"time": "{column: h, format: '%H'}"}, "strptime"),
        ({"time": "{column: h, format: iso, zone: Mars}"}, "zone"),
        ({"table": "{delimiter: ',', decimal: ','}"}, "delimiter"),
        ({"table": "{encoding: klingon}"}, "encoding"),
        ({"table": "{delimiter: ';;'}"}, "delimiter"),
        ({"header": "{columns: [unit, h, x, x]}"}, "'x' twice"),
        ({"feed": "[{column: x, unit: g, kind: increment}]"}, "unit of volume"),
        ({"feed": "[{column: x, unit: L, kind: sometimes}]"}, "kind"),
        ({"sample": "{unit: L}"}, "either `column` or `volume_column`"),
        ({"sample": "{volume_column: x, unit: L}"}, "smallest"),
        ({"batch": "{name: b, volume: {unit: L}}"}, "either `column` or `value`"),
        ({"batch": "{name: b, planned_end: never}"}, "planned_end"),
        ({"channels": "[{column: x, tag: biomass, unit: g/L, quality: {}}]"}, "status `column`"),
        ({"phase": "{column: x, names: {no: off}}"}, "quotes"),
        ({"order": "file", "time_passed_minutes": "5"}, "order: time"),
    ],
)
def test_faults_are_named(parts: dict[str, str], said: str) -> None:
    with pytest.raises(MappingError, match=said) as error:
        read_mapping(small_map(**parts), "my.map.yaml")
    assert "my.map.yaml" in str(error.value)


NO_MAPPINGS: list[str | bytes] = [
    "",
    "- 1",
    "{",
    "a: !!python/object/apply:os.system ['true']",
    "\x00",
    "a: &a [*a, *a]",
    "[" * 5000,
    b"\xff\xfe\xff",
]


@pytest.mark.parametrize("text", NO_MAPPINGS)
def test_text_that_is_no_mapping_is_an_error(text: str | bytes) -> None:
    with pytest.raises(MappingError):
        read_mapping(text, "m")


def test_file_that_is_not_there_or_too_big_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="--map"):
        load_mapping(tmp_path / "no.yaml")
    with pytest.raises(MappingError, match="at most"):
        read_mapping("#" * 300_000, "m")
