"""`change`: another configuration while runs go on, asked for by one person and approved by another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg
import typer

from schemas.errors import LedgerError, UsageError
from schemas.topics import input_topic
from streams import changing
from streams.cli.say import say
from streams.database import database
from streams.ledger import changes
from streams.ledger.connect import connect
from streams.settings import Settings

KindOption = Annotated[str, typer.Option(help="Twin kind.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    change = typer.Typer(help="Change control: another configuration while runs go on.", no_args_is_help=True)
    for command in (request, approve, list_, show):
        change.command(command.__name__.rstrip("_"))(command)
    app.add_typer(change, name="change")


def request(
    config: Annotated[Path, typer.Option(help="JSON file: the new configuration, whole.")],
    author: Annotated[str, typer.Option(help="Who asks for it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    before: Annotated[
        str | None, typer.Option(help="The model it is to follow on; the present one without it.")
    ] = None,
    kind: KindOption = "bioreactor",
) -> None:
    """Ask for a change of configuration; print its number and what would be different."""
    from streams.models import load_model
    from twins.block import Adopts

    model = load_model(kind, config)
    if not isinstance(model.empty(), Adopts):  # its record would stop every worker that comes to it
        raise UsageError(f"expected a kind whose twins can go on with another configuration, {kind} cannot")
    with _ledger() as connection:
        old = before or _present(connection, kind)
        changing.keep(connection, model)
        kept, new = changes.read_configuration(connection, old), changes.read_configuration(connection, model.name)
        if kept is None or new is None:
            raise UsageError(
                f"expected a configuration that the ledger keeps, found none of {old}; start a worker once"
            )
        no = changes.request(
            connection, kind=kind, before=old, after=model.name, author=author.strip(), reason=reason.strip()
        )
        connection.commit()
    typer.echo(f"change {no}: {old} -> {model.name}, to be approved by another person than {author.strip()}")
    for line in changing.differences(kept, new):
        typer.echo(f"  {line}")


def approve(
    number: Annotated[int, typer.Argument(min=1, help="The change.")],
    approver: Annotated[str, typer.Option(help="Who approves it: another person than its author.")],
    reason: Annotated[str, typer.Option(help="Why, or what was looked at.")] = "",
) -> None:
    """Approve a change; each worker started with the new configuration then makes it."""
    with _ledger() as connection:
        seal = changes.approve(connection, number, approver=approver.strip(), reason=reason.strip())
        connection.commit()
    typer.echo(f"change {number} approved by {approver.strip()}, seal {seal[:16]}")


def list_() -> None:
    """List all changes: asked for, approved, made by how many partitions."""
    with _ledger() as connection:
        found = changes.list_changes(connection)
        for one in found:
            approved = f"approved by {one.approver} {one.approved_at}" if one.approver else "not approved"
            typer.echo(
                f"change {one.no}: {one.before} -> {one.after}; asked for by {one.author} {one.requested_at}"
                f" ({one.reason}); {approved}; made by {one.made} partitions"
            )
            kept, new = (changes.read_configuration(connection, name) for name in (one.before, one.after))
            for line in changing.differences(kept or {}, new or {}):
                typer.echo(f"  {line}")
    say(f"{len(found)} changes")


def show(model: Annotated[str, typer.Argument(help="A model's name, as effects carry it.")]) -> None:
    """Print the configuration of a model, as the ledger keeps it."""
    with _ledger() as connection:
        document = changes.read_configuration(connection, model)
    if document is None:
        raise UsageError(f"expected the name of a model whose configuration the ledger keeps, received {model!r:.140}")
    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def _present(connection: psycopg.Connection[Any], kind: str) -> str:
    found = changes.present_models(connection, input_topic(kind).name)
    if len(found) != 1:
        raise UsageError(
            f"expected one model for all partitions, found {', '.join(found) or 'none'}; say which with --before"
        )
    return found[0]


@contextmanager
def _ledger() -> Iterator[psycopg.Connection[Any]]:
    try:
        with database(Settings()) as uri, connect(uri, name="twinstream-change") as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise LedgerError("expected a ledger, found an empty or older database; run a worker first") from None
