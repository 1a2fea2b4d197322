"""The command that answers re-simulations: `job-worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.database import database
from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("job-worker")(job_worker)


def job_worker(
    devices: Annotated[
        str, typer.Option(help="auto: CUDA where it is found, else the CPU; cpu; or names such as cuda:0,cuda:2.")
    ] = "auto",
    slots: Annotated[
        int | None, typer.Option(min=0, max=256, help="Engine processes on the CPU; one for each core without it.")
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option(help="Only jobs of this kind; may be given several times. All without it.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0.0, help="End with 0 once no job came for so many seconds; without it never."),
    ] = None,
) -> None:
    """Answer re-simulations: one role for its own process or host, as many of them as there is work for."""
    from streams.jobs.serve import run_job_worker  # numpy and the log's writers load only where they are needed

    settings = Settings()
    with database(settings) as uri:
        code = run_job_worker(settings, uri, devices, slots, kinds or (), until_idle)
    raise typer.Exit(code)
