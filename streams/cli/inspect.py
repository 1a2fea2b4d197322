"""Commands that look: `verify`, `export`, `doctor`, `key`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from schemas.errors import LedgerError, UsageError
from schemas.topics import input_topic
from streams.api.keys import new_key
from streams.cli.say import complain, say
from streams.database import database
from streams.doctor import examine
from streams.ledger import audit
from streams.ledger.audits import effect_lines, folded_topics
from streams.ledger.connect import connect
from streams.settings import Settings
from twins.frame import RawRecord


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verify)
    app.command()(export)
    app.command()(doctor)
    app.command()(key)


def verify(
    config: Annotated[Path | None, typer.Option(help="A configuration that the ledger does not keep, if any.")] = None,
    frame_records: Annotated[
        int, typer.Option(min=1, help="Records in a frame of the refold; any must give the same.")
    ] = 1777,
    kind: Annotated[
        str | None, typer.Option(help="Only this twin kind; without it all of which facts were folded.")
    ] = None,
) -> None:
    """Refold the log from the oldest anchor, compare with the live state bit for bit; exit 1 if they differ."""
    settings = Settings()
    with database(settings) as uri:
        identical = asyncio.run(_verify(settings, uri, kind, config, frame_records))
    raise typer.Exit(0 if identical else 1)


async def _verify(settings: Settings, uri: str, kind: str | None, config: Path | None, frame_records: int) -> bool:
    from streams.appending import async_reader
    from streams.models import load_model
    from streams.verify import verify as verify_topic

    chosen = _kinds_to_verify(uri, kind)
    if config is not None and len(chosen) > 1:
        raise UsageError(f"expected --kind beside --config, received none, for {' and '.join(chosen)}")
    models = {input_topic(one).name: load_model(one, config or settings.config_of(one)) for one in chosen}
    loop = asyncio.get_running_loop()
    identical = True
    async with async_reader(settings.broker, uri) as reader:
        beginnings = {topic: await reader.beginnings(topic) for topic in models}

        def read(topic: str, partition: int, offset: int, limit: int) -> Sequence[RawRecord]:
            return asyncio.run_coroutine_threadsafe(reader.read(topic, partition, offset, limit), loop).result(60)

        def run() -> bool:
            good = True
            # each read is a transaction of its own: a fold may take longer than one may stay open
            with connect(uri, autocommit=True, name="twinstream-verify") as connection:
                for verdict in chain.from_iterable(
                    verify_topic(
                        connection,
                        model,
                        topic,
                        read,
                        lambda topic, partition: beginnings[topic].get(partition, 0),
                        frame_records,
                        gapless=settings.broker is None,
                    )
                    for topic, model in models.items()
                ):
                    where = f"{verdict.topic}/{verdict.partition} offsets {verdict.from_offset} to {verdict.to_offset}"
                    for note in verdict.notes:
                        say(f"{where}: {note}")
                    if verdict.difference:
                        good = False
                        complain(f"{where}: DIFFERENT: {verdict.difference}")
                    else:
                        state = "state and effects" if verdict.state_compared else "effects (no checkpoint yet)"
                        typer.echo(f"{where}: identical, {state}; {verdict.records} records, {verdict.effects} effects")
                fault = audit.check(connection)
                if fault is not None:
                    good = False
                    complain(f"audit trail, row {fault.seq}: {fault.problem}")
            return good

        identical = await asyncio.to_thread(run)
    typer.echo("identical" if identical else "DIFFERENT")
    return identical


def _kinds_to_verify(uri: str, kind: str | None) -> list[str]:
    """Give the kind asked for, or all of which records were folded; bioreactors where none were."""
    from streams.models import families

    if kind is not None:
        return families([kind])
    try:
        with connect(uri, autocommit=True, name="twinstream-verify") as connection:
            folded = [topic.partition(".")[0] for topic in folded_topics(connection)]
    except psycopg.errors.UndefinedTable:
        raise LedgerError("expected a ledger, found an empty database; run a worker first") from None
    return families(folded or ["bioreactor"])


def export(
    kind: Annotated[str, typer.Argument(help="Twin kind.")] = "bioreactor",
    out: Annotated[Path | None, typer.Option(help="Where the lines go; standard output without it.")] = None,
) -> None:
    """Write every effect of the live run, one JSON line each, in the order in which `fold` writes them."""
    settings = Settings()
    with database(settings) as uri, connect(uri, name="twinstream-export") as connection:
        sink = out.open("wb") if out else sys.stdout.buffer
        try:
            for line in effect_lines(connection, input_topic(kind).name):
                sink.write(line + b"\n")
        except psycopg.errors.UndefinedTable:
            raise LedgerError("expected a ledger, found an empty database; run a worker first") from None
        finally:
            sink.flush()
            if out:
                sink.close()


def doctor() -> None:
    """Check each dependency, the broker, the database and the clock; say what to do."""
    settings = Settings()
    good = True
    for finding in examine(settings):
        mark = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}[finding.state]
        typer.echo(f"{mark} {finding.what}: {finding.detail}" + (f"  -> {finding.advice}" if finding.advice else ""))
        good = good and finding.state != "bad"
    raise typer.Exit(0 if good else 1)


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    file: Annotated[Path, typer.Option(help="The file of hashed keys, TWINSTREAM_API_KEYS_FILE of the API.")],
) -> None:
    """Make an API key: print it once, keep its hash in the file."""
    text, stored = new_key(name)
    with file.open("a", encoding="utf-8") as keys:
        keys.write(stored.line() + "\n")
    file.chmod(0o600)
    typer.echo(text)
