"""`report run`: the report of one run for quality assurance, from the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from schemas.errors import LedgerError
from schemas.instants import Instant, parse_instant
from streams.cli.output import output
from streams.cli.say import say
from streams.database import database
from streams.ledger.program import PROGRAM
from streams.ledger.reads import LedgerReads
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.run_report import Choice, RunReport
    from twins.bioreactor.config import BioreactorConfig

LONGEST_SECONDS = 300  # of one statement; nobody else waits for this one


def register(app: typer.Typer) -> None:
    """Add the commands."""
    report = typer.Typer(help="Reports for people who must be able to trust every number.", no_args_is_help=True)
    report.callback()(lambda: None)  # keeps `run` a name of its own while it is the only one
    report.command("run")(run)
    app.add_typer(report, name="report")


def run(
    unit: Annotated[str, typer.Option(help="The unit.")],
    out: Annotated[Path, typer.Option(help="Where the report goes: a name ending in .json for JSON, else HTML.")],
    batch: Annotated[str | None, typer.Option(help="The batch; the newest one without it.")] = None,
    start: Annotated[
        str | None, typer.Option(help="With --end, without --batch: a period of the unit's life, from this event time.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Event time at which the period ends.")] = None,
    known_at: Annotated[
        str | None,
        typer.Option(help="As known at this time, RFC 3339; when the newest of the run was known without it."),
    ] = None,
    zone_minutes: Annotated[
        int, typer.Option(min=-840, max=840, help="A zone to write beside UTC, in minutes from it.")
    ] = 0,
    kind: Annotated[str, typer.Option(help="Twin kind.")] = "bioreactor",
    config: Annotated[
        Path | None, typer.Option(help="The configuration the run was computed with, for the model card.")
    ] = None,
) -> None:
    """Write the report of a run: HTML that prints well, or JSON."""
    # what models are made of (scipy) loads only for this command
    from streams.run_report import Choice, report_id, write_html, write_json
    from streams.run_report.configuration import configuration

    settings = Settings()
    choice = Choice(
        unit, kind, batch, _instant(start, "--start"), _instant(end, "--end"), _instant(known_at, "--known-at")
    )
    used = configuration(config or settings.bioreactor_config)
    with database(settings) as uri:
        report = asyncio.run(_make(uri, choice, used))
    with output(out) as sink:
        sink.write(write_json(report) if out.suffix.lower() == ".json" else write_html(report, zone_minutes))
    say(f"report {report_id(report)}, known at {report.origin.known_at}: {out}")


def _instant(text: str | None, where: str) -> Instant | None:
    return None if text is None else parse_instant(text, where)


async def _make(uri: str, choice: Choice, config: BioreactorConfig) -> RunReport:
    from streams.run_report import make_report

    reads = LedgerReads(uri, connections=1)
    await reads.open()
    try:
        async with reads.connection() as connection:
            await connection.execute(f"set statement_timeout = '{LONGEST_SECONDS}s'")
            return await make_report(connection, choice, config, PROGRAM)
    except psycopg.errors.UndefinedTable:
        raise LedgerError("expected a ledger, found an empty database; run a worker first") from None
    finally:
        await reads.close()
