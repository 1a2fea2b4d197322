"""The command line. `main` is what `twinstream` runs; `app` is the Typer application."""

import os

from streams.threads import one_thread

one_thread(os.environ)  # the one thing done at import: the commands load numpy, which reads it once

from streams.cli.main import app, main  # noqa: E402

__all__ = ["app", "main"]
