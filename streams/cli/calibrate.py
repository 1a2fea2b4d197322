"""`calibrate`: make the calibration of a process model's forecasts from simulated runs. No broker, no database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import UsageError
from streams.cli.output import output
from streams.cli.say import progress, say

ConfigOption = Annotated[Path, typer.Option(help="JSON file: the configuration whose section `process` is calibrated.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(calibrate)


def calibrate(
    config: ConfigOption,
    out: Annotated[Path, typer.Option(help="Where the calibration goes; name it in `process.calibration`.")],
    hours: Annotated[int, typer.Option(min=24, help="How long a run is.")],
    state: Annotated[list[str], typer.Option(help="A state to calibrate; may be given several times.")],
    runs: Annotated[int, typer.Option(min=200, help="How many runs to simulate.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 1,
    signal_minutes: Annotated[int, typer.Option(min=1, max=60, help="Between two readings of the signal.")] = 10,
    assay_hours: Annotated[int, typer.Option(min=1, help="Between two samples.")] = 12,
    spread: Annotated[
        float, typer.Option(min=0.1, max=10.0, help="How many times wider runs differ than the design believes.")
    ] = 1.0,
) -> None:
    """Calibrate forecasts from simulated runs of a configuration. docs/estimation.md says what it promises."""
    from streams.models import read_twin_config  # what models are made of loads only where it is needed
    from twins.bioreactor.calibrated import Made
    from twins.bioreactor.calibrating import make_calibration
    from twins.bioreactor.config import read_config
    from twins.bioreactor.parameters import assumed_growth as p

    document = read_twin_config(config)
    section = document.get("process")
    if isinstance(section, dict):
        document = {**document, "process": {**section, "calibration": None}}  # an old one need not fit
    given = read_config(document)
    if given.process is None:
        raise UsageError(f"expected a section process, received none, in {config}; see docs/bioreactor.md")
    values = {one.name: given.parameters.get(one.name, one.value) for one in p.GROWTH}
    made = Made(
        seed, runs, hours, signal_minutes, assay_hours, values["initial_volume"], values["planned_feed_rate"], spread
    )
    say(f"{runs} runs of {hours} h of {given.process.model}, seed {seed}")
    with progress() as bar:
        task = bar.add_task("hours followed", total=hours, note="")
        found = make_calibration(given.process, made, state, lambda hour: bar.update(task, completed=hour))
    with output(out) as sink:
        sink.write(msgspec.json.encode(found, order="sorted") + b"\n")
    for one in found.states:
        factors = ", ".join(f"{at.factor:.2f} at {at.lead_hours:g} h" for at in one.leads)
        say(f"{one.state}: 90 % within the model's own standard deviation times {factors} (1.64 where it is right)")
    say(f"design {found.design}")
