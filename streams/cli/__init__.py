"""The command line. `main` is what `twinstream` runs; `app` is the Typer application."""

from streams.cli.main import app, main

__all__ = ["app", "main"]
