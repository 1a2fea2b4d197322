"""Grafana's dashboards: each SQL panel runs on the real ledger and finds the rows that were put there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from streams.ledger.migrate import migrate
from streams.ledger.partitions import make_day

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARDS = {
    path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
}
PANELS = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in dashboard["panels"]]
TARGETS = [(f"{name}: {panel['title']}", target) for name, panel in PANELS for target in panel["targets"]]
SQL = [(title, target["rawSql"], target["format"]) for title, target in TARGETS if "rawSql" in target]
UNIT = "BR-1 o'clock"  # a name that must be quoted
GOOD, BAD = 0, 2  # twins/frame.py

# What each kind of row looks like in the ledger; shapes are those of schemas/effects.py.
BELIEF = {"mean": 1.5, "sd": 0.1, "low": 1.3, "high": 1.7, "unit": "g/L"}
ESTIMATE = {
    "batch": "B-1",
    "phase": "fed-batch",
    "hours": 12.3,
    "state": {"biomass": BELIEF, "growth_rate": {**BELIEF, "unit": "/h"}},
    "filter": {"nis": 1.1, "consistent": True},
}
ALERT = {"action": "raise", "alert": "a", "rule": "biomass.high.measured", "priority": "high", "message": "too much"}
REJECT = {"reason": "unit", "expected": "a unit", "received": "'x'", "where": "unit of ph", "advice": "correct it"}


@pytest.fixture(scope="module")
def ledger(postgres_server: Any) -> Iterator[psycopg.Connection[Any]]:  # Any: the fixture's class lives in conftest
    uri = postgres_server.database()
    with psycopg.connect(uri) as connection:
        migrate(connection)
        fill(connection)
        yield connection
    postgres_server.drop(uri)


def fill(connection: psycopg.Connection[Any]) -> None:
    """Put one row of each kind in."""
    now = datetime.now(UTC)
    make_day(connection, now.date())
    twin = one(
        connection,
        "insert into twin (kind, key, partition, event_time, known_at, estimate)"
        " values ('bioreactor', %s, 0, %s, %s, %s) returning no",
        (UNIT, now, now, json.dumps(ESTIMATE)),
    )
    channels = one(
        connection, "insert into channel_set (tags, units) values ('{ph,temperature}', '{[pH],Cel}') returning no", ()
    )
    connection.execute(
        "insert into reading values (%s, %s, %s, %s, %s, 0, 1, '{7.1,37.0}', %s)",
        (now, twin, channels, now, now, bytes([GOOD, BAD])),
    )
    for n, (kind, data) in enumerate({"estimate": ESTIMATE, "alert": ALERT, "reject": REJECT}.items()):
        line = json.dumps({"id": f"bioreactor.events/0/0/{n}", "kind": kind, "key": UNIT, "data": data}).encode()
        connection.execute(
            "insert into effect values (%s, %s, %s, 'qualified', 'bioreactor.events', 0, 0, %s, %s, %s, %s)",
            (now, twin, kind, n, now, now, line),
        )
    connection.execute(
        "insert into open_alert values ('a', %s, 'biomass.high.measured', 'high', %s, %s)",
        (twin, now, json.dumps(ALERT)),
    )
    connection.execute("insert into applied (topic, partition) values ('bioreactor.events', 0)")
    connection.execute("insert into trouble (topic, partition, next_offset, error) values ('t', 0, 7, '')")
    connection.execute("insert into skipped (topic, partition, rec_offset, error) values ('t', 0, 7, '')")


def one(connection: psycopg.Connection[Any], text: str, values: tuple[Any, ...]) -> int:
    row = connection.execute(text.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def as_grafana_sends_it(text: str) -> str:
    """Put in what Grafana puts in for its macros and our variable."""
    text = re.sub(
        r"\$__timeFilter\(([^)]+)\)", r"\1 between now() - interval '1 hour' and now() + interval '1 hour'", text
    )
    text = text.replace("${unit:sqlstring}", "'" + UNIT.replace("'", "''") + "'")
    assert "$" not in text, text
    return text


@pytest.mark.postgres
@pytest.mark.parametrize(("title", "text", "shape"), SQL, ids=[title for title, *_ in SQL])
def test_a_panel_finds_what_is_in_the_ledger(
    ledger: psycopg.Connection[Any], title: str, text: str, shape: str
) -> None:
    cursor = ledger.execute(as_grafana_sends_it(text).encode())
    rows = cursor.fetchall()
    assert rows, title
    columns = [column.name for column in cursor.description or []]
    assert len(set(columns)) == len(columns)
    if shape == "time_series":
        assert columns[0] == "time"
        assert isinstance(rows[0][0], datetime)
        numbers = rows[0][2:] if columns[1] == "metric" else rows[0][1:]
        assert numbers
        assert all(isinstance(value, float) for value in numbers)


@pytest.mark.postgres
def test_the_choice_of_units_lists_them(ledger: psycopg.Connection[Any]) -> None:
    for dashboard in DASHBOARDS.values():
        for variable in dashboard["templating"]["list"]:
            assert ledger.execute(variable["query"]).fetchall() == [(UNIT,)]


@pytest.mark.postgres
def test_a_channel_of_bad_quality_is_left_out(ledger: psycopg.Connection[Any]) -> None:
    text = next(text for title, text, _ in SQL if title.endswith("measured"))
    assert [row[1:] for row in ledger.execute(as_grafana_sends_it(text).encode())] == [("ph [[pH]]", 7.1)]


def test_every_panel_asks_a_provisioned_source_and_explains_itself() -> None:
    provisioned = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/twinstream.yml").read_text())[
        "datasources"
    ]
    sources = {source["uid"]: source["type"] for source in provisioned}
    for name, panel in PANELS:
        assert panel["description"].endswith("."), (name, panel["title"])
        for target in panel["targets"]:
            assert sources[target["datasource"]["uid"]] == target["datasource"]["type"]
            assert target["datasource"] == panel["datasource"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_their_own_ids_and_do_not_overlap(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
