"""Tables of the supply chain as facts: what a row becomes, what is refused and why, what a second reading repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.file import open_file
from connectors.http import Answer, HttpSource
from connectors.outgoing import BadLine
from connectors.supply_rows import SupplyTable, answer_reader, load_supply_mapping
from schemas import supply as s
from schemas.errors import InvalidFieldError, MappingError
from schemas.events import Event, read_structured
from schemas.instants import parse_instant

TABLES = Path(__file__).parents[3] / "examples/supply/tables"
READ_AT = parse_instant("2026-05-17T08:00:00Z")


def entries(name: str, table: str) -> list[Event | BadLine]:
    source = SupplyTable(TABLES / table, load_supply_mapping(TABLES / f"{name}.map.yaml"), READ_AT)
    return [entry for item in source.items() for entry in item.entries]


def test_a_loggers_rows_are_one_fact_a_box() -> None:
    found = entries("logger", "logger.csv")
    (refused,) = [one for one in found if isinstance(one, BadLine)]
    seven, eleven = sorted((one for one in found if isinstance(one, Event)), key=lambda one: one.subject)
    assert (seven.subject, seven.type) == ("shipper:BX-07", "supply.shipper_logged")
    assert seven.data == s.ShipperLogged(
        logger="TT-881", seconds=(0.0, 600.0, 1800.0), celsius=(-190.4, -190.1, -189.8)
    )
    assert eleven.data.celsius == (-191.0,)
    assert seven.record_time == READ_AT
    with pytest.raises(InvalidFieldError, match=r"row 7.*Temperature"):
        read_structured(refused.raw)
    assert refused.subject == "shipper:BX-11"


def test_a_couriers_words_become_ours_and_one_row_may_say_two_things() -> None:
    found = entries("courier", "courier.jsonl")
    told = [one for one in found if isinstance(one, Event)]
    assert [(one.subject, one.type) for one in told] == [
        ("patient:COI-7", "supply.milestone"),
        ("patient:COI-7", "supply.milestone"),
        ("shipper:BX-07", "supply.transit_expected"),
    ]
    assert [one.data.status for one in told[:2]] == ["picked_up", "delayed"]
    assert told[1].data.expected == "2026-05-16T14:00:00Z"
    (refused,) = [one for one in found if isinstance(one, BadLine)]
    with pytest.raises(InvalidFieldError, match=r"row 3.*LOST\?"):
        read_structured(refused.raw)


def test_a_file_read_twice_tells_the_same_facts_and_goes_on_where_it_was() -> None:
    source = SupplyTable(TABLES / "courier.jsonl", load_supply_mapping(TABLES / "courier.map.yaml"), READ_AT)
    first, second = (list(source.items()) for _ in range(2))
    assert first == second
    assert list(source.items(after=first[1].position)) == first[2:]


def test_an_address_that_says_rows_is_polled_like_any_other() -> None:
    lines = (TABLES / "courier.jsonl").read_bytes().splitlines()
    answers = [b"[" + b",".join(lines[:2]) + b"]", b"\n".join(lines)]

    def fetch(url: str, headers: Mapping[str, str]) -> Answer:
        return Answer(200, answers.pop(0), "", "", None)

    read = answer_reader(load_supply_mapping(TABLES / "courier.map.yaml"))
    source = HttpSource("http://127.0.0.1/x", read=read, fetch=fetch, stop=lambda: not answers, wait=lambda _: None)
    first, second = source.items()
    assert [entry.type for entry in first.entries if isinstance(entry, Event)] == [
        "supply.milestone", "supply.milestone", "supply.transit_expected",
    ]  # fmt: skip
    assert len(second.entries) == 1  # the row that cannot be used; the others were told before
    with pytest.raises(MappingError, match="json_lines"):
        answer_reader(load_supply_mapping(TABLES / "logger.map.yaml"))


def test_ingest_file_knows_it_by_its_mapping() -> None:
    assert isinstance(open_file(TABLES / "logger.csv", TABLES / "logger.map.yaml"), SupplyTable)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "supply.nothing"}, "lists under supply"),
        ({"subject": "shipper:{Nobody}"}, "header.columns"),
        ({"readings": None}, "readings"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    fact = {
        "type": "supply.shipper_logged",
        "subject": "shipper:{Shipper}",
        "time": "{At}",
        "readings": {"column": "T", "logger": "L"},
        **change,
    }
    mapping = {
        "twinstream_map": 1,
        "family": "supply",
        "name": "x",
        "source": "y",
        "header": {"columns": ["Shipper", "At", "T"]},
        "facts": [fact],
    }
    path = tmp_path / "map.yaml"
    path.write_text(json.dumps(mapping))
    with pytest.raises(MappingError, match=reason):
        load_supply_mapping(path)
