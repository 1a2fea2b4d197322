"""What is learned stands in the ledger beside the qualified lane, and never in its place; `verify` leaves it out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from streams.ledger.connect import connect
from streams.ledger.reads import AsOf
from streams.ledger.reads_history import read_forecasts
from streams.verify import verify
from tests.support.engines import TOPIC, Bench, prepared, rows_of
from tests.unit.twins.bioreactor.test_learning import LEARNING, culture, model
from twins.checks import PlainRecord

pytestmark = pytest.mark.postgres

RECORDS = culture(2.5, units=1)


@pytest.fixture(scope="module")
def uri(postgres_server: Any) -> Iterator[str]:
    uri = prepared(postgres_server.database())
    bench = Bench(uri, model({}, **LEARNING), checkpoint_seconds=0.0)
    bench.feed({0: RECORDS}, seed=1, sizes=(5, 9))
    bench.stop()
    assert bench.codes == []
    yield uri
    postgres_server.drop(uri)


def read_log(topic: str, partition: int, offset: int, limit: int) -> Sequence[PlainRecord]:
    return RECORDS[offset : offset + limit]


def test_it_is_kept_beside_and_read_nowhere_in_place_of_the_twin_s_own(uri: str) -> None:
    lanes = dict(rows_of(uri, "select lane, count(*) from effect where kind = 'forecast' group by lane"))
    assert lanes["advisory"] == lanes["qualified"] > 20
    [(newest,)] = rows_of(uri, "select forecast from twin")
    assert "learning" not in newest
    assert set(newest["units"]) == {"biomass", "growth_rate", "volume"}

    async def read() -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(uri, row_factory=psycopg.rows.dict_row) as connection:
            [(no,)] = rows_of(uri, "select no from twin")
            return await read_forecasts(connection, no, AsOf(None, None), 100)

    found = asyncio.run(read())
    assert {one["lane"] for one in found} == {"qualified"}
    assert len(found) == lanes["qualified"]


@pytest.mark.parametrize("other", [LEARNING, {}, {"learning": LEARNING["learning"] | {"seed": 2}}])
def test_a_run_with_it_is_verified_with_it_without_it_and_with_other_settings(uri: str, other: dict[str, Any]) -> None:
    with connect(uri, autocommit=True, name="verify") as connection:
        [verdict] = verify(connection, model({}, **other), TOPIC, read_log, lambda *_: 0, 7)
    assert verdict.difference == ""
    assert verdict.state_compared
    assert verdict.effects > 20
    assert [note for note in verdict.notes if "learned" in note] == (
        [] if other == LEARNING else [f"what the advisory lane has learned by offset {verdict.to_offset} differs"]
    )
