"""`alarms kpis`: how well the alarms serve their operators, from the ledger's alerts."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from schemas.errors import UsageError
from schemas.instants import DAY, parse_instant
from streams.alarm_report import report_document, report_lines
from streams.database import database
from streams.ledger.reads import LedgerReads
from streams.ledger.reads_alarms import read_alarms
from streams.settings import Settings
from twins.alarming import AlarmRecord, assess, period_of


class Positions(StrEnum):
    """Who looks after what."""

    all = "all"
    unit = "unit"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    alarms = typer.Typer(help="The alarm system as a whole.", no_args_is_help=True)
    alarms.callback()(lambda: None)  # keeps `kpis` a name of its own while it is the only one
    alarms.command("kpis")(kpis)
    app.add_typer(alarms, name="alarms")


def kpis(
    start: Annotated[
        str | None, typer.Option(help="First event time of the period, RFC 3339; 30 days before its end without it.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Event time at which the period ends; now without it.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only twins of this kind.")] = None,
    operators: Annotated[
        Positions, typer.Option(help="One operator position for all units, or one for each.")
    ] = Positions.all,
    zone_minutes: Annotated[int, typer.Option(min=-840, max=840, help="Where days begin, in minutes from UTC.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document instead of lines.")] = False,
) -> None:
    """Print the ISA-18.2 and EEMUA 191 figures of a period."""
    until = time.time_ns() // 1000 if end is None else parse_instant(end, "--end")
    since = until - 30 * DAY if start is None else parse_instant(start, "--start")
    if not since < until:
        raise UsageError(f"expected a period that ends after its start, received {start} to {end}")
    with database(Settings()) as uri:
        records = asyncio.run(_read(uri, kind, since, until, operators))
    period = period_of(since, until, zone_minutes)
    document = report_document(period, assess(records, period), records)
    typer.echo(msgspec.json.encode(document).decode() if as_json else "\n".join(report_lines(document)))


async def _read(uri: str, kind: str | None, start: int, end: int, operators: Positions) -> list[AlarmRecord]:
    reads = LedgerReads(uri, connections=1)
    await reads.open()
    try:
        async with reads.connection() as connection:
            return await read_alarms(connection, kind, start, end, operators.value)
    finally:
        await reads.close()
