"""The command that runs one simulation in the foreground: `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UsageError
from streams.cli.output import output
from streams.cli.say import say, shares
from twins.engine import Standing

ACCURATE = "bioreactor"  # the integrator itself, not the pool's ensemble of it


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    kind: Annotated[str, typer.Argument(help="What is simulated: bioreactor, or a kind of the pool (docs/jobs.md).")],
    spec: Annotated[Path, typer.Option(help="JSON file: model, parameters, seed, draws, horizon, inputs.")],
    out: Annotated[Path | None, typer.Option(help="Where the result goes; standard output without it.")] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file with a parameter set; what the specification says itself wins.")
    ] = None,
) -> None:
    """Run one simulation and write its result as JSON. docs/models.md describes the specification."""
    if kind != ACCURATE:
        _by_an_engine(kind, spec, out, parameters)
        return
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


def _by_an_engine(kind: str, spec: Path, out: Path | None, parameters: Path | None) -> None:
    """Run what the pool would, and show how far it is."""
    from streams.jobs.engines import engines
    from streams.jobs.foreground import run_here
    from streams.process_models import read_specification

    known = engines()
    if kind not in known:
        raise UsageError(f"expected a kind among {', '.join(sorted({ACCURATE, *known}))}, received {kind!r}")
    if parameters is not None:
        raise UsageError(f"expected parameters in the specification itself, received --parameters, for kind {kind}")
    asked = read_specification(spec)
    with shares() as bar:
        task = bar.add_task(kind, total=1.0, note="")

        def told(standing: Standing) -> None:
            share = standing.done / standing.total if standing.total > 0 else 0.0
            bar.update(task, completed=share, note=standing.note)

        answer = run_here(kind, asked, known, told)
    with output(out) as sink:
        sink.write(answer + b"\n")
