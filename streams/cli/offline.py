"""Commands that need neither broker nor database: `fold` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from connectors.jsonl import open_bytes
from schemas import catalog
from schemas.errors import UsageError
from streams.cli.output import output
from streams.cli.say import say


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(fold)
    app.command()(schema)


def fold(
    kind: Annotated[str, typer.Argument(help="Twin kind, such as bioreactor.")],
    events: Annotated[Path, typer.Option(help="File of events, one CloudEvents JSON object a line (.gz too).")],
    config: Annotated[Path | None, typer.Option(help="JSON file: model, parameters, limits.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the effects go; standard output without it.")] = None,
    frame_records: Annotated[
        int, typer.Option(min=1, help="Records in a frame. The result is the same with any.")
    ] = 4000,
) -> None:
    """Fold a file of events with the code that runs live; write one JSON line per effect."""
    from streams.fold import fold_lines  # scipy and numpy load only where they are needed
    from streams.models import load_model

    model = load_model(kind, config)
    count = rejects = 0
    with open_bytes(events) as lines, output(out) as sink:
        for line in fold_lines(model, lines, frame_records):
            sink.write(line + b"\n")
            count += 1
            rejects += b'"kind":"reject"' in line
    say(f"{count} effects, {rejects} of them rejects")


def schema(
    name: Annotated[
        str | None, typer.Argument(help="An event or message type, or `units`; without it all are listed.")
    ] = None,
) -> None:
    """Print the JSON Schema of an event or message, or the list of them."""
    names = [*catalog.CATALOG, "units"]
    if name is None:
        for known in names:
            typer.echo(known)
        return
    if name not in names:
        raise UsageError(f"expected a type that `twinstream schema` lists, received {name!r}")
    typer.echo(msgspec.json.format(msgspec.json.encode(catalog.json_schema(name)), indent=2).decode())
