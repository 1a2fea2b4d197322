"""Commands that keep running: `up`, `worker`, `api`."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.say import say
from streams.database import database
from streams.settings import Settings
from streams.supervisor import Role, Supervisor


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(worker)
    app.command()(api)


def up(
    broker: Annotated[str | None, typer.Option(help="kafka://host:port; without it the log in the database.")] = None,
    database_uri: Annotated[
        str | None, typer.Option("--database", help="postgresql://...; without it the embedded one.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded database keeps its data.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON file: model, parameters, limits of the bioreactors.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = None,
    units: Annotated[int, typer.Option(min=0, help="Simulated bioreactors; 0 for none.")] = 8,
    rate: Annotated[float, typer.Option(min=0.001, help="Readings a second and simulated unit.")] = 1.0,
    speed: Annotated[str, typer.Option(help="Speed of the simulation or replay; `max` only for a replay.")] = "60",
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 7,
    replay: Annotated[Path | None, typer.Option(help="Play this recorded run instead of the simulation.")] = None,
    map_file: Annotated[Path | None, typer.Option("--map", help="Mapping of the recorded run.")] = None,
    jobs: Annotated[bool, typer.Option("--jobs/--no-jobs", help="Answer re-simulations, one at a time.")] = True,
) -> None:
    """Run everything: database, worker, simulated bioreactors or a recorded run, API, dashboard, and a job worker."""
    given = {
        "broker": broker,
        "database": database_uri,
        "data_dir": data_dir,
        "api_port": port,
        "bioreactor_config": config,
    }
    for name, value in given.items():
        if value is not None:
            os.environ[f"TWINSTREAM_{name.upper()}"] = str(value)
    settings = Settings()
    say("starting the database ..." if settings.embedded else "using the database that the settings name")
    with database(settings) as uri:
        environment = {"TWINSTREAM_DATABASE": uri}
        source = _source_role(replay, map_file, units, rate, speed, seed, environment)
        roles = [Role("worker", ["worker"], environment=environment), Role("api", ["api"], environment=environment)]
        supervisor = Supervisor(roles + ([source] if source else []), say)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.request_stop())
        supervisor.start()
        _announce(settings, supervisor)
        if jobs:  # once all else runs: its engines take a while to load, and nobody waits for them
            supervisor.add(_job_role(environment))
        supervisor.add(_quiet(Role("lineage", ["lineage"], environment=environment)))
        code = supervisor.run()
    say("stopped")
    raise typer.Exit(code)


def worker() -> None:
    """Fold facts into twins: one role, for its own process or host."""
    from streams.app import run_worker  # Faust takes most of a second to load

    settings = Settings()
    with database(settings) as uri:
        code = run_worker(settings, uri)
    raise typer.Exit(code)


def api() -> None:
    """Serve the API and the dashboard."""
    from streams.serve import serve  # FastAPI loads only here

    settings = Settings()
    with database(settings) as uri:
        serve(settings, uri)


def _source_role(
    replay: Path | None,
    map_file: Path | None,
    units: int,
    rate: float,
    speed: str,
    seed: int,
    environment: dict[str, str],
) -> Role | None:
    if replay is not None:
        if not replay.is_file():
            raise SettingsError(f"expected a file, received {replay}, which is none; check the path")
        arguments = [
            "replay",
            str(replay),
            "--speed",
            speed,
            "--no-worker",
            *(["--map", str(map_file)] if map_file else []),
        ]
        return Role("replay", arguments, once=True, environment=environment)
    if units == 0:
        return None
    arguments = [
        "ingest",
        "simulator",
        "--units",
        str(units),
        "--rate",
        str(rate),
        "--seed",
        str(seed),
        "--speed",
        speed,
    ]
    return Role("simulator", arguments, environment=environment)


def _job_role(environment: dict[str, str]) -> Role:
    """One slot."""
    return _quiet(Role("job-worker", ["job-worker", "--slots", "1"], environment=environment))


def _quiet(role: Role) -> Role:
    """Let a role serve no metrics: the port is the worker's."""
    return replace(role, environment={**role.environment, "TWINSTREAM_METRICS_PORT": "0"})


def _announce(settings: Settings, supervisor: Supervisor) -> None:
    """Tell the address once it answers; a role that fails at once is told by the supervisor instead."""
    address = f"http://{settings.api_host}:{settings.api_port}/"
    until = time.monotonic() + 60
    while time.monotonic() < until and all(
        role.process and role.process.poll() is None for role in supervisor.roles[:2]
    ):
        try:
            with urllib.request.urlopen(f"{address}healthz", timeout=1):  # noqa: S310  loopback, built above
                say(f"dashboard: {address}   (Ctrl-C stops everything)")
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
