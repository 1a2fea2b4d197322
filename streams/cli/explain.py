"""`explain`: how one effect came to be, folded again and compared bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import psycopg
import typer

from connectors.jsonl import open_bytes
from schemas.errors import LedgerError, UsageError
from streams.cli.output import output
from streams.cli.say import complain, say
from streams.database import database
from streams.ledger.connect import connect
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.explain import Explanation, Place


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    effect_id: Annotated[str, typer.Argument(metavar="ID", help="The effect's id: topic/partition/offset/n.")],
    events: Annotated[
        Path | None, typer.Option(help="File of events to fold instead of the ledger's log; needs --kind.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Twin kind of the file.")] = None,
    effects: Annotated[
        Path | None, typer.Option(help="With --events: file of effects, as `fold` wrote it, to compare with.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A configuration that the ledger does not keep, if any.")] = None,
    job: Annotated[bool, typer.Option("--job/--no-job", help="Repeat the re-simulation it rests on, if any.")] = True,
    out: Annotated[Path | None, typer.Option(help="Where the JSON goes; standard output without it.")] = None,
) -> None:
    """Show an effect with its record, fold it again by the code that runs live, and compare bit for bit; exit 1 if it
    differs."""
    from streams.explain import place_of  # numpy and scipy load only where they are needed

    place = place_of(effect_id)
    if events is not None:
        if kind is None or kind != place.kind:
            raise UsageError(f"expected --kind {place.kind} beside --events, received {kind}")
        about = _from_file(events, effects, place, config)
    elif effects is not None or kind not in (None, place.kind):
        raise UsageError("expected --events beside --effects, and no --kind but the id's own")
    else:
        about = _from_ledger(place, config, job)
    with output(out) as sink:
        sink.write(msgspec.json.format(msgspec.json.encode(about.document(), order="sorted"), indent=2) + b"\n")
    if about.difference:
        complain(about.difference[:500])
        raise typer.Exit(1)
    say(f"identical: {about.records} records folded again from offset {about.folded_from} ({about.beginning})")


def _from_file(events: Path, effects: Path | None, place: Place, config: Path | None) -> Explanation:
    from streams.explain import explain_file
    from streams.models import load_model

    stored = None if effects is None else _stored(effects, place)
    with open_bytes(events) as lines:
        return explain_file(load_model(place.kind, config), lines, place, stored)


def _stored(effects: Path, place: Place) -> bytes:
    """Find an effect's line in what `fold` or `export` wrote."""
    name = f"{place.topic}/{place.partition}/{place.offset}/{place.n}"
    wanted = f'"id":"{name}"'.encode()
    with open_bytes(effects) as lines:
        for line in lines:
            if wanted in line and msgspec.json.decode(line)["id"] == name:
                return line.rstrip(b"\r\n")
    raise UsageError(f"expected a file that has the effect, {effects} has none of that id")


def _from_ledger(place: Place, config: Path | None, repeat_job: bool) -> Explanation:
    from streams.explain import explain as explain_live
    from streams.models import load_model
    from streams.transports.access import open_reader  # Kafka's client loads only here

    settings = Settings()
    model = load_model(place.kind, config or settings.config_of(place.kind))
    with database(settings) as uri:
        reader = open_reader(settings.broker, uri, {place.topic}, "twinstream-explain")
        try:
            with connect(uri, autocommit=True, name="twinstream-explain") as connection:
                first = reader.beginnings(place.topic).get(place.partition, 0)
                about = explain_live(connection, model, place, reader.read, first)
        except psycopg.errors.UndefinedTable:
            raise LedgerError("expected a ledger, found an empty database; run a worker first") from None
        finally:
            reader.close()
        data = about.effect["data"]
        if repeat_job and isinstance(rests_on := data.get("job") or data.get("correction"), str):
            _repeat(uri, rests_on, about)
    return about


def _repeat(uri: str, job: str, about: Explanation) -> None:
    from streams.jobs.repeat import repeat  # the pool loads only here

    about.job = repeat(uri, job)
    if about.job["identical"] is False:
        about.difference = about.difference or f"job {job}, run again, has another answer; {about.job['note']}"
