"""All commands, and what every one of them does with an error. Exit codes: 0 done, 1 a check failed, 2 usage."""

from __future__ import annotations

import sys

import typer

from schemas.errors import TwinstreamError, UsageError
from streams.cli import (
    alarms,
    calibrate,
    change,
    explain,
    golden,
    inspect,
    jobs,
    lineage,
    offline,
    report,
    roles,
    simulate,
    sources,
)
from streams.cli.say import complain
from streams.supervisor import follow_supervisor

app = typer.Typer(
    name="twinstream",
    help="Event-driven streaming digital twins for bioprocess, clinical trial and supply.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ingest = typer.Typer(help="Run a connector: read a source and append what it says to its topic.", no_args_is_help=True)
app.add_typer(ingest, name="ingest")

roles.register(app)
sources.register(app, ingest)
offline.register(app)
simulate.register(app)
golden.register(app)
calibrate.register(app)
alarms.register(app)
report.register(app)
change.register(app)
inspect.register(app)
explain.register(app)
jobs.register(app)
lineage.register(app)


def main() -> None:
    """Run the command line."""
    follow_supervisor()
    try:
        app()
    except UsageError as error:
        complain(str(error))
        sys.exit(2)
    except TwinstreamError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
