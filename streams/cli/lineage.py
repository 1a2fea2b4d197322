"""The command that keeps the lineage: `lineage`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.database import database
from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lineage)


def lineage(topic: Annotated[str, typer.Option(help="Whose events to follow.")] = "supply.events") -> None:
    """Keep the graph of what came from what: one role for its own process, beside the workers."""
    from streams.lineage.serve import run_follower  # numpy and the log's readers load only where they are needed

    settings = Settings()
    with database(settings) as uri:
        code = run_follower(settings, uri, topic)
    raise typer.Exit(code)
