"""A worker of the product as a process of a benchmark: `streams.app.run_worker` as the command runs it.

It also notes when each step of a commit round was reached, and writes that down when it stops gently. A benchmark may
have it fold by a model of its own.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from array import array
from pathlib import Path

from streams import app
from streams.ledger.commit import Committer
from streams.settings import Settings


def main() -> int:
    """Run until told to stop."""
    marks = array("d")  # pairs: number of the step, seconds since 1970
    numbers = {name: float(number) for number, name in enumerate(Committer.STEPS)}

    def at_step(name: str) -> None:
        number = numbers.get(name)
        if number is not None:
            marks.extend((number, time.time()))

    if model := os.environ.get("TWINSTREAM_BENCH_MODEL"):
        home, name = model.split(":")
        made = getattr(importlib.import_module(home), name)()
        app.load_model = lambda kind, config: made  # type: ignore[attr-defined]
    settings = Settings()
    assert settings.database is not None
    code = app.run_worker(settings, settings.database.get_secret_value(), at_step)
    if file := os.environ.get("TWINSTREAM_BENCH_MARKS"):
        Path(file).write_bytes(marks.tobytes())
    return code


if __name__ == "__main__":
    sys.argv = ["worker"]  # Faust reads it
    sys.exit(main())
