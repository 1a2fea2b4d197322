"""The command that runs one simulation in the foreground: `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UsageError
from streams.cli.output import output
from streams.cli.say import say

KINDS = ("bioreactor",)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    kind: Annotated[str, typer.Argument(help="What is simulated, such as bioreactor.")],
    spec: Annotated[Path, typer.Option(help="JSON file: model, parameters, seed, draws, horizon, inputs.")],
    out: Annotated[Path | None, typer.Option(help="Where the result goes; standard output without it.")] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file with a parameter set; what the specification says itself wins.")
    ] = None,
) -> None:
    """Run one simulation and write its result as JSON. docs/models.md describes the specification."""
    if kind not in KINDS:
        raise UsageError(f"expected a kind among {', '.join(KINDS)}, received {kind!r}")
    from streams.process_models import process_models, read_parameters, read_specification
    from twins.bioreactor.simulate import simulate as simulate_bioreactor  # scipy loads only where it is needed

    models = process_models()
    asked = read_specification(spec)
    if parameters is not None:
        given = read_parameters(parameters, models, asked.model)
        asked = msgspec.structs.replace(asked, parameters={**given, **asked.parameters})
    result = simulate_bioreactor(asked, models)
    with output(out) as sink:
        sink.write(msgspec.json.encode(result, order="sorted") + b"\n")
    say(f"{result['model']}: {len(result['times_hours'])} times, {asked.draws} draw{'s' * (asked.draws > 1)}")
