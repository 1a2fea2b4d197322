"""Ledgers with whole runs in them, folded and committed by the code that runs live; each record is known at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.jsonl import outgoing
from schemas.events import Event, write_headers, write_value
from schemas.instants import Instant, parse_instant
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.engine.partition import PartitionFold
from streams.ledger import claims
from streams.ledger.commit import Committer
from streams.ledger.connect import connect
from streams.ledger.memory import load_past
from streams.ledger.reads import LedgerReads
from streams.outputs import EmbeddedOutputs
from streams.run_report import Choice, RunReport, make_report
from tests.support.engines import TOPIC, prepared
from tests.support.records import Record
from twins.bioreactor import BioreactorModel
from twins.bioreactor.config import read_config

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "bioreactor"
WRITER = "twinstream test"


def records_of_file(name: str) -> list[Record]:
    """Read an example; each record is known when it says it was recorded."""
    records: list[Record] = []
    for line in (EXAMPLES / name).read_bytes().splitlines():
        said = msgspec.json.decode(line)
        known = parse_instant(said.get("recordtime", said["time"])) // 1000
        for one in outgoing([line], family="bioreactor", partitions=PARTITIONS):
            records.append(Record(len(records), known, one.key, one.value, one.headers))
    return records


def records_of(events: Sequence[Event]) -> list[Record]:
    """Make records of events; each is known at its record time."""
    return [
        Record(
            place, event.record_time // 1000, event.subject.encode() or None, write_value(event), write_headers(event)
        )
        for place, event in enumerate(events)
    ]


def fill(uri: str, records: Sequence[Record], config: dict[str, Any] | None = None, frame: int = 7) -> None:
    """Fold the records of one unit and commit them, with one checkpoint at the end."""
    key = next(one.key for one in records if one.key)
    partition = partition_of(key, PARTITIONS)
    with connect(uri, name="fill") as connection, connect(uri, name="past", autocommit=True) as past:
        (claim,) = claims.claim(connection, [(TOPIC, partition)], "fill")
        connection.commit()
        model = BioreactorModel.from_config(config or {})
        fold = PartitionFold(
            model, TOPIC, partition, lambda wanted, before: load_past(past, "bioreactor", wanted, before)
        )
        fold.resume(claim)
        committer = Committer(EmbeddedOutputs(uri))
        for first in range(0, len(records), frame):
            folded = fold.fold(list(records[first : first + frame]))
            assert folded is not None
            if first + frame >= len(records):
                folded.checkpoint = fold.checkpoint()
            committer.commit(connection, [folded])
            connection.commit()


def ledger(server: Any, records: Sequence[Record], config: dict[str, Any] | None = None) -> str:
    """Make a database with a ledger and one unit's records in it."""
    uri = prepared(str(server.database()))
    fill(uri, records, config)
    return uri


def report(
    uri: str, unit: str, batch: str | None = None, *, known_at: str | None = None, config: dict[str, Any] | None = None,
    start: Instant | None = None, end: Instant | None = None,
) -> RunReport:  # fmt: skip
    """Make a report from a ledger."""

    async def make() -> RunReport:
        reads = LedgerReads(uri, connections=1)
        await reads.open()
        try:
            async with reads.connection() as connection:
                moment = None if known_at is None else parse_instant(known_at)
                choice = Choice(unit, "bioreactor", batch, start, end, moment)
                return await make_report(connection, choice, read_config(config or {}), WRITER)
        finally:
            await reads.close()

    return asyncio.run(make())
