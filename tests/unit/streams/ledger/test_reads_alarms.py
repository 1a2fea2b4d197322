"""Alerts of the ledger as alarm records: what was shown, what was suppressed, what stands from before."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from schemas.instants import DAY, SECOND
from streams.engine.partition import PartitionFold
from streams.ledger import claims, reads_alarms
from streams.ledger.commit import Committer
from streams.ledger.connect import connect
from streams.ledger.reads import AsOf, LedgerReads
from streams.ledger.reads_alarms import Positions, read_alarms
from streams.ledger.reads_alerts import read_alerts_of
from streams.outputs import EmbeddedOutputs
from tests.support.engines import TOPIC, prepared, rows_of
from tests.support.records import record
from tests.unit.twins.bioreactor.script import BEGIN, Script
from twins.alarming import AlarmRecord, assess, period_of
from twins.bioreactor import BioreactorModel

pytestmark = pytest.mark.postgres
STIRRER, OXYGEN = "stirrer_speed.low.measured", "dissolved_oxygen.low.measured"
CONFIG: dict[str, Any] = {
    "limits": [
        {"tag": "dissolved_oxygen", "low": 20.0, "unit": "%"},
        {"tag": "stirrer_speed", "low": 100.0, "unit": "1"},
    ],
    "consequences": [{"cause": STIRRER, "effect": OXYGEN, "hold_minutes": 10}],
}


@pytest.fixture(scope="module")
def uri(postgres_server: Any) -> str:
    """A ledger in which a stirrer was lost twice: once oxygen came back with it, once it did not."""
    uri = prepared(str(postgres_server.database()))
    script = Script()
    script.start()
    for hours in (0, 1):
        script.read(hours * 3600 + 10, stirrer_speed=0.0, dissolved_oxygen=60.0)
        script.read(hours * 3600 + 30, stirrer_speed=0.0, dissolved_oxygen=10.0)
        script.read(hours * 3600 + 60, stirrer_speed=300.0, dissolved_oxygen=10.0 if hours else 50.0)
    script.read(3600 + 700, temperature=37.0)
    with connect(uri, name="first") as connection:
        (claim,) = claims.claim(connection, [(TOPIC, 0)], "first")
        connection.commit()
        fold = PartitionFold(BioreactorModel.from_config(CONFIG), TOPIC, 0, lambda wanted, before: {})
        fold.resume(claim)
        folded = fold.fold([record(event, place) for place, event in enumerate(script.events)])
        assert folded is not None
        Committer(EmbeddedOutputs(uri)).commit(connection, [folded])
    return uri


def alarms(
    uri: str, start: float, end: float, kind: str | None = None, positions: Positions = "all"
) -> list[AlarmRecord]:
    """Read the alarms of a period in seconds since BEGIN."""

    async def read() -> list[AlarmRecord]:
        reads = LedgerReads(uri, connections=1)
        await reads.open()
        try:
            async with reads.connection() as connection:
                span = (BEGIN + round(start * SECOND), BEGIN + round(end * SECOND))
                return await read_alarms(connection, kind, *span, positions)
        finally:
            await reads.close()

    found = asyncio.run(read())
    return sorted(found, key=lambda one: (one.raised_at, one.rule))


def seconds(one: AlarmRecord) -> tuple[str, float, float | None, bool]:
    cleared = None if one.cleared_at is None else (one.cleared_at - BEGIN) / SECOND
    return one.rule, (one.raised_at - BEGIN) / SECOND, cleared, one.suppressed


def test_what_was_suppressed_is_told_apart_and_a_release_counts_from_when_it_was_shown(uri: str) -> None:
    found = alarms(uri, 0, 7200)
    assert list(map(seconds, found)) == [
        (STIRRER, 10.0, 60.0, False),
        (OXYGEN, 30.0, 60.0, True),
        (STIRRER, 3610.0, 3660.0, False),
        (OXYGEN, 4300.0, None, False),
    ]
    [report] = assess(found, period_of(BEGIN, BEGIN + 7200 * SECOND))
    assert (report.alarms, report.suppressed) == (3, 1)
    assert len(report.standing) == 1
    assert {one.operator for one in alarms(uri, 0, 7200, positions="unit")} == {"BR-1"}
    assert alarms(uri, 0, 7200, kind="enrollment") == []


def test_what_stands_from_before_the_period_is_there_and_what_cleared_is_not(uri: str) -> None:
    assert list(map(seconds, alarms(uri, 5000, 6000))) == [(OXYGEN, 4300.0, None, False)]
    far = 60 * DAY / SECOND  # raised before what is looked back for
    assert list(map(seconds, alarms(uri, far, far + 100))) == [(OXYGEN, 4300.0, None, False)]
    assert seconds(alarms(uri, 50, 55)[0]) == (STIRRER, 10.0, None, False)


def test_a_raise_from_before_what_is_looked_back_for_is_found_by_its_clear(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads_alarms, "BACK", 20 * SECOND)
    assert list(map(seconds, alarms(uri, 40, 100))) == [(STIRRER, 10.0, 60.0, False), (OXYGEN, 30.0, 60.0, True)]


def test_a_suppressed_alert_never_stands_open_and_a_released_one_does(uri: str) -> None:
    open_now = rows_of(uri, "select rule, raised_at, last #>> '{data,action}' from open_alert")
    assert [(rule, action) for rule, _, action in open_now] == [(OXYGEN, "raise")]

    async def read() -> list[dict[str, Any]] | None:
        connection: psycopg.AsyncConnection[dict[str, Any]] = await psycopg.AsyncConnection.connect(
            uri, row_factory=psycopg.rows.dict_row
        )
        async with connection:
            return await read_alerts_of(connection, "bioreactor", "BR-1", AsOf())

    found = asyncio.run(read())
    assert found is not None
    oxygen = [
        (one["open"], one["suppressed"], len(one["messages"])) for one in found if one["last"]["data"]["rule"] == OXYGEN
    ]
    assert sorted(oxygen) == [(False, True, 2), (True, False, 2)]
